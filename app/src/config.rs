use std::net::SocketAddr;
use std::time::Duration;

/// What the app runs with, once options, environment and defaults are one.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub hostname: String,
    /// What probes must present; empty where any may report.
    pub token: String,
    pub patience: Patience,
    pub label_filters: Vec<LabelFilter>,
}

/// How long silence is borne.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub stale_ms: u64,
    /// How long a connection is shown after it closed, and a host's connections after its last word.
    pub window_ms: u64,
    pub forget_ms: u64,
}

impl Patience {
    pub fn new(window: Duration, forget: Duration) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self { stale_ms: 6_000, window_ms: ms(window), forget_ms: ms(forget) }
    }
}

/// A choice that an operator adds to the containers' `system` option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFilter {
    pub title: String,
    pub key: String,
    pub value: String,
    /// Shows the containers without the label instead of those with it.
    pub exclude: bool,
}

impl LabelFilter {
    /// `Title:key=value`; a colon in the title is written `\:`.
    pub fn parse(text: &str, exclude: bool) -> Result<Self, String> {
        let mut title = String::new();
        let mut rest = text.chars();
        loop {
            match rest.next() {
                Some('\\') => title.extend(rest.next()),
                Some(':') => break,
                Some(c) => title.push(c),
                None => return Err(format!("'{text}' has no title; write 'Title:key=value'")),
            }
        }
        let Some((key, value)) = rest.as_str().split_once('=') else {
            return Err(format!("'{text}' names no label; write 'Title:key=value'"));
        };
        if title.is_empty() || key.is_empty() {
            return Err(format!("'{text}' has an empty title or label; write 'Title:key=value'"));
        }
        Ok(Self { title, key: key.replace("\\:", ":"), value: value.replace("\\:", ":"), exclude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_filter_has_a_title_a_key_and_a_value() {
        let filter = LabelFilter::parse(r"Team\: red:com.example.team=red=1", false).unwrap();
        assert_eq!((filter.title.as_str(), filter.key.as_str()), ("Team: red", "com.example.team"));
        assert_eq!(filter.value, "red=1");
        for wrong in ["", "x", "x:y", ":a=b", "x:=b"] {
            assert!(LabelFilter::parse(wrong, false).is_err(), "{wrong}");
        }
    }
}
