#[cfg(target_arch = "wasm32")]
fn main() {
    // A worker has no window: it waits to be called.
    if web_sys::window().is_some() {
        frontend::app::start();
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("this is the page of Scope; it is built for wasm32-unknown-unknown");
}
