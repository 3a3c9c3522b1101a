//! How a list within a card is put in order and narrowed down.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use shared::query::Query;
use shared::view::{ConnectionRow, Summary};

/// By which column a list is in order; none for the order in which the app told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub by: Option<(usize, Falling)>,
}

/// Whether the largest comes first.
pub type Falling = bool;

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    /// Comes last, however the list is in order.
    Nothing,
}

impl Order {
    /// By that column; the other way round where it is so already, and then as at first. Numbers begin with the largest.
    pub fn turned(self, column: usize, is_number: bool) -> Self {
        let by = match self.by {
            Some((now, falls)) if now == column && falls == is_number => Some((column, !falls)),
            Some((now, _)) if now == column => None,
            _ => Some((column, is_number)),
        };
        Self { by }
    }

    pub fn put<T>(self, rows: &mut [T], cell: impl Fn(&T, usize) -> Cell) {
        if let Some((column, falls)) = self.by {
            rows.sort_by_cached_key(|row| Key(cell(row, column), falls));
        }
    }
}

/// Has rows stand as they did before, by what they are known by; those that were not there come after, in the order they have.
pub fn keep<T, K: Ord + Copy>(rows: &mut [T], before: impl Iterator<Item = K>, known: impl Fn(&T) -> K) {
    let places: BTreeMap<K, usize> = before.zip(0..).collect();
    rows.sort_by_key(|row| places.get(&known(row)).copied().unwrap_or(usize::MAX));
}

/// A cell that knows which way the list goes.
#[derive(PartialEq)]
struct Key(Cell, Falling);

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let directed = |order: Ordering| if self.1 { order.reverse() } else { order };
        match (&self.0, &other.0) {
            (Cell::Nothing, Cell::Nothing) => Ordering::Equal,
            (Cell::Nothing, _) => Ordering::Greater,
            (_, Cell::Nothing) => Ordering::Less,
            (Cell::Number(a), Cell::Number(b)) => directed(a.total_cmp(b)),
            (Cell::Text(a), Cell::Text(b)) => directed(a.to_lowercase().cmp(&b.to_lowercase())),
            (Cell::Number(_), Cell::Text(_)) => directed(Ordering::Less),
            (Cell::Text(_), Cell::Number(_)) => directed(Ordering::Greater),
        }
    }
}

/// A search among the rows of a list, in the language of the page's search; none where nothing is searched for.
///
/// # Errors
/// What is wrong with the words.
pub fn wanted(words: &str) -> Result<Option<Query>, String> {
    let query = Query::parse(words).map_err(|wrong| wrong.message)?;
    Ok((!query.is_empty()).then_some(query))
}

/// A connection as something that a search looks into: its far end, port and count.
pub fn as_node(row: &ConnectionRow) -> Summary {
    Summary {
        label: row.label.clone(),
        label_minor: row.label_minor.clone(),
        metadata: row.metadata.clone(),
        ..Summary::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::Row;

    #[test]
    fn rows_that_are_kept_stand_as_they_did_and_new_ones_after_them() {
        let mut rows = ["d", "c", "b", "new", "a"];
        keep(&mut rows, ["a", "gone", "b", "c", "d"].into_iter(), |row| *row);
        assert_eq!(rows, ["a", "b", "c", "d", "new"]);
    }

    #[test]
    fn a_column_puts_in_order_then_the_other_way_round_then_not() {
        let first = Order::default().turned(2, true);
        assert_eq!(first.by, Some((2, true)), "numbers: the largest first");
        assert_eq!(first.turned(2, true).by, Some((2, false)));
        assert_eq!(first.turned(2, true).turned(2, true), Order::default());
        assert_eq!(first.turned(0, false).by, Some((0, false)));
    }

    #[test]
    fn what_has_no_value_is_last_both_ways() {
        let rows =
            [Cell::Number(2.0), Cell::Nothing, Cell::Text("b".into()), Cell::Number(10.0), Cell::Text("A".into())];
        let put = |falls| {
            let mut all = rows.to_vec();
            Order { by: Some((0, falls)) }.put(&mut all, |cell, _| cell.clone());
            all
        };
        let [two, nothing, b, ten, a] = rows.clone();
        assert_eq!(put(false), [two.clone(), ten.clone(), a.clone(), b.clone(), nothing.clone()]);
        assert_eq!(put(true), [b, a, ten, two, nothing]);
    }

    #[test]
    fn connections_are_searched_by_name_and_by_field() {
        let row =
            |id: &str, value: &str| Row { id: id.into(), label: id.into(), value: value.into(), ..Row::default() };
        let connection = ConnectionRow {
            label: "db".into(),
            label_minor: "h1".into(),
            metadata: vec![row("port", "5432"), row("count", "12")],
            ..ConnectionRow::default()
        };
        let finds = |words: &str| wanted(words).unwrap().unwrap().find(&as_node(&connection), 0).is_some();
        assert!(finds("db") && finds("port:5432") && finds("count > 10") && finds("54"));
        assert!(!finds("web") && !finds("count > 12") && !finds("-db"));
        assert!(wanted(" ").unwrap().is_none());
        assert!(wanted("count >").is_err());
    }
}
