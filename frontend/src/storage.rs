//! What the browser keeps for the next visit. One that keeps nothing is no reason not to show the page.

/// None where nothing is kept by that name.
pub fn get(key: &str) -> Option<String> {
    open()?.get_item(key).ok()?
}

/// Keeps a text, or none any more.
pub fn set(key: &str, text: Option<&str>) {
    let Some(storage) = open() else { return };
    let _ = match text {
        Some(text) => storage.set_item(key, text),
        None => storage.remove_item(key),
    };
}

fn open() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok()?
}
