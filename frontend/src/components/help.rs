//! Keys, the language of searches, and which app this is.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::icon::Icon;
use super::save;
use crate::app::Page;
use crate::{connection, search};

const KEYS: [(&str, &str); 27] = [
    ("/", "Search"),
    ("Ctrl K", "Commands and nodes by name"),
    ("Space", "Pause, and resume"),
    ("1 … 9", "A topology by its place in the rail"),
    ("g", "Graph"),
    ("t", "Table"),
    ("r", "Resources: who uses how much of each host"),
    ("arrows", "The next node that way"),
    ("f", "Look further around what is selected: 1 to 3 steps"),
    ("F", "What is selected and those around it alone"),
    ("p", "The way from what is selected to what is under the pointer, or to the pinned card"),
    ("c", "Who came and who went in the last minutes"),
    ("n N", "The next thing that something is wrong with, the one before"),
    ("l", "Layout, groups, thickness of lines"),
    ("w", "Pin the next network"),
    ("e", "The next figure for the thickness of lines"),
    ("< >", "The metric before, the one after, as the fill of nodes"),
    ("q", "No metric, and the first again"),
    ("m", "The whole graph in a corner"),
    ("[", "Fold the list of topologies"),
    ("0  z  + -", "Show all; what is selected; nearer and further"),
    ("Esc", "Close what was opened last"),
    ("?", "This help"),
    ("double click", "Show all"),
    ("two fingers", "Nearer and further"),
    ("click a group", "Opens it; on its title, folds it"),
    ("drag a node", "Puts it there for good"),
];

const SEARCHES: [(&str, &str); 9] = [
    ("redis", "anywhere: names, images, addresses, ports, networks"),
    ("host:h3", "in one field, or what begins as its name does: image, network, state, ports, a Docker label"),
    ("10.0.1.2:80", "an address, with or without a port"),
    ("cpu > 50%", "a metric or a number with its unit: %, kB, MB, GB, MiB, ms, s, m, h, d; also <, >=, <="),
    ("web db", "both; web or db: either"),
    ("-web", "what does not match; not (web or db)"),
    ("\"two words\"", "as it stands"),
    ("/^api-\\d+$/", "by a regular expression"),
    ("Enter", "keeps what is typed as a filter: only what matches is shown"),
];

/// What can stand before a colon or be compared.
fn fields(page: Page) -> Vec<String> {
    page.membership.track();
    let known = page.model.with_value(|model| search::known(&model.nodes));
    known
        .into_iter()
        .map(|field| if field.is_number { format!("{} >", field.name) } else { format!("{}:", field.name) })
        .collect()
}

/// What the app says of itself.
#[derive(Clone, serde::Deserialize)]
struct About {
    version: String,
    hostname: String,
}

#[component]
pub fn Help() -> impl IntoView {
    let page = expect_context::<Page>();
    let about = RwSignal::new(None::<About>);
    Effect::new(move |_| {
        if page.help.get() {
            spawn_local(async move {
                let told = connection::get::<About>("api").await.ok();
                let _ = about.try_set(told);
            });
        }
    });
    view! {
        <Show when=move || page.help.get()>
            <div class="scrim" on:click=move |_| page.help.set(false)></div>
            <section class="help" role="dialog" aria-label="Help">
                <header>
                    <h2>"Keys and search"</h2>
                    <button class="plain" aria-label="Close" on:click=move |_| page.help.set(false)><Icon name="close"/></button>
                </header>
                <div class="columns">
                    <dl>
                        {KEYS.map(|(key, what)| view! { <dt><kbd>{key}</kbd></dt><dd>{what}</dd> }).collect_view()}
                    </dl>
                    <div>
                    <dl>
                        {SEARCHES.map(|(query, what)| view! { <dt><code>{query}</code></dt><dd>{what}</dd> }).collect_view()}
                    </dl>
                    <h3>"Fields of this view"</h3>
                    <p class="fields">{move || fields(page).into_iter().map(|field| view! { <code>{field}</code>" " }).collect_view()}</p>
                    </div>
                </div>
                <footer>
                    {move || about.get().map(|About { version, hostname }| view! {
                        <span>{format!("Scope {version} on {hostname}")}</span>
                    })}
                    <button class="text" on:click=|_| save::report()>"Save the app's report"</button>
                    <a class="text" href="api/openapi.json" target="_blank" rel="noopener">"API"</a>
                </footer>
            </section>
        </Show>
    }
}
