//! A metric's last minute as a line, with value and time under the pointer.

use leptos::html;
use leptos::prelude::*;
use shared::view::Metric;

use crate::{text, times};

const WIDTH: f64 = 178.0;
const HEIGHT: f64 = 32.0;
/// Samples are a second apart, and so many fill the width.
const STEPS: f64 = 59.0;

#[component]
pub fn Spark(metric: Memo<Metric>) -> impl IntoView {
    let line = NodeRef::<html::Div>::new();
    // How far from the newest sample the pointer is, so that it stays at its place while samples move on.
    let back = RwSignal::new(None::<usize>);
    let point = move |event: web_sys::PointerEvent| {
        let Some(element) = line.get_untracked() else { return };
        let frame = element.get_bounding_client_rect();
        let share = (f64::from(event.client_x()) - frame.left()) / frame.width().max(1.0);
        back.set(Some(((1.0 - share.clamp(0.0, 1.0)) * STEPS).round() as usize));
    };
    // Which sample is pointed at: its place, its value and its time.
    let pointed = move || {
        let back = back.get()?;
        metric.with(|metric| {
            let samples = metric.samples.as_deref().unwrap_or_default();
            let sample = samples.get(samples.len().checked_sub(back + 1)?)?;
            let words = text::metric(&metric.format, &metric.label, sample.value);
            Some((WIDTH - back as f64 * (WIDTH / STEPS), words, times::parse(&sample.date)?))
        })
    };
    let figures = move || {
        let (label, now, of) = metric.with(|metric| {
            let bounded = metric.format == "filesize" && metric.priority <= 2.0 && metric.max > 0.0;
            let of = bounded.then(|| format!(" of {}", text::bytes(metric.max)));
            (metric.label.clone(), text::metric(&metric.format, &metric.label, metric.value), of)
        });
        match pointed() {
            Some((_, words, at)) => view! {
                <span>{times::clock(at)}</span><b>{words}</b>
            }
            .into_any(),
            None => view! { <span>{label}</span><b>{now}</b><i>{of}</i> }.into_any(),
        }
    };
    let title = move || {
        if let Some((_, _, at)) = pointed() {
            return Some(times::both(at));
        }
        metric.with(|metric| {
            let samples = metric.samples.as_deref().filter(|samples| !samples.is_empty())?;
            let (least, most) =
                samples.iter().fold((f64::MAX, 0f64), |(a, b), one| (a.min(one.value), b.max(one.value)));
            let words = |value| text::metric(&metric.format, &metric.label, value);
            Some(format!("{} to {} in the last minute", words(least), words(most)))
        })
    };
    let paths = Memo::new(move |_| metric.with(curve));
    view! {
        <div class="spark" title=title>
            <div class="figures">{figures}</div>
            <div node_ref=line on:pointermove=point on:pointerleave=move |_| back.set(None)>
                <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" aria-hidden="true">
                    <path class="area" d=move || paths.with(|(area, _)| area.clone())/>
                    <path class="curve" d=move || paths.with(|(_, curve)| curve.clone())/>
                    {move || pointed().map(|(x, ..)| view! {
                        <path class="pointed" d=format!("M{x:.1} 0V{HEIGHT}")/>
                    })}
                </svg>
            </div>
        </div>
    }
}

/// The area below the line, and the line.
fn curve(metric: &Metric) -> (String, String) {
    let samples: Vec<f64> = metric.samples.iter().flatten().map(|sample| sample.value).collect();
    let top = match metric.format.as_str() {
        "percent" => samples.iter().copied().fold(1.0, f64::max).max(if metric.max <= 100.0 { 20.0 } else { 0.0 }),
        _ => samples.iter().copied().fold(metric.min.max(1e-9), f64::max) * 1.15,
    };
    let at = |n: usize, value: f64| {
        let x = WIDTH - (samples.len() - 1 - n) as f64 * (WIDTH / STEPS);
        (x, HEIGHT - 1.0 - (value / top).clamp(0.0, 1.0) * (HEIGHT - 3.0))
    };
    let points: Vec<(f64, f64)> = samples.iter().enumerate().map(|(n, value)| at(n, *value)).collect();
    let line: String = points
        .iter()
        .enumerate()
        .map(|(n, (x, y))| format!("{}{x:.1} {y:.1}", if n == 0 { "M" } else { "L" }))
        .collect();
    let area = match (points.first(), points.last()) {
        (Some(first), Some(last)) => format!("{line}L{:.1} {HEIGHT}L{:.1} {HEIGHT}Z", last.0, first.0),
        _ => String::new(),
    };
    (area, line)
}
