//! What each key does.

use super::*;

pub(super) fn key(page: Page, event: &web_sys::KeyboardEvent) {
    let target = event.target().and_then(|t| t.dyn_into::<web_sys::Element>().ok());
    let typing = target.is_some_and(|t| matches!(t.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT"));
    if (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k") {
        page.palette.update(|open| *open = !*open);
        event.prevent_default();
        return;
    }
    if event.ctrl_key() || event.meta_key() || event.alt_key() {
        return;
    }
    // A button that has the focus is pressed by it.
    let presses = target_is_button(event);
    match event.key().as_str() {
        "Escape" => close_last(page),
        _ if typing => return,
        "/" => search::focus(),
        "g" => page.go(|route| route.mode = Mode::Graph),
        "t" => page.go(|route| route.mode = Mode::Table),
        "r" => page.show_resources(),
        "w" => page.pin_next_network(),
        "<" => page.next_metric(false),
        ">" => page.next_metric(true),
        "q" => page.toggle_metric(),
        "m" => page.minimap.update(|open| *open = !*open),
        "+" | "=" => page.aim.set(Some(Aim::Zoom(ZOOM_STEP))),
        "-" => page.aim.set(Some(Aim::Zoom(1.0 / ZOOM_STEP))),
        "z" => page.aim.set(Some(Aim::Selection)),
        "n" => page.next_finding(true),
        "N" => page.next_finding(false),
        "[" => page.fold_rail(),
        arrow @ ("ArrowRight" | "ArrowLeft" | "ArrowDown" | "ArrowUp") if on_graph(event) => {
            let towards = match arrow {
                "ArrowRight" => (1.0, 0.0),
                "ArrowLeft" => (-1.0, 0.0),
                "ArrowDown" => (0.0, 1.0),
                _ => (0.0, -1.0),
            };
            page.aim.set(Some(Aim::Next(towards.0, towards.1)));
        }
        "p" => page.turn_path(),
        "c" => page.changes_open.update(|open| *open = !*open),
        "l" => page.arrangement.update(|open| *open = !*open),
        "f" => page.deepen(),
        "F" => page.show_alone(),
        "e" => page.go(|route| route.lines = route.lines.next()),
        " " if !presses => page.toggle_pause(),
        digit @ ("1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9") => {
            rail::go_to(page, digit.parse().unwrap_or(1));
        }
        "?" => page.help.update(|open| *open = !*open),
        "0" => page.show_all(),
        _ => return,
    }
    event.prevent_default();
}

/// Whether the key is for the graph: nothing else that could take it has the focus.
fn on_graph(event: &web_sys::KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    target.is_none_or(|target| matches!(target.tag_name().as_str(), "BODY" | "CANVAS"))
}

fn target_is_button(event: &web_sys::KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    target.is_some_and(|target| matches!(target.tag_name().as_str(), "BUTTON" | "A" | "SUMMARY"))
}

/// What was opened last goes first.
fn close_last(page: Page) {
    if page.palette.get_untracked() {
        page.palette.set(false);
    } else if page.help.get_untracked() {
        page.help.set(false);
    } else if page.arrangement.get_untracked() {
        page.arrangement.set(false);
    } else if page.changes_open.get_untracked() {
        page.changes_open.set(false);
    } else if page.topologies_open.get_untracked() {
        page.topologies_open.set(false);
    } else if page.route.with_untracked(|route| route.path.is_some()) {
        page.go(|route| route.path = None);
    } else if page.route.with_untracked(|route| route.selected.is_some() || route.edge.is_some()) {
        page.select(None);
    } else if page.route.with_untracked(|route| route.network.is_some()) {
        page.pin_network(None);
    } else if page.route.with_untracked(|route| route.mode == Mode::Findings) {
        page.go(|route| route.mode = Mode::Graph);
    } else if page.route.with_untracked(|route| !route.search.is_empty()) {
        page.adjust(|route| route.search.clear());
    } else {
        page.go(|route| drop(route.filters.pop()));
    }
    let active = web_sys::window().and_then(|w| w.document()?.active_element());
    if let Some(element) = active.and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = element.blur();
    }
}
