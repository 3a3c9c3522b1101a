//! The page's state in its address, so that a link shows what its sender saw.

use std::collections::BTreeMap;

use shared::view::TopologyInfo;

use crate::appearance::Appearance;
use crate::changes::WINDOWS;
use crate::folding::Folds;
use crate::layout::Manner;
use crate::resources::Resource;
use crate::strand::By;

/// A node whose card is kept while others are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    pub topology: String,
    pub id: String,
    /// As they were when it was pinned.
    pub label: String,
    pub kind: String,
}

/// So many cards are kept at most, beside the one that is in front.
pub const PINS_MAX: usize = 2;

/// Others stay lit so many steps around the selected node at most.
pub const DEPTH_MAX: u8 = 3;

/// How a view is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Graph,
    Table,
    /// A column for each host; of daemons only.
    Board,
    /// Networks as lines through their hosts; of networks only.
    Map,
    /// Hosts, containers and processes as layers, as wide as what they use.
    Resources,
    /// What is wrong, instead of a topology.
    Findings,
}

impl Pin {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<String> = text.split(',').map(decode).collect();
        let [topology, id, label, kind] = <[String; 4]>::try_from(parts).ok()?;
        let known = |c: char| c.is_ascii_lowercase() || c == '-';
        (!id.is_empty() && !topology.is_empty() && topology.chars().all(known)).then_some(Self {
            topology,
            id,
            label,
            kind,
        })
    }

    fn written(&self) -> String {
        [&self.topology, &self.id, &self.label, &self.kind].map(|part| encode(part)).join(",")
    }

    pub fn is_of(&self, topology: &str, id: &str) -> bool {
        self.topology == topology && self.id == id
    }
}

impl Mode {
    /// Whether a topology can be looked at so.
    pub fn is_of(self, topology: &str) -> bool {
        match self {
            Self::Graph | Self::Table | Self::Findings => true,
            Self::Board => topology == "daemons",
            Self::Map => topology == "networks",
            Self::Resources => matches!(topology, "hosts" | "containers" | "processes"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub topology: String,
    pub options: BTreeMap<String, String>,
    pub mode: Mode,
    pub selected: Option<String>,
    /// Cards that are kept, oldest first.
    pub pins: Vec<Pin>,
    /// The line that is selected instead, by the ids of its ends.
    pub edge: Option<(String, String)>,
    /// What the thickness of lines says.
    pub lines: By,
    /// What the colour of lines says, if anything.
    pub tint: Option<By>,
    pub manner: Manner,
    /// By what nodes are put together; none for what is best for so many, empty for nothing.
    pub group: Option<String>,
    pub folds: Folds,
    /// How far around the selected node others stay lit, in steps.
    pub depth: u8,
    /// The node to which the way from the selected one is lit.
    pub path: Option<String>,
    /// Of how many minutes it is marked who came and who went.
    pub changes: Option<u32>,
    /// Only the selected node and those around it are shown.
    pub alone: bool,
    /// The table's columns by their names; none for those that are shown by themselves.
    pub columns: Option<Vec<String>>,
    /// What is shown as width where it is looked at who uses how much.
    pub resource: Resource,
    /// The map shows also networks of one host.
    pub all_networks: bool,
    /// The finding that is shown in full.
    pub finding: Option<String>,
    pub search: String,
    /// Searches that were kept: only what they find is shown.
    pub filters: Vec<String>,
    /// The network whose members stay lit, by name.
    pub network: Option<String>,
    /// The metric that fills nodes, by its label; none for the first that there is, empty for nothing.
    pub metric: Option<String>,
    pub appearance: Appearance,
    /// For a screen on a wall: the view alone.
    pub kiosk: bool,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            topology: "containers".into(),
            options: BTreeMap::new(),
            mode: Mode::Graph,
            selected: None,
            pins: Vec::new(),
            edge: None,
            lines: By::default(),
            tint: None,
            manner: Manner::default(),
            group: None,
            folds: Folds::default(),
            depth: 1,
            path: None,
            changes: None,
            alone: false,
            columns: None,
            resource: Resource::default(),
            all_networks: false,
            finding: None,
            search: String::new(),
            filters: Vec::new(),
            network: None,
            metric: None,
            appearance: Appearance::default(),
            kiosk: false,
        }
    }
}

impl Route {
    /// Reads `#/containers?mode=table&node=…`. What it does not know it leaves out.
    pub fn parse(hash: &str) -> Self {
        let text = hash.trim_start_matches('#').trim_start_matches('/');
        let (topology, query) = text.split_once('?').unwrap_or((text, ""));
        let mut route = Self::default();
        let known = |c: char| c.is_ascii_lowercase() || c == '-';
        if !topology.is_empty() && topology.chars().all(known) {
            route.topology = topology.to_owned();
        }
        let (mut from, mut to) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name), decode(value));
            match name.as_str() {
                "mode" if value == "table" => route.mode = Mode::Table,
                "mode" if value == "board" => route.mode = Mode::Board,
                "mode" if value == "resources" => route.mode = Mode::Resources,
                "mode" if value == "map" => route.mode = Mode::Map,
                "mode" if value == "findings" => route.mode = Mode::Findings,
                "mode" => {}
                "finding" => route.finding = Some(value).filter(|v| !v.is_empty()),
                "node" => route.selected = Some(value).filter(|v| !v.is_empty()),
                "pin" => route.pins.extend(Pin::parse(&value)),
                "from" => from = Some(value).filter(|v| !v.is_empty()),
                "to" => to = Some(value).filter(|v| !v.is_empty()),
                "lines" => route.lines = By::from_id(&value).unwrap_or_default(),
                "colour" => route.tint = By::from_id(&value),
                "layout" => route.manner = Manner::from_id(&value).unwrap_or_default(),
                "group" => route.group = Some(value),
                "folded" => route.folds.all = Some(value == "all"),
                "turn" => route.folds.turned.extend(Some(value).filter(|v| !v.is_empty())),
                "depth" => route.depth = value.parse().unwrap_or(1).clamp(1, DEPTH_MAX),
                "path" => route.path = Some(value).filter(|v| !v.is_empty()),
                "changes" => route.changes = value.parse().ok().filter(|minutes| WINDOWS.contains(minutes)),
                "columns" => route.columns = Some(value.split(',').map(decode).collect()),
                "width" => route.resource = Resource::from_id(&value).unwrap_or_default(),
                "local" => route.all_networks = value != "0",
                "alone" => route.alone = value != "0",
                "q" => route.search = value,
                "f" if route.filters.contains(&value) => {}
                "f" => route.filters.extend(Some(value).filter(|v| !v.is_empty())),
                "metric" => route.metric = Some(value),
                "theme" => route.appearance = Appearance::from_id(&value).unwrap_or_default(),
                "kiosk" => route.kiosk = value != "0",
                "net" => route.network = Some(value).filter(|v| !v.is_empty()),
                _ => {
                    route.options.insert(name, value);
                }
            }
        }
        route.pins.truncate(PINS_MAX);
        route.edge = from.zip(to).filter(|_| route.selected.is_none());
        if !route.mode.is_of(&route.topology) {
            route.mode = Mode::Graph;
        }
        route
    }

    pub fn hash(&self) -> String {
        let mut pairs: Vec<String> = Vec::new();
        match self.mode {
            Mode::Graph => {}
            Mode::Table => pairs.push("mode=table".into()),
            Mode::Board => pairs.push("mode=board".into()),
            Mode::Map => pairs.push("mode=map".into()),
            Mode::Resources => pairs.push("mode=resources".into()),
            Mode::Findings => {
                pairs.push("mode=findings".into());
                pairs.extend(self.finding.as_ref().map(|finding| format!("finding={}", encode(finding))));
            }
        }
        if let Some(node) = &self.selected {
            pairs.push(format!("node={}", encode(node)));
        }
        pairs.extend(self.pins.iter().map(|pin| format!("pin={}", encode(&pin.written()))));
        if let Some((from, to)) = &self.edge {
            pairs.push(format!("from={}&to={}", encode(from), encode(to)));
        }
        if self.lines != By::default() {
            pairs.push(format!("lines={}", self.lines.id()));
        }
        pairs.extend(self.tint.map(|by| format!("colour={}", by.id())));
        if self.manner != Manner::default() {
            pairs.push(format!("layout={}", self.manner.id()));
        }
        pairs.extend(self.group.as_ref().map(|by| format!("group={}", encode(by))));
        pairs.extend(self.folds.all.map(|folded| format!("folded={}", if folded { "all" } else { "none" })));
        pairs.extend(self.folds.turned.iter().map(|key| format!("turn={}", encode(key))));
        if self.depth != 1 {
            pairs.push(format!("depth={}", self.depth));
        }
        pairs.extend(self.path.as_ref().map(|to| format!("path={}", encode(to))));
        pairs.extend(self.changes.map(|minutes| format!("changes={minutes}")));
        if self.alone {
            pairs.push("alone=1".into());
        }
        if let Some(columns) = &self.columns {
            // Each by itself, as a name may have a comma.
            let names = columns.iter().map(|name| encode(name)).collect::<Vec<_>>().join(",");
            pairs.push(format!("columns={}", encode(&names)));
        }
        if self.resource != Resource::default() {
            pairs.push(format!("width={}", self.resource.id()));
        }
        if self.all_networks {
            pairs.push("local=1".into());
        }
        if !self.search.is_empty() {
            pairs.push(format!("q={}", encode(&self.search)));
        }
        pairs.extend(self.filters.iter().map(|filter| format!("f={}", encode(filter))));
        pairs.extend(self.network.as_ref().map(|network| format!("net={}", encode(network))));
        pairs.extend(self.metric.as_ref().map(|metric| format!("metric={}", encode(metric))));
        if self.appearance != Appearance::default() {
            pairs.push(format!("theme={}", self.appearance.id()));
        }
        if self.kiosk {
            pairs.push("kiosk=1".into());
        }
        pairs.extend(self.options.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))));
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        format!("#/{}{query}", self.topology)
    }

    /// Goes to a topology, in the way in which it is looked at.
    pub fn show(&mut self, topology: &str) {
        if self.topology != topology {
            self.topology = topology.to_owned();
            self.selected = None;
            (self.folds, self.depth, self.alone, self.columns) = (Folds::default(), 1, false, None);
            self.path = None;
        }
        // Daemons are looked at side by side and networks on their map, unless somebody would rather have a list.
        self.mode = match self.mode {
            Mode::Table => Mode::Table,
            _ if topology == "daemons" => Mode::Board,
            _ if topology == "networks" => Mode::Map,
            mode if mode.is_of(topology) => mode,
            _ => Mode::Graph,
        };
    }

    /// Without what the app does not offer: an old link may name a view, or an option's value, that went since.
    pub fn offered(&self, list: &[TopologyInfo]) -> Self {
        let mut all = list.iter().flat_map(|info| std::iter::once(info).chain(&info.sub_topologies));
        let Some(info) = all.find(|info| info.url.rsplit('/').next() == Some(&self.topology)) else {
            return Self { topology: Self::default().topology, options: BTreeMap::new(), ..self.clone() };
        };
        let offers = |name: &str, value: &str| {
            let group = info.options.iter().find(|group| group.id == name);
            group.is_some_and(|group| group.options.iter().any(|option| option.value == value))
        };
        let mut route = self.clone();
        route.options.retain(|name, value| offers(name, value));
        route
    }

    /// The options as the API takes them.
    pub fn query(&self) -> String {
        let pairs: Vec<String> =
            self.options.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

/// Percent-encoding of all but what needs none anywhere in a URL.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::view::{OptionGroup, OptionValue};

    #[test]
    fn a_route_survives_its_address() {
        let route = Route {
            topology: "containers-by-image".into(),
            options: [("system".to_owned(), "all".to_owned())].into(),
            mode: Mode::Table,
            finding: None,
            selected: Some("rp/busybox;<container_image>".into()),
            pins: vec![Pin {
                topology: "hosts".into(),
                id: "h1;<host>".into(),
                label: "h,1 & co".into(),
                kind: "host".into(),
            }],
            edge: None,
            lines: By::RoundTrip,
            tint: Some(By::Again),
            manner: Manner::Force,
            group: Some("containers-by-image".into()),
            folds: Folds { all: Some(false), turned: ["h1;<host>".to_owned(), "a&b".into()].into() },
            depth: 3,
            path: Some("h2;<host>".into()),
            changes: Some(5),
            alone: true,
            columns: Some(vec!["CPU".into(), "IPs, all".into()]),
            resource: Resource::Memory,
            all_networks: true,
            search: "cpu > 50% & ünï".into(),
            filters: vec!["stack:shop".into(), "a=b & c".into()],
            network: Some("mesh & more".into()),
            metric: Some("Load (1m)".into()),
            appearance: Appearance::Contrast,
            kiosk: true,
        };
        assert_eq!(Route::parse(&route.hash()), route);
        assert_eq!(Route::parse(&Route::default().hash()), Route::default());
        let edge = Some(("a;<container>".into(), "b&c".into()));
        let route = Route { selected: None, edge, ..route };
        assert_eq!(Route::parse(&route.hash()), route);
        assert_eq!(Route::parse("#/containers?from=a&to=b&node=c").edge, None, "one thing is selected");
    }

    #[test]
    fn a_pin_that_is_none_is_left_out_and_there_are_few() {
        let pin = "pin=hosts,h1%253B,h1,host";
        assert_eq!(Route::parse(&format!("#/containers?{pin}")).pins.len(), 1);
        for bad in ["pin=", "pin=hosts", "pin=<b>,a,a,a", "pin=hosts,,x,y"] {
            assert!(Route::parse(&format!("#/containers?{bad}")).pins.is_empty(), "{bad}");
        }
        assert_eq!(Route::parse(&format!("#/?{pin}&{pin}&{pin}&{pin}")).pins.len(), PINS_MAX);
    }

    #[test]
    fn what_the_app_does_not_offer_is_left_out() {
        let group = OptionGroup {
            id: "stopped".into(),
            options: vec![OptionValue { value: "both".into(), label: String::new() }],
            ..OptionGroup::default()
        };
        let images = TopologyInfo { url: "/api/topology/containers-by-image".into(), ..TopologyInfo::default() };
        let containers = TopologyInfo {
            url: "/api/topology/containers".into(),
            options: vec![group],
            sub_topologies: vec![images],
            ..TopologyInfo::default()
        };
        let offered = |hash: &str| Route::parse(hash).offered(std::slice::from_ref(&containers)).hash();
        assert_eq!(offered("#/containers?stopped=both"), "#/containers?stopped=both");
        assert_eq!(offered("#/containers?node=a&q=b&stopped=x&gone=1"), "#/containers?node=a&q=b");
        assert_eq!(offered("#/containers-by-image"), "#/containers-by-image");
        assert_eq!(offered("#/pods?mode=table&stopped=both"), "#/containers?mode=table");
    }

    #[test]
    fn an_address_that_is_no_route_shows_the_start() {
        for hash in ["", "#", "#/", "#!/state/{}", "#/<script>", "#/%zz", "#/?%&=&&"] {
            assert_eq!(Route::parse(hash).topology, "containers", "{hash}");
        }
    }
}
