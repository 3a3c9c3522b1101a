//! What the fill of nodes says: point at a metric to look, click to keep it.

use leptos::prelude::*;

use crate::app::Page;

#[component]
pub fn Metrics() -> impl IntoView {
    let page = expect_context::<Page>();
    let kept = Memo::new(move |_| {
        page.metrics.with(|offered| match page.route.with(|route| route.metric.clone()) {
            Some(chosen) => Some(chosen),
            None => offered.first().cloned(),
        })
    });
    view! {
        <Show when=move || page.metrics.with(|offered| !offered.is_empty())>
            <div class="strip metrics" role="group" aria-label="Metric that fills nodes">
                <span class="title">"Fill"</span>
                {move || page.metrics.get().into_iter().map(|label| {
                    let (over, click, mine) = (label.clone(), label.clone(), label.clone());
                    let is_kept = Memo::new(move |_| kept.with(|kept| kept.as_ref() == Some(&mine)));
                    view! {
                        <button
                            class="measure"
                            class:on=move || is_kept.get()
                            aria-pressed=move || if is_kept.get() { "true" } else { "false" }
                            title="Point to look, click to keep it (< >), or for none (q)"
                            on:pointerenter=move |_| page.previewed_metric.set(Some(over.clone()))
                            on:pointerleave=move |_| page.previewed_metric.set(None)
                            on:click=move |_| {
                                let is_kept = is_kept.get_untracked();
                                page.previewed_metric.set(None);
                                page.go(|route| route.metric = Some(if is_kept { String::new() } else { click.clone() }));
                            }
                        >{label}</button>
                    }
                }).collect_view()}
            </div>
        </Show>
    }
}
