//! Moments as somebody reads them here, and as UTC, in which machines tell of them.

use js_sys::Date;

fn date(ms: f64) -> Date {
    Date::new(&ms.into())
}

/// `15:04:32`, in the reader's zone.
pub fn clock(ms: f64) -> String {
    let at = date(ms);
    format!("{:02}:{:02}:{:02}", at.get_hours(), at.get_minutes(), at.get_seconds())
}

/// `15:04`, in the reader's zone.
pub fn minute(ms: f64) -> String {
    let at = date(ms);
    format!("{:02}:{:02}", at.get_hours(), at.get_minutes())
}

/// `14:04`, of UTC; none where that is the reader's own time.
pub fn utc_minute(ms: f64) -> Option<String> {
    let at = date(ms);
    (at.get_timezone_offset() != 0.0).then(|| format!("{:02}:{:02}", at.get_utc_hours(), at.get_utc_minutes()))
}

/// `2026-11-26 15:04:32`, in the reader's zone.
pub fn local(ms: f64) -> String {
    let at = date(ms);
    format!("{}-{:02}-{:02} {}", at.get_full_year(), at.get_month() + 1, at.get_date(), clock(ms))
}

/// `2026-11-26 14:04:32 UTC`.
pub fn utc(ms: f64) -> String {
    let at = date(ms);
    let day = (at.get_utc_full_year(), at.get_utc_month() + 1, at.get_utc_date());
    let time = (at.get_utc_hours(), at.get_utc_minutes(), at.get_utc_seconds());
    format!("{}-{:02}-{:02} {:02}:{:02}:{:02} UTC", day.0, day.1, day.2, time.0, time.1, time.2)
}

/// Both, as what is shown under the pointer.
pub fn both(ms: f64) -> String {
    format!("{} here, {}", local(ms), utc(ms))
}

/// Milliseconds since the epoch of a moment as the app tells it; none where that is no moment.
pub fn parse(rfc3339: &str) -> Option<f64> {
    let ms = Date::parse(rfc3339);
    (!ms.is_nan()).then_some(ms)
}
