//! Numbers, lengths of time and names as a reader sees them.

use shared::report::Failures;

/// `412 MB`, with the thin space between number and unit.
pub fn bytes(value: f64) -> String {
    let (mut value, mut unit) = (value, 0);
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 {
        format!("{value:.0}\u{2009}{}", UNITS[unit])
    } else {
        format!("{value:.1}\u{2009}{}", UNITS[unit])
    }
}

/// A metric's value in its format.
pub fn metric(format: &str, label: &str, value: f64) -> String {
    match format {
        "percent" if value >= 9.95 || value == 0.0 => format!("{value:.0}\u{2009}%"),
        "percent" => format!("{value:.1}\u{2009}%"),
        "filesize" if label.ends_with("/s") => format!("{}/s", bytes(value)),
        "filesize" => bytes(value),
        "integer" => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// A figure of an edge, in one of the formats of `shared::view::EDGE_METRICS`.
pub fn edge_metric(format: &str, value: f64) -> String {
    match format {
        "bytes" => bytes(value),
        "bytes_per_s" => format!("{}/s", bytes(value)),
        "per_s" => format!("{}/s", short(value)),
        "ms" if value >= 999.5 => format!("{}\u{2009}s", short(value / 1000.0)),
        "ms" if value >= 0.1 => format!("{}\u{2009}ms", short(value)),
        "ms" => format!("{}\u{2009}µs", short(value * 1000.0)),
        "s" if value >= 59.5 => duration(value.round() as u64),
        "s" if value >= 1.0 => format!("{}\u{2009}s", short(value)),
        "s" => format!("{}\u{2009}ms", short(value * 1000.0)),
        _ => grouped(value.max(0.0).round() as usize),
    }
}

/// Two digits that count, or all before the point.
fn short(value: f64) -> String {
    match () {
        () if value == 0.0 => "0".into(),
        () if value < 0.995 => format!("{value:.2}"),
        () if value < 9.95 => format!("{value:.1}"),
        () => grouped(value.round() as usize),
    }
}

/// `3 d 4 h`, `12 min`, `54 s`: the two largest units.
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match () {
        () if days >= 10 => format!("{days}\u{2009}d"),
        () if days > 0 => format!("{days}\u{2009}d {hours}\u{2009}h"),
        () if hours > 0 => format!("{hours}\u{2009}h {minutes}\u{2009}min"),
        () if minutes > 0 => format!("{minutes}\u{2009}min"),
        () => format!("{seconds}\u{2009}s"),
    }
}

/// Cut in the middle, its end kept: names differ at their ends.
pub fn shortened(name: &str, most: usize) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= most {
        return name.to_owned();
    }
    // Of little the end says more.
    let tail = if most <= 8 { most / 2 } else { (most - 1) / 3 };
    let head: String = all[..most - 1 - tail].iter().collect();
    let end: String = all[all.len() - tail..].iter().collect();
    format!("{head}…{end}")
}

/// What a program's path says to a reader is its last part.
pub fn base_name(name: &str) -> &str {
    if name.starts_with('/') { name.rsplit('/').next().unwrap_or(name) } else { name }
}

pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(count)) }
}

/// `12,345`.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What failed of a connection since it was first there: `23 refused, 2 timed out`.
pub fn failures(&Failures { refused, rejected, timed_out, reset, unreachable }: &Failures) -> String {
    let all = [
        (refused.saturating_sub(rejected), "refused"),
        (rejected, "rejected on the way"),
        (timed_out, "timed out"),
        (reset, "reset"),
        (unreachable, "without a way there"),
    ];
    let told = all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    told.collect::<Vec<_>>().join(", ")
}

/// That so many open connections get no answer.
pub fn unanswered(count: u32) -> String {
    format!("{} open without an answer", grouped(count as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_a_unit() {
        assert_eq!(bytes(512.0), "512\u{2009}B");
        assert_eq!(bytes(1_234_567.0), "1.2\u{2009}MB");
        assert_eq!(bytes(412e6), "412\u{2009}MB");
        assert_eq!(bytes(999_900.0), "1.0\u{2009}MB");
        assert_eq!(metric("percent", "CPU", 74.2), "74\u{2009}%");
        assert_eq!(metric("filesize", "Sent/s", 1900.0), "1.9\u{2009}kB/s");
        assert_eq!(duration(3 * 86_400 + 4 * 3_600), "3\u{2009}d 4\u{2009}h");
        assert_eq!(grouped(1_234_567), "1,234,567");
        let failed = Failures { refused: 23, reset: 1, ..Failures::default() };
        assert_eq!(failures(&failed), "23 refused, 1 reset");
        assert_eq!(failures(&Failures { rejected: 3, ..failed }), "20 refused, 3 rejected on the way, 1 reset");
        let edge = |format: &str, value: f64| edge_metric(format, value).replace('\u{2009}', " ");
        assert_eq!(
            [edge("ms", 0.042), edge("ms", 0.42), edge("ms", 3.12), edge("ms", 2500.0)],
            ["42 µs", "0.42 ms", "3.1 ms", "2.5 s"]
        );
        assert_eq!([edge("s", 0.005), edge("s", 2.25), edge("s", 130.0)], ["5.0 ms", "2.2 s", "2 min"]);
        assert_eq!(
            [edge("per_s", 0.0), edge("per_s", 1234.4), edge("bytes_per_s", 1.9e6)],
            ["0/s", "1,234/s", "1.9 MB/s"]
        );
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(shortened("checkout-service-7f9c4", 14), "checkout-…f9c4");
        assert_eq!(shortened("web", 14), "web");
        assert_eq!(shortened("node-10", 5), "no…10");
        assert_eq!(shortened("日本語のとても長い名前です", 8).chars().count(), 8);
    }
}
