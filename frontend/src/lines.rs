//! The lines of networks: a hue and a pattern by which each is known wherever it appears.

use std::cell::RefCell;
use std::collections::BTreeMap;

#[cfg(target_arch = "wasm32")]
use crate::storage;

/// Where there is no browser nothing is kept.
#[cfg(not(target_arch = "wasm32"))]
mod storage {
    pub fn of_tab(_key: &str) -> Option<String> {
        None
    }

    pub fn set_of_tab(_key: &str, _text: &str) {}
}

/// How many lines there are.
pub const LINES: usize = 6;

/// Which line each network has. Two share one only where there are more networks than lines.
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// The line that its name asks for, unless another network was seen first that has it: then the next that is free.
    pub fn of(&mut self, name: &str) -> usize {
        if let Some(line) = self.0.get(name) {
            return *line;
        }
        let wished = wished(name);
        let is_free = |line: &usize| !self.0.values().any(|taken| taken == line);
        let line = (0..LINES).map(|step| (wished + step) % LINES).find(is_free).unwrap_or(wished);
        self.0.insert(name.to_owned(), line);
        line
    }
}

fn wished(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 7) as usize % LINES
}

/// By what name they are kept, and up to how many.
const KEPT: &str = "scope.lines";
const KEPT_MAX: usize = 64;

thread_local! {
    static SEEN: RefCell<Lines> = RefCell::new(Lines::kept());
}

impl Lines {
    /// Those that networks had before the page was loaded again.
    fn kept() -> Self {
        let kept: Option<BTreeMap<String, usize>> =
            storage::of_tab(KEPT).and_then(|text| serde_json::from_str(&text).ok());
        Self(kept.unwrap_or_default().into_iter().filter(|(_, line)| *line < LINES).collect())
    }

    fn keep(&self) {
        if self.0.len() <= KEPT_MAX
            && let Ok(text) = serde_json::to_string(&self.0)
        {
            storage::set_of_tab(KEPT, &text);
        }
    }
}

/// Of the page: the same for as long as its tab is open.
pub fn slot_of(name: &str) -> usize {
    SEEN.with_borrow_mut(|lines| {
        let before = lines.0.len();
        let line = lines.of(name);
        if lines.0.len() > before {
            lines.keep();
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_share_a_line_only_where_there_are_more_of_them_than_lines() {
        let mut lines = Lines::default();
        let names: Vec<String> = (0..LINES).map(|n| format!("net{n}")).collect();
        let mut given: Vec<usize> = names.iter().map(|name| lines.of(name)).collect();
        assert_eq!(given, names.iter().map(|name| lines.of(name)).collect::<Vec<_>>(), "and keep it");
        given.sort_unstable();
        assert_eq!(given, (0..LINES).collect::<Vec<_>>());
        assert!(lines.of("one more") < LINES);
    }
}
