//! What goes over the line under the pointer, beside the pointer.

use leptos::prelude::*;

use crate::app::Page;
use crate::connection::now_ms;
use crate::folding::Folding;
use crate::model::Model;
use crate::strand::{self, Told};
use crate::text;

#[component]
pub fn Tip() -> impl IntoView {
    let page = expect_context::<Page>();
    let ends = Memo::new(move |_| page.hovered_line.get().map(|pointed| pointed.line));
    let words = Memo::new(move |_| {
        page.values.track();
        let ends = ends.get()?;
        page.drawn(|model, folding| {
            let name = |slot: u32| folding.node(model, slot).map(|node| text::base_name(&node.label).to_owned());
            let names = (name(ends.0)?, name(ends.1)?);
            Some((names, line_at(model, folding, ends)?))
        })
    });
    let place = move || {
        let at = page.hovered_line.get().map(|pointed| pointed.at).unwrap_or_default();
        format!("left: {:.0}px; top: {:.0}px", at.0, at.1)
    };
    move || {
        words.get().map(|((source, target), Told { strand, ports, .. })| {
            let more = if ports.len() > 4 { " …" } else { "" };
            let ports: Vec<String> = ports.iter().take(4).map(u16::to_string).collect();
            let rate = |value: f64| text::edge_metric("bytes_per_s", value);
            let traffic = strand.sent.map(|sent| {
                let received = strand.received.unwrap_or(0.0);
                format!("{} sent, {} received", rate(sent), rate(received))
            });
            let times = strand.round_trip_ms.map(|ms| format!("round trip {}", text::edge_metric("ms", ms)));
            let again = strand.again.filter(|again| *again > 0.0);
            let again = again.map(|again| format!("{} segments sent again", text::edge_metric("per_s", again)));
            let failing =
                (strand.failing > 0.0).then(|| format!("{} failing", text::edge_metric("per_s", strand.failing)));
            let unanswered = (strand.unanswered > 0).then(|| text::unanswered(strand.unanswered));
            let opened = strand.opened.filter(|opened| *opened > 0.0);
            let opened = opened.map(|opened| format!(", {} opened", text::edge_metric("per_s", opened)));
            let open = match strand.open {
                0 => "none open now".to_owned(),
                open => format!("{} open", text::grouped(open as usize)),
            } + &opened.unwrap_or_default();
            let lines = [Some(open), traffic, times, again].into_iter().flatten();
            view! {
                <div class="tip" style=place role="status">
                    <b>{text::shortened(&source, 24)}" "<i>"→"</i>" "{text::shortened(&target, 24)}</b>
                    <span class="minor">{format!(" {}{more}", ports.join(" "))}</span>
                    {lines.map(|line| view! { <p>{line}</p> }).collect_view()}
                    {[failing, unanswered].map(|line| line.map(|line| view! { <p class="bad">{line}</p> })).collect_view()}
                </div>
            }
        })
    }
}

fn line_at(model: &Model, folding: &Folding, ends: (u32, u32)) -> Option<Told> {
    let mine = |edge: &_| folding.ends(edge).filter(|drawn| *drawn == ends);
    let failing = |edge| model.failing.rate(edge, now_ms() as u64);
    Some(strand::strands(model.edges.iter(), mine, failing).remove(&ends)?.told(&model.edges))
}
