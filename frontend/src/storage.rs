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

/// What is kept for as long as the tab is open.
pub fn of_tab(key: &str) -> Option<String> {
    web_sys::window()?.session_storage().ok()??.get_item(key).ok()?
}

pub fn set_of_tab(key: &str, text: &str) {
    if let Some(Ok(Some(storage))) = web_sys::window().map(|window| window.session_storage()) {
        let _ = storage.set_item(key, text);
    }
}

fn open() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok()?
}
