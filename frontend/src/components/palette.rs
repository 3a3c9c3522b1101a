//! Every action of the page by name, and every node of the view: ctrl-K.

use std::rc::Rc;

use leptos::html;
use leptos::prelude::*;

use super::icon::{self, Icon};
use super::rail::id_of;
use super::{save, tools};
use crate::app::Page;
use crate::appearance::Appearance;
use crate::commands::fit;
use crate::folding::{self, Folds};
use crate::layout::Manner;
use crate::model::Model;
use crate::route::{Mode, Route};
use crate::strand::By;
use crate::text;

/// So many of what fits are offered.
const OFFERED_MAX: usize = 12;
/// Of nodes, once something is typed.
const NODES_MAX: usize = 6;

#[derive(Clone)]
struct Command {
    title: String,
    /// Its key, or what it is.
    hint: String,
    icon: &'static str,
    run: Rc<dyn Fn(Page)>,
}

fn command(title: impl Into<String>, hint: &str, icon: &'static str, run: impl Fn(Page) + 'static) -> Command {
    Command { title: title.into(), hint: hint.into(), icon, run: Rc::new(run) }
}

#[component]
pub fn Palette() -> impl IntoView {
    let page = expect_context::<Page>();
    view! {
        <Show when=move || page.palette.get()>
            <div class="scrim" on:click=move |_| page.palette.set(false)></div>
            <Opened/>
        </Show>
    }
}

#[component]
fn Opened() -> impl IntoView {
    let page = expect_context::<Page>();
    let input = NodeRef::<html::Input>::new();
    let typed = RwSignal::new(String::new());
    let active = RwSignal::new(0_usize);
    // What can be done when it is opened; it is not open for long.
    let all = StoredValue::new_local(commands(page));
    let offered = move || {
        let typed = typed.get();
        let mut fitting: Vec<(usize, Command)> = all.with_value(|all| {
            all.iter().filter_map(|command| Some((fit(&typed, &command.title)?, command.clone()))).collect()
        });
        fitting.sort_by_key(|(worse, _)| *worse);
        let mut offered: Vec<Command> = fitting.into_iter().map(|(_, command)| command).collect();
        let nodes = nodes(page, &typed);
        offered.truncate(OFFERED_MAX - nodes.len());
        offered.extend(nodes);
        let name = typed.trim().to_owned();
        if !name.is_empty() {
            let title = format!("Save this view as {name}");
            offered.push(command(title, "in this browser", "bookmark", move |page| page.save_view(&name)));
        }
        offered
    };
    let run = move |command: Command| {
        page.palette.set(false);
        (command.run)(page);
    };
    let key = move |event: web_sys::KeyboardEvent| {
        let count = untrack(offered).len();
        match event.key().as_str() {
            "ArrowDown" => active.update(|n| *n = (*n + 1) % count.max(1)),
            "ArrowUp" => active.update(|n| *n = n.checked_sub(1).unwrap_or(count.saturating_sub(1))),
            "Enter" => {
                if let Some(command) = untrack(offered).into_iter().nth(active.get_untracked()) {
                    run(command);
                }
            }
            // There is nothing else to go to.
            "Tab" => {}
            _ => return,
        }
        event.prevent_default();
    };
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            let _ = input.focus();
        }
    });
    view! {
        <section class="palette" role="dialog" aria-modal="true" aria-label="Commands">
            <label class="search">
                <Icon name="command"/>
                <input
                    node_ref=input
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    role="combobox"
                    aria-label="Command or node"
                    aria-expanded="true"
                    aria-controls="commands"
                    aria-activedescendant=move || format!("command-{}", active.get())
                    placeholder="What to do, or where to go"
                    prop:value=move || typed.get()
                    on:input=move |event| {
                        active.set(0);
                        typed.set(event_target_value(&event));
                    }
                    on:keydown=key
                />
            </label>
            <div class="commands" id="commands" role="listbox" aria-label="Commands">
                {move || {
                    let offered = offered();
                    if offered.is_empty() {
                        return view! { <p class="nothing">"Nothing fits."</p> }.into_any();
                    }
                    offered.into_iter().enumerate().map(|(n, command)| {
                        let (title, hint, icon) = (command.title.clone(), command.hint.clone(), command.icon);
                        // Events of the page want what can be sent on, which these are not.
                        let held = StoredValue::new_local(command);
                        view! {
                            <button
                                class="suggestion"
                                id=format!("command-{n}")
                                role="option"
                                tabindex="-1"
                                class:on=move || active.get() == n
                                aria-selected=move || if active.get() == n { "true" } else { "false" }
                                on:pointermove=move |_| active.set(n)
                                on:click=move |_| run(held.get_value())
                            >
                                <Icon name=icon/>
                                <span class="name" title=title.clone()>{text::shortened(&title, 60)}</span>
                                <span class="count">{hint}</span>
                            </button>
                        }
                    }).collect_view().into_any()
                }}
            </div>
        </section>
    }
}

fn commands(page: Page) -> Vec<Command> {
    let mut all = Vec::new();
    let topologies = page.topologies.get_untracked();
    for (parent, info) in topologies.iter().flat_map(|info| {
        std::iter::once((None, info)).chain(info.sub_topologies.iter().map(move |sub| (Some(info), sub)))
    }) {
        let of_another = parent.filter(|_| info.name.starts_with("by "));
        let name = of_another.map_or(info.name.clone(), |parent| format!("{} {}", parent.name, info.name));
        let hint = text::plural(info.stats.nonpseudo_node_count as usize, "node", "nodes");
        let id = id_of(info);
        let icon = icon::of_topology(&id);
        let go = move |page: Page| page.go(|route| route.show(&id));
        all.push(Command { title: format!("Go to {name}"), hint, icon, run: Rc::new(go) });
    }
    all.extend([
        command("Show as graph", "g", "graph", |page| page.go(|route| route.mode = Mode::Graph)),
        command("Show as table", "t", "table", |page| page.go(|route| route.mode = Mode::Table)),
        command("Show who uses how much", "r", "bars", |page| page.show_resources()),
        command("Show the map of networks", "", "network", |page| page.go(|route| route.show("networks"))),
        command("Show all networks, also of one host", "", "network", |page| {
            page.go(|route| {
                route.show("networks");
                route.all_networks = true;
            });
        }),
        command("Show findings", "", "flag", |page| page.go(|route| route.mode = Mode::Findings)),
        command("Search", "/", "search", |_| super::search::focus()),
        command("Show all of the graph", "0", "fit", |page| page.show_all()),
        command("Show or hide the map in the corner", "m", "fit", |page| page.minimap.update(|open| *open = !*open)),
        command("Unpin the nodes that were moved by hand", "", "layout", |page| page.unpin_nodes()),
        command("Lay out again", "", "layout", |page| page.rearrange()),
        command("Look further around what is selected", "f", "graph", |page| page.deepen()),
        command("Show what is selected alone, or everything", "F", "graph", |page| page.show_alone()),
        command("Light the way from what is selected", "p", "graph", |page| page.turn_path()),
        command("Mark who came and went in the last 5 minutes", "c", "clock", |page| {
            page.go(|route| route.changes = Some(5))
        }),
        command("Do not mark who came and went", "", "clock", |page| page.go(|route| route.changes = None)),
        command("Fold all groups", "", "minus", |page| page.fold_all(true)),
        command("Open all groups", "", "plus", |page| page.fold_all(false)),
        command("Do not group nodes", "", "layout", |page| page.go(|route| route.group = Some(String::new()))),
        command("Clear search and filters", "", "close", |page| {
            page.go(|route| {
                route.search.clear();
                route.filters.clear();
            });
        }),
        match page.paused.with_untracked(Option::is_some) {
            true => command("Resume", "Space", "play", |page| page.resume()),
            false => command("Pause", "Space", "pause", |page| page.pause()),
        },
        command("Copy a link to this view", "", "share", |_| tools::copy_link()),
        command("Show the view as it is by itself", "", "refresh", |page| {
            page.go(|route| {
                let (topology, appearance) = (std::mem::take(&mut route.topology), route.appearance);
                *route = Route { topology, appearance, ..Route::default() };
            });
            page.show_all();
        }),
        command("Help: keys and search", "?", "help", |page| page.help.set(true)),
    ]);
    for saved in page.saved.get_untracked() {
        let title = format!("Open view {}", saved.name);
        all.push(command(title, "saved", "bookmark", move |page| page.open_saved(&saved)));
    }
    for appearance in Appearance::ALL {
        let set = move |page: Page| page.go(|route| route.appearance = appearance);
        all.push(command(format!("Theme: {}", appearance.label()), "", "theme", set));
    }
    for label in page.metrics.get_untracked() {
        let title = format!("Fill nodes by {label}");
        all.push(command(title, "< >", "container", move |page| page.go(|route| route.metric = Some(label.clone()))));
    }
    for manner in Manner::ALL {
        let set = move |page: Page| page.go(|route| route.manner = manner);
        all.push(command(format!("Layout: {}", manner.label()), "", "layout", set));
    }
    for by in page.groupings.get_untracked() {
        let title = format!("Group by {}", folding::word(&by));
        let set = move |page: Page| page.go(|route| (route.group, route.folds) = (Some(by.clone()), Folds::default()));
        all.push(command(title, "", "layout", set));
    }
    let groups = page.drawn(|_, folding| {
        let group = |(key, group): (&String, &folding::Group)| (key.clone(), group.label.clone(), group.is_folded);
        folding.groups.iter().map(group).collect::<Vec<_>>()
    });
    for (key, label, is_folded) in groups {
        let title = format!("{} group {label}", if is_folded { "Open" } else { "Fold" });
        let icon = if is_folded { "plus" } else { "minus" };
        all.push(command(title, "", icon, move |page| page.turn_group(&key)));
    }
    for by in By::ALL {
        let set = move |page: Page| page.go(|route| route.lines = by);
        all.push(command(format!("Lines by {}", by.label()), "e", "graph", set));
    }
    for by in std::iter::once(None).chain(By::ALL.map(Some)) {
        let title = format!("Colour lines by {}", by.map_or("nothing", By::label));
        all.push(command(title, "", "graph", move |page| page.go(|route| route.tint = by)));
    }
    for (name, count) in page.model.with_value(Model::networks) {
        let hint = text::plural(count, "member", "members");
        let pin = {
            let name = name.clone();
            move |page: Page| page.pin_network(Some(name.clone()))
        };
        all.push(command(format!("Pin network {name}"), &hint, "network", pin));
    }
    all.push(command("Save the app's report", "all that it knows, JSON", "download", |_| save::report()));
    all.extend(save::Format::ALL.map(|format| {
        command(format!("Save as {}", format.label()), format.what(), "download", move |page| save::save(page, format))
    }));
    all
}

/// Nodes of the view whose names fit, once something is typed.
fn nodes(page: Page, typed: &str) -> Vec<Command> {
    if typed.trim().is_empty() {
        return Vec::new();
    }
    let mut fitting = page.model.with_value(|model| {
        let fitting = model.nodes.values().filter_map(|node| {
            let worse = fit(typed, &format!("{} {}", node.label, node.label_minor))?;
            Some((worse, node.label.clone(), node.id.clone(), node.kind.clone(), node.label_minor.clone()))
        });
        fitting.collect::<Vec<_>>()
    });
    fitting.sort();
    let of = |(_, label, id, kind, minor): (usize, String, String, String, String)| {
        let select = move |page: Page| page.select(Some(id.clone()));
        command(text::base_name(&label), &minor, icon::of_kind(&kind), select)
    };
    fitting.into_iter().take(NODES_MAX).map(of).collect()
}
