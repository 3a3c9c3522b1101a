//! From what was typed to what is looked for.

use super::{How, Measure, Order, Query, Term, What, slug};

/// What is wrong with a search.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    /// Which character of the text it is about, counted from 0.
    pub at: usize,
    /// What is wrong and what would be right, a sentence.
    pub message: String,
}

/// Parentheses deeper than that are refused: they would be read by a stack as deep.
const DEPTH_MAX: usize = 32;

pub fn query(text: &str) -> Result<Query, Wrong> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, next: 0, end: text.chars().count() };
    if tokens.is_empty() {
        return Ok(Query::default());
    }
    let what = reader.any(0)?;
    match reader.peek() {
        None => Ok(Query { what: Some(what) }),
        Some(token) => Err(wrong(token.at, "this `)` closes nothing".into())),
    }
}

fn wrong(at: usize, message: String) -> Wrong {
    Wrong { at, message }
}

#[derive(Clone, Debug, PartialEq)]
struct Token {
    at: usize,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Open,
    Close,
    Or,
    And,
    Not,
    Order(Order),
    /// `field:`, with nothing between it and what follows.
    Field(String),
    Word(String),
    Quoted(String),
    Regex(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let chars: Vec<char> = text.chars().collect();
    let mut found: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        let begins = at;
        let follows_field = matches!(found.last(), Some(Token { kind: Kind::Field(_), .. }));
        let kind = match c {
            _ if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => Kind::Open,
            ')' => Kind::Close,
            '|' => {
                at += usize::from(next == Some('|'));
                Kind::Or
            }
            '&' => {
                at += usize::from(next == Some('&'));
                Kind::And
            }
            '>' | '<' => {
                at += usize::from(next == Some('='));
                Kind::Order(match (c, next) {
                    ('>', Some('=')) => Order::AtLeast,
                    ('>', _) => Order::More,
                    (_, Some('=')) => Order::AtMost,
                    _ => Order::Less,
                })
            }
            '!' | '-' if !follows_field && next.is_some_and(|c| !c.is_whitespace()) => Kind::Not,
            '"' => {
                let (text, end) = until(&chars, at, '"').ok_or_else(|| wrong(at, "this quote is not closed".into()))?;
                at = end;
                Kind::Quoted(text)
            }
            // A path begins with a slash too, and has no second one at the end of a word.
            '/' if regex_end(&chars, at).is_some() => {
                let end = regex_end(&chars, at).unwrap_or(at);
                let text = chars[at + 1..end].iter().collect();
                at = end;
                Kind::Regex(text)
            }
            _ => {
                let (kind, end) = word(&chars, at);
                at = end;
                kind
            }
        };
        at += 1;
        found.push(Token { at: begins, kind });
    }
    Ok(found)
}

/// What stands between the quote at `at` and the next one, and where that is. A backslash takes a quote its meaning.
fn until(chars: &[char], at: usize, quote: char) -> Option<(String, usize)> {
    let (mut text, mut i) = (String::new(), at + 1);
    loop {
        match chars.get(i)? {
            '\\' if chars.get(i + 1) == Some(&quote) => {
                text.push(quote);
                i += 1;
            }
            c if *c == quote => return Some((text, i)),
            c => text.push(*c),
        }
        i += 1;
    }
}

/// Where the expression that begins at `at` ends: at a slash that a blank, a parenthesis or the end follows.
fn regex_end(chars: &[char], at: usize) -> Option<usize> {
    let is_end = |i: &usize| {
        chars[*i] == '/'
            && chars[*i - 1] != '\\'
            && chars.get(*i + 1).is_none_or(|c| c.is_whitespace() || matches!(c, ')' | '|' | '&'))
    };
    (at + 2..chars.len()).find(is_end)
}

/// A word or a field's name that begins at `at`, and where it ends.
fn word(chars: &[char], at: usize) -> (Kind, usize) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | '&' | '>' | '<' | '"');
    let end = (at..chars.len()).find(|i| ends(chars[*i])).unwrap_or(chars.len());
    let is_name = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let colon = (at..end).find(|i| !is_name(&chars[*i])).filter(|i| chars[*i] == ':' && *i > at);
    // An address is no field, and a colon with nothing behind it is none.
    if let Some(colon) = colon.filter(|colon| chars[at].is_alphabetic() && chars.get(colon + 1).is_some_and(is_value)) {
        return (Kind::Field(chars[at..colon].iter().collect()), colon);
    }
    let text: String = chars[at..end].iter().collect();
    let kind = match text.to_lowercase().as_str() {
        "or" => Kind::Or,
        "and" => Kind::And,
        "not" => Kind::Not,
        _ => Kind::Word(text),
    };
    (kind, end - 1)
}

/// What can stand behind a field's colon.
fn is_value(c: &char) -> bool {
    !c.is_whitespace() && !matches!(c, ')' | '(' | '|' | '&' | '<' | '>' | ':')
}

struct Reader<'a> {
    tokens: &'a [Token],
    next: usize,
    /// Of the text, characters.
    end: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<&Token> {
        self.next += 1;
        self.tokens.get(self.next - 1)
    }

    fn take_if(&mut self, kind: &Kind) -> bool {
        let is_it = self.peek().is_some_and(|token| token.kind == *kind);
        self.next += usize::from(is_it);
        is_it
    }

    fn any(&mut self, depth: usize) -> Result<What, Wrong> {
        let mut all = vec![self.all(depth)?];
        while self.take_if(&Kind::Or) {
            all.push(self.all(depth)?);
        }
        Ok(one_or(all, What::Any))
    }

    fn all(&mut self, depth: usize) -> Result<What, Wrong> {
        let mut all = vec![self.one(depth)?];
        loop {
            let is_said = self.take_if(&Kind::And);
            match self.peek().map(|token| &token.kind) {
                None | Some(Kind::Close | Kind::Or) if !is_said => return Ok(one_or(all, What::All)),
                _ => all.push(self.one(depth)?),
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<What, Wrong> {
        let end = self.end;
        if depth > DEPTH_MAX {
            return Err(wrong(
                self.peek().map_or(end, |token| token.at),
                "too many parentheses within one another".into(),
            ));
        }
        let Some(Token { at, kind }) = self.take().cloned() else {
            return Err(wrong(end, "something to look for is missing at the end".into()));
        };
        match kind {
            Kind::Not => Ok(What::Not(Box::new(self.one(depth + 1)?))),
            Kind::Open => {
                let inner = self.any(depth + 1)?;
                match self.take_if(&Kind::Close) {
                    true => Ok(inner),
                    false => Err(wrong(at, "this `(` is not closed".into())),
                }
            }
            Kind::Close | Kind::Or | Kind::And => Err(wrong(at, "something to look for is missing before this".into())),
            Kind::Order(_) => Err(wrong(at, "a metric is missing before this, such as `cpu > 50%`".into())),
            Kind::Field(name) => match self.take().cloned() {
                Some(Token { kind: Kind::Word(text), .. }) => {
                    let whole =
                        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("{name}:{text}").to_lowercase());
                    Ok(What::Is(Term { field: Some(slug(&name)), how: How::Has(text.to_lowercase()), whole }))
                }
                Some(Token { kind: Kind::Quoted(text), .. }) => {
                    Ok(of(Some(slug(&name)), How::Has(text.to_lowercase())))
                }
                Some(Token { kind: Kind::Regex(text), at }) => Ok(of(Some(slug(&name)), regex(&text, at)?)),
                _ => Err(wrong(at, format!("`{name}:` needs something to look for, such as `{name}:web`"))),
            },
            Kind::Quoted(text) => Ok(of(None, How::Has(text.to_lowercase()))),
            Kind::Regex(text) => Ok(of(None, regex(&text, at)?)),
            Kind::Word(text) => match self.peek().map(|token| token.kind.clone()) {
                Some(Kind::Order(order)) => {
                    self.next += 1;
                    self.measure(&text, order)
                }
                _ => Ok(of(None, How::Has(text.to_lowercase()))),
            },
        }
    }

    /// What a metric is compared with; its unit may stand apart.
    fn measure(&mut self, name: &str, order: Order) -> Result<What, Wrong> {
        let sign = match order {
            Order::Less => "<",
            Order::AtMost => "<=",
            Order::AtLeast => ">=",
            Order::More => ">",
        };
        let needs = |at| wrong(at, format!("`{name} {sign}` needs a value, such as `{name} {sign} 50%`"));
        let end = self.end;
        let Some(Token { at, kind }) = self.take().cloned() else { return Err(needs(end)) };
        // A number below zero looks like a negation.
        let (minus, kind) = match kind {
            Kind::Not => ("-", self.take().map(|token| token.kind.clone())),
            other => ("", Some(other)),
        };
        let Some(Kind::Word(number)) = kind else { return Err(needs(at)) };
        let number = format!("{minus}{number}");
        let apart = match self.peek().map(|token| &token.kind) {
            Some(Kind::Word(unit)) if number.ends_with(|c: char| c.is_ascii_digit()) => {
                Measure::parse(&format!("{number}{unit}")).filter(|_| !unit.starts_with(|c: char| c.is_ascii_digit()))
            }
            _ => None,
        };
        if let Some(measure) = apart {
            self.next += 1;
            return Ok(of(Some(slug(name)), How::Compares(order, measure)));
        }
        let unit = "it is no number with a unit; write 50%, 1.5GB, 250ms, 2h or 3";
        let measure = Measure::parse(&number).ok_or_else(|| wrong(at, format!("`{number}`: {unit}")))?;
        Ok(of(Some(slug(name)), How::Compares(order, measure)))
    }
}

fn of(field: Option<String>, how: How) -> What {
    What::Is(Term { field, how, whole: None })
}

fn one_or(mut all: Vec<What>, several: impl FnOnce(Vec<What>) -> What) -> What {
    match all.len() {
        1 => all.remove(0),
        _ => several(all),
    }
}

/// Without regard to case, as words are.
fn regex(text: &str, at: usize) -> Result<How, Wrong> {
    let built = regex_lite::RegexBuilder::new(text).case_insensitive(true).size_limit(1 << 20).build();
    built.map(How::Matches).map_err(|error| wrong(at, format!("the expression cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, at: usize, message: &str) {
        let wrong = query(text).expect_err(text);
        assert!(wrong.message.contains(message), "{text}: {wrong}");
        assert_eq!(wrong.at, at, "{text}: {wrong}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check("cpu >", 5, "`cpu >` needs a value, such as `cpu > 50%`");
        check("cpu > much", 6, "no number");
        check("> 5", 0, "a metric is missing");
        check("web (a or b", 4, "not closed");
        check("web)", 3, "closes nothing");
        check("a or", 4, "missing at the end");
        check("or b", 0, "missing before");
        check("a \"b", 2, "quote is not closed");
        check("name:/(/", 5, "cannot be read");
        check("ü /[/", 2, "cannot be read");
        check(&"(".repeat(100), 33, "too many");
    }

    #[test]
    fn a_colon_makes_a_field_of_a_word_only() {
        let kinds = |text: &str| tokens(text).unwrap().into_iter().map(|token| token.kind).collect::<Vec<_>>();
        let word = |text: &str| Kind::Word(text.into());
        assert_eq!(kinds("image:nginx"), [Kind::Field("image".into()), word("nginx")]);
        assert_eq!(kinds("10.0.0.1:80"), [word("10.0.0.1:80")]);
        assert_eq!(kinds("fd00::1"), [word("fd00::1")]);
        assert_eq!(kinds("image:"), [word("image:")]);
        assert_eq!(kinds("a:-b"), [Kind::Field("a".into()), word("-b")]);
        assert_eq!(kinds("/usr/bin/x"), [word("/usr/bin/x")]);
        assert_eq!(kinds("/a b/"), [Kind::Regex("a b".into())]);
        assert_eq!(kinds("a-b -c"), [word("a-b"), Kind::Not, word("c")]);
        assert_eq!(kinds("com.x.y:\"a b\""), [Kind::Field("com.x.y".into()), Kind::Quoted("a b".into())]);
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_read_or_refused(text in "[a-c:/()|&<>=!\"\\\\ 0-9%.ü-]{0,40}") {
            if let Err(wrong) = query(&text) {
                prop_assert!(wrong.at <= text.chars().count());
            }
        }
    }
}
