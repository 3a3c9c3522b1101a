//! What opens over the stage: the button that opens it, and rows of which one thing is chosen.

use leptos::prelude::*;

use super::icon::Icon;

/// In the bar of the view; says what is chosen, and whether that is anything.
#[component]
pub fn Opener(
    open: RwSignal<bool>,
    title: &'static str,
    icon: &'static str,
    #[prop(into)] said: Signal<String>,
    #[prop(optional, into)] is_on: Signal<bool>,
) -> impl IntoView {
    view! {
        <button
            class="choice arrange"
            class:on=is_on
            title=title
            aria-haspopup="dialog"
            aria-expanded=move || open.get().to_string()
            on:click=move |_| open.update(|open| *open = !*open)
        >
            <Icon name=icon/>
            <span class="words">{said}</span>
            <Icon name="down"/>
        </button>
    }
}

/// One of several things can be chosen, each with the word for it.
pub fn picks<T: Clone + Send + Sync + 'static>(
    label: &'static str,
    all: impl IntoIterator<Item = (T, String)>,
    is_chosen: impl Fn(&T) -> bool + Copy + Send + Sync + 'static,
    choose: impl Fn(T) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let pick = move |(one, word): (T, String)| {
        let (mine, said) = (one.clone(), one.clone());
        view! {
            <button
                role="radio"
                class:on=move || is_chosen(&mine)
                aria-checked=move || is_chosen(&said).to_string()
                on:click=move |_| choose(one.clone())
            >{word}</button>
        }
    };
    view! {
        <div class="picks" role="radiogroup" aria-label=label>{all.into_iter().map(pick).collect_view()}</div>
    }
}
