//! What is shipped for Prometheus and Grafana: alert rules that fire on what they are for, and a dashboard; both name only
//! metrics that a scrape has.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "what all stories share reads answers so")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "nobody enrolls here")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use axum::body::Body;
use axum::http::Request;
use postern::gateway_view::{GatewayQuestion, GatewayView, Stats};
use postern::rules::ids::LocationId;
use postern::tls::pair::Pair;
use postern::web;
use support::{Postern, answer_of};

/// What Prometheus itself adds.
const UP: &str = "up";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn shipped(name: &str) -> String {
    fs::read_to_string(root().join("config/metrics").join(name)).unwrap()
}

/// Whatever a scrape has, with the names of a histogram's parts.
async fn scraped() -> BTreeSet<String> {
    let (view, mut questions) = GatewayView::new();
    let postern = Postern::new();
    let made = rcgen::generate_simple_self_signed(["vpn.example.com".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let name = Path::new("made.pem");
    postern.app.presented.present(Pair::of(chain.as_bytes(), name, key.as_bytes(), name).unwrap());
    postern.present(support::START, "nobody's").await;
    let answers = async {
        while let Some(question) = questions.recv().await {
            if let GatewayQuestion::Stats(answer) = question {
                let _ = answer.send(Ok(Stats::from([(LocationId(1), BTreeMap::new())])));
            }
        }
    };
    let router = web::metrics::router(postern.app.clone(), view);
    let asked = answer_of(router, Request::get("/metrics").body(Body::empty()).unwrap());
    let answer = tokio::select! {
        answer = asked => answer,
        () = answers => panic!("nobody asks any more"),
    };
    assert_eq!(answer.status, 200);
    let types = answer.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let parts = |(name, kind): (&str, &str)| match kind {
        "histogram" => ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")).to_vec(),
        _ => vec![name.to_owned()],
    };
    types.flat_map(parts).collect()
}

/// The metrics that a text names: everything that begins as ours do.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    let ours = words.filter(|word| word.starts_with("postern_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

/// `false`: it is not there, and need not be.
#[expect(clippy::disallowed_methods, reason = "the rules are judged by Prometheus's own program")]
fn promtool(arguments: &[&str], file: &str) -> bool {
    let output = match Command::new("promtool").args(arguments).arg(root().join(file)).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            assert!(std::env::var_os("POSTERN_TEST_REQUIRE").is_none(), "promtool is required");
            eprintln!("SKIPPED: promtool is not here; `make test` installs it");
            return false;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success(), "{said}");
    true
}

#[test]
fn every_alert_fires_on_what_it_is_for_and_on_nothing_else() {
    if !promtool(&["check", "rules"], "config/metrics/postern-alerts.yml") {
        return;
    }
    promtool(&["test", "rules"], "tests/story/metrics/alerts.yml");
    let tests = fs::read_to_string(root().join("tests/story/metrics/alerts.yml")).unwrap();
    let rules = shipped("postern-alerts.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let fires = format!("alertname: {alert}\n        exp_alerts:");
        assert!(tests.contains(&fires), "no test shows that {alert} fires");
    }
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_name_only_metrics_that_there_are() {
    let there = scraped().await;
    let dashboard: serde_json::Value = serde_json::from_str(&shipped("postern-dashboard.json")).unwrap();
    let panels = dashboard.pointer("/panels").and_then(serde_json::Value::as_array).unwrap();
    let queries = panels.iter().filter_map(|panel| panel.get("targets")).map(ToString::to_string);
    let variables = dashboard.get("templating").map(ToString::to_string).into_iter();
    let queries: String = queries.chain(variables).collect();
    let rules = shipped("postern-alerts.yml");
    let rules: String = rules.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for text in [&queries, &rules] {
        let named = named(text);
        assert!(!named.is_empty() && text.contains(UP));
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "{unknown:?} are not in {there:?}");
    }
    let unseen: Vec<_> = there.iter().filter(|name| name.starts_with("postern_")).collect();
    let shown = named(&queries);
    let is_shown =
        |name: &&&String| shown.contains(**name) || name.ends_with("_sum") || name.ends_with("_count");
    let unseen: Vec<_> = unseen.iter().filter(|name| !is_shown(name)).collect();
    assert!(unseen.is_empty(), "the dashboard does not show {unseen:?}");
}
