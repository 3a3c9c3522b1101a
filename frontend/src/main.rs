#[cfg(target_arch = "wasm32")]
fn main() {
    frontend::app::start();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("this is the page of Scope; it is built for wasm32-unknown-unknown");
}
