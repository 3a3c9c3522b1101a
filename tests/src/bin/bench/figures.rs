//! What was measured, with the goal beside it.

use serde_json::json;

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// The most that is good; none where there is only something to know.
    goal: Option<f64>,
}

#[derive(Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str, goal: impl Into<Option<f64>>) {
        let name = name.into();
        println!("  {name}: {value:.*} {unit}", digits(unit));
        self.0.push(Figure { name, value, unit, goal: goal.into() });
    }

    pub fn print_table(&self) {
        println!("\n| figure | measured | goal | |\n|---|---:|---:|---|");
        for Figure { name, value, unit, goal } in &self.0 {
            let verdict = goal.map_or("", |goal| if *value <= goal { "met" } else { "missed" });
            let wanted = goal.map(|goal| format!("≤ {goal}")).unwrap_or_default();
            println!("| {name} | {value:.*} {unit} | {wanted} | {verdict} |", digits(unit));
        }
    }

    /// `[{"name", "value", "unit", "goal", "met"}]`.
    pub fn to_json(&self) -> String {
        let records: Vec<_> = self
            .0
            .iter()
            .map(|Figure { name, value, unit, goal }| {
                let met = goal.map(|goal| *value <= goal);
                json!({ "name": name, "value": value, "unit": unit, "goal": goal, "met": met })
            })
            .collect();
        serde_json::to_string_pretty(&records).expect("JSON")
    }
}

/// By nearest rank.
pub fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get(((values.len() as f64 * share).ceil() as usize).saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
}

/// After the point: shares of a core may be small.
fn digits(unit: &str) -> usize {
    if unit.starts_with('%') { 2 } else { 1 }
}
