//! Numbers with units, as they are typed and as rows show them.

use super::Order;

/// A number in the base of its unit: bytes, seconds, percent or plain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    pub value: f64,
    /// It was told in percent: of what is measured in something else, a part of the most that there can be.
    pub is_share: bool,
}

impl Measure {
    /// `50`, `50%`, `1.5GB`, `512 MiB`, `250ms`, `2h`, `10k`, `3/s`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-' && c != ',').unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let number: f64 = digits.replace(',', "").parse().ok()?;
        let unit = unit.trim().to_ascii_lowercase();
        let unit = unit.strip_suffix("/s").unwrap_or(&unit);
        Some(Self { value: number * factor(unit)?, is_share: unit == "%" })
    }

    /// The number that a row's value begins with, whatever stands behind it.
    pub fn leading(text: &str) -> Option<Self> {
        let first = text.split_whitespace().next()?;
        let second = text.split_whitespace().nth(1).unwrap_or_default();
        Self::parse(&format!("{first}{second}")).or_else(|| Self::parse(first))
    }

    /// Whether what is measured stands in that order to this.
    pub fn admits(self, order: Order, value: f64) -> bool {
        match order {
            Order::Less => value < self.value,
            Order::AtMost => value <= self.value,
            Order::AtLeast => value >= self.value,
            Order::More => value > self.value,
        }
    }
}

/// A thousand is a thousand, as on the page; who means 1,024 writes `KiB`.
fn factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "%" | "b" | "s" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "min" => 60.0,
        "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_unit() {
        for (text, expect) in [
            ("50", Some(50.0)),
            ("50%", Some(50.0)),
            ("1.5GB", Some(1.5e9)),
            ("512 MiB", Some(536_870_912.0)),
            ("250ms", Some(0.25)),
            ("2h", Some(7200.0)),
            ("1,200", Some(1200.0)),
            ("10k/s", Some(10_000.0)),
            ("-3", Some(-3.0)),
            ("much", None),
            ("", None),
            ("5 apples", None),
            ("1.2.3", None),
        ] {
            assert_eq!(Measure::parse(text).map(|measure| measure.value), expect, "{text}");
        }
        let leading = |text: &str| Measure::leading(text).map(|measure| measure.value);
        assert_eq!(leading("5 apples"), Some(5.0));
        assert_eq!(leading("412 MB of 2 GB"), Some(412e6));
        assert!(Measure::parse("50 %").unwrap().is_share && !Measure::parse("50").unwrap().is_share);
        assert_eq!(Measure::leading("up"), None);
    }
}
