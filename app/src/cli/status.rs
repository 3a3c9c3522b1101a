use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use shared::view::{Finding, Findings, Status};

use super::options::target;
use super::state::Places;
use crate::clock::wall_ms;

fn agent(patience: Duration) -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(patience)).proxy(None).build().into()
}

pub fn is_healthy(host: &str, port: u16) -> bool {
    agent(Duration::from_secs(2)).get(format!("http://{host}:{port}/healthz")).call().is_ok()
}

pub fn print(app: Option<&str>, json: bool) -> Result<()> {
    let address = match (app, Places::find().running()) {
        (Some(app), _) => target(app)?.to_string(),
        (None, Some(running)) => match running.port {
            Some(port) => format!("localhost:{port}"),
            None => bail!(
                "only a probe runs here (process {}): ask the app that it reports to, with --app HOST",
                running.pid
            ),
        },
        (None, None) => {
            bail!("Scope does not run here: start it with 'scope launch', or ask another app with --app HOST")
        }
    };
    let answer = agent(Duration::from_secs(10)).get(format!("http://{address}/api/status")).call();
    let mut answer = answer.with_context(|| format!("the app at {address} does not answer"))?;
    let status: Status = answer.body_mut().read_json().with_context(|| format!("{address} is no Scope app"))?;
    // An app of an earlier version has none.
    let found = agent(Duration::from_secs(10)).get(format!("http://{address}/api/findings?state=open")).call();
    let Findings { findings } = found.ok().and_then(|mut found| found.body_mut().read_json().ok()).unwrap_or_default();
    if json {
        super::say(format_args!("{}", serde_json::to_string_pretty(&Told { status, open_findings: findings })?));
    } else {
        super::say(format_args!("{}{}", text(&status, wall_ms()), words(&findings).trim_end()));
    }
    Ok(())
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    status: Status,
    #[serde(rename = "openFindings")]
    open_findings: Vec<Finding>,
}

/// Each finding with its evidence; what follows from it is named below it.
fn words(findings: &[Finding]) -> String {
    use std::fmt::Write;
    if findings.is_empty() {
        return "no findings\n".into();
    }
    let mut out = String::new();
    let is_listed = |id: &String| findings.iter().any(|finding| finding.id == *id);
    for finding in findings.iter().filter(|finding| !finding.because.as_ref().is_some_and(is_listed)) {
        let _ = writeln!(out, "{:<8} {} (since {})", finding.severity, finding.summary, finding.first_seen);
        for evidence in &finding.evidence {
            let says = evidence.says.replace('\n', "; ");
            let _ = writeln!(out, "         {}: {says}", evidence.source);
        }
        for follows in findings.iter().filter(|other| other.because.as_ref() == Some(&finding.id)) {
            let _ = writeln!(out, "         so: {}", follows.summary);
        }
    }
    out
}

fn text(status: &Status, now_ms: u64) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let Status { app, probes, findings: _ } = status;
    let _ = writeln!(out, "app    {} version {} ({})", app.hostname, app.version, app.id);
    if probes.is_empty() {
        out.push_str("no probe has reported yet\n");
    }
    for probe in probes {
        let age = now_ms.saturating_sub(probe.last_seen_ms) as f64 / 1000.0;
        let _ = writeln!(
            out,
            "probe  {} {} version {}, last report {age:.1} s ago, lag {} ms",
            probe.hostname, probe.state, probe.version, probe.lag_ms
        );
        if probe.clock_offset_ms.abs() > 5_000 {
            let _ = writeln!(out, "         its clock is off by {:.0} s", probe.clock_offset_ms as f64 / 1000.0);
        }
        for collector in &probe.collectors {
            let _ = writeln!(out, "         {:<13} {:<9} {}", collector.name, collector.state, collector.message);
        }
    }
    out
}
