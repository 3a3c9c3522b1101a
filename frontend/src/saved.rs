//! Views that were saved by name, as their addresses; the browser keeps them.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub name: String,
    /// As behind the `#`.
    pub address: String,
}

/// More are not kept; the oldest goes.
const MAX: usize = 50;

/// Puts one in: one of its name is replaced where it stands.
pub fn add(all: &mut Vec<Saved>, name: &str, address: &str) {
    let saved = Saved { name: name.trim().to_owned(), address: address.to_owned() };
    match all.iter_mut().find(|one| one.name == saved.name) {
        Some(one) => *one = saved,
        None => all.push(saved),
    }
    let too_many = all.len().saturating_sub(MAX);
    all.drain(..too_many);
}

/// What the browser kept; nothing where that cannot be read.
pub fn read(text: &str) -> Vec<Saved> {
    serde_json::from_str(text).unwrap_or_default()
}

pub fn write(all: &[Saved]) -> String {
    serde_json::to_string(all).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_kept_by_its_name_and_replaced_by_it() {
        let mut all = Vec::new();
        add(&mut all, " shop ", "#/containers?q=shop");
        add(&mut all, "hosts", "#/hosts");
        add(&mut all, "shop", "#/containers?f=shop");
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["shop", "hosts"]);
        assert_eq!(all[0].address, "#/containers?f=shop");
        assert_eq!(read(&write(&all)), all);
        (0..60).for_each(|n| add(&mut all, &format!("view {n}"), "#/hosts"));
        assert_eq!((all.len(), all[0].name.as_str()), (50, "view 10"));
    }

    #[test]
    fn what_is_no_list_of_views_is_an_empty_one() {
        for text in ["", "{}", "[1]", "null"] {
            assert_eq!(read(text), [], "{text}");
        }
    }
}
