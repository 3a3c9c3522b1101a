//! The language of searches, one for the page's box and for the API: which nodes a search finds, and why.
//!
//! ```text
//! web 10.0.1.2:80             both, anywhere
//! web or db, not (a | b), -x  either; none of these; not this
//! image:nginx                 in a row, parent, network or table whose name begins so
//! "two words" /^api-\d+$/     as it stands; by a regular expression
//! cpu > 50%  memory >= 1.5GB  metrics and numbers with their units
//! ```

mod find;
mod measure;
mod parse;

pub use find::{Found, Reason, Value};
pub use parse::Wrong;

use self::measure::Measure;

/// A search that could be read. The empty one finds everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    what: Option<What>,
}

#[derive(Clone, Debug)]
enum What {
    All(Vec<What>),
    Any(Vec<What>),
    Not(Box<What>),
    Is(Term),
}

/// One thing that is looked for.
#[derive(Clone, Debug)]
struct Term {
    /// The beginning of a name, only its letters and digits and in lower case; none to look anywhere.
    field: Option<String>,
    how: How,
    /// As it was typed, in lower case, where the field may be no field but a name before a port: `db:5432`.
    whole: Option<String>,
}

#[derive(Clone, Debug)]
enum How {
    /// In lower case.
    Has(String),
    Matches(regex_lite::Regex),
    Compares(Order, Measure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    AtLeast,
    More,
}

impl Query {
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        parse::query(text)
    }

    pub fn is_empty(&self) -> bool {
        self.what.is_none()
    }
}

/// What tells names apart: letters and digits, in lower case.
pub fn slug(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
