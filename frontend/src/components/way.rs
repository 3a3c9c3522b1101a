//! How the conversations of a connection go from one end to the other.

use leptos::prelude::*;
use shared::view::{Conversation, EdgePath};

use crate::app::Page;
use crate::model::Model;
use crate::text;

/// So many conversations are shown with their addresses.
const CONVERSATIONS: usize = 3;

/// The interfaces that a connection takes, one below the other, with how each leads to the next.
#[component]
pub fn OnTheWay() -> impl IntoView {
    let page = expect_context::<Page>();
    let edges = Memo::new(move |_| page.way.with(|way| way.as_ref().and_then(|way| way.edges.clone())));
    let is_of_all = move || page.way.with_untracked(|way| way.as_ref().is_some_and(|way| way.port.is_none()));
    let one = move |edge: EdgePath| {
        let over = edge.edge.network.as_ref().and_then(|id| {
            let named = |model: &Model| {
                let mut all = model.nodes.values().flat_map(|node| &node.networks);
                all.find(|network| network.id == *id).map(|network| network.label.clone())
            };
            page.model.with_value(named)
        });
        let hops = edge
            .path
            .into_iter()
            .map(|hop| {
                let id = hop.node.id.clone();
                let go = move |_| {
                    page.go(|route| {
                        route.topology = "interfaces".into();
                        route.selected = Some(id.clone());
                    })
                };
                let trouble = (!hop.state.is_empty()).then(|| view! { <span class="trouble">{hop.state}</span> });
                view! {
                    <li>
                        <button class="hop" disabled=hop.node.id.is_empty() on:click=go>{hop.node.label}</button>" "
                        <span class="minor">{hop.of}</span>{trouble}
                        {onward(&hop.onward).map(|words| view! { <span class="onward">{words}</span> })}
                    </li>
                }
            })
            .collect_view();
        let shown = edge.conversations.len().min(CONVERSATIONS);
        let more = edge.conversations.len() - shown + edge.more as usize;
        let sights = edge.conversations.into_iter().take(CONVERSATIONS).map(sights).collect_view();
        let port = edge.edge.port;
        let of = is_of_all().then(|| match port {
            0 => edge.edge.protocol.clone(),
            _ => format!("{} {port}", edge.edge.protocol.to_uppercase()),
        });
        view! {
            {of.map(|words| view! { <h4>{words}</h4> })}
            {over.map(|name| view! { <p class="minor">{format!("over {name}")}</p> })}
            <ol class="hops">{hops}</ol>
            {sights}
            {(more > 0).then(|| view! { <p class="minor">{format!("and {more} more of them")}</p> })}
        }
    };
    move || {
        match edges.get() {
        None => view! { <p class="minor">"Asking …"</p> }.into_any(),
        Some(edges) if edges.iter().all(|edge| edge.path.is_empty() && edge.conversations.is_empty()) => view! {
            <p class="minor">"Its interfaces are not known: an end is on a host without a probe, or its probe cannot enter network namespaces."</p>
        }.into_any(),
        Some(edges) => edges.into_iter().map(one).collect_view().into_any(),
    }
    }
}

/// The addresses of a conversation at each place that sees other ones, because a host before it translates them.
fn sights(conversation: Conversation) -> impl IntoView {
    let Conversation { source, target, sights } = conversation;
    let is_same = sights.len() == 1;
    let lines = sights.into_iter().map(move |sight| {
        let place = match sight.place.as_str() {
            _ if is_same => "on the whole way".into(),
            "client" => format!("at {}", text::shortened(text::base_name(&source.label), 26)),
            "server" => format!("at {}", text::shortened(text::base_name(&target.label), 26)),
            _ => "between, translated".into(),
        };
        view! { <dt>{place}</dt><dd>{sight.from}" "<i>"→"</i>" "{sight.to}</dd> }
    });
    view! { <dl class="sights">{lines.collect_view()}</dl> }
}

/// How the way leads on, in words; none at its end.
fn onward(by: &str) -> Option<&'static str> {
    Some(match by {
        "" => return None,
        "veth" => "the other end of its pair",
        "bridge" => "bridge and port",
        "device" => "sends through",
        "vxlan" => "in VXLAN, to the other host",
        "route" => "routed",
        _ => "over the hosts' network",
    })
}
