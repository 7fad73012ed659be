//! `targets` and `scrape_pools`: each enrolled host stands here as what would be scraped, for hosts report by themselves, and each
//! exporter that a host's agent scrapes.
//!
//! Promises: what is silent is down or unknown, never up. Leaves to others: what the agents say (`collector_inventory`), whether a
//! target answers (its own samples, `targets/scrapes`).

mod scrapes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_model::Labels;
use axum::extract::State;
use collector_inventory::HostTarget;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Failure, success};
use super::parameters::Parameters;
use super::rules::time_text;
use crate::clock;
use crate::http::WebApi;
use crate::http::picture::{Host, Shown};
use scrapes::{Scrape, Scrapes};

/// The pool of the hosts themselves; an exporter's is its job.
const POOL: &str = "agents";

pub(super) async fn targets(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let state = parameters.get("state").unwrap_or("any");
    if !matches!(state, "any" | "active" | "dropped") {
        return Err(Failure::parameter("state", format!("unknown state {state:?}")));
    }
    let wanted = parameters.get("scrapePool");
    let is_wanted = |pool: &str| wanted.is_none_or(|wanted| wanted == pool);
    let exporters = exporters(&api).await?;
    let mut active: Vec<Value> = Vec::new();
    if state != "dropped" {
        let picture = api.picture().await;
        let picture = picture.map_err(|error| Failure::internal(format!("{error:?}")))?;
        if is_wanted(POOL) {
            active.extend(picture.hosts.iter().map(shown_host));
        }
        let scrapes = api.places.evaluate(&api.query, parameters.timeout()?, |query, _| {
            Ok(scrapes::newest(query, clock::now_ms())?)
        });
        let (scrapes, now_ms) = (scrapes.await?, clock::now_ms());
        let states: BTreeMap<&str, Shown> =
            picture.hosts.iter().map(|host| (host.id.as_str(), host.state)).collect();
        let wanted = exporters.iter().filter(|one| is_wanted(&one.target.job));
        active.extend(wanted.map(|one| {
            let host = states.get(one.host.as_str()).copied().unwrap_or(Shown::Unknown);
            shown_exporter(one, host, &scrapes, now_ms)
        }));
    }
    let counts = pools(&exporters).into_iter().filter(|pool| is_wanted(pool));
    let counts: Map<String, Value> = counts.map(|pool| (pool.to_owned(), json!(0))).collect();
    success(&json!({
        "activeTargets": active,
        "droppedTargets": [],
        "droppedTargetCounts": counts,
    }))
}

pub(super) async fn scrape_pools(State(api): State<Arc<WebApi>>) -> Answer {
    let exporters = exporters(&api).await?;
    success(&json!({ "scrapePools": pools(&exporters) }))
}

async fn exporters(api: &WebApi) -> Result<Vec<HostTarget>, Failure> {
    let exporters = api.inventory.scrape_targets().await;
    exporters.map_err(|error| Failure::internal(crate::describe(&error)))
}

fn pools(exporters: &[HostTarget]) -> BTreeSet<&str> {
    exporters.iter().map(|one| one.target.job.as_str()).chain([POOL]).collect()
}

fn shown_host(host: &Host) -> Value {
    let id = host.id.as_str();
    let last_ms = host.summary.as_ref().and_then(|summary| summary.last_report_ms);
    let (health, error) = match host.state {
        Shown::Up => ("up", ""),
        Shown::Down => ("down", "the host does not report"),
        Shown::Unknown | Shown::Planned => ("unknown", ""),
    };
    json!({
        "discoveredLabels": { "__address__": id, "job": "node" },
        "labels": { "host": id, "instance": id, "job": "node" },
        "scrapePool": POOL,
        // Nothing is fetched: the host's agent sends.
        "scrapeUrl": format!("agent://{id}"),
        "globalUrl": format!("agent://{id}"),
        "lastError": error,
        "lastScrape": last_ms.map_or_else(never, time_text),
        "lastScrapeDuration": 0,
        "health": health,
        "scrapeInterval": "15s",
        "scrapeTimeout": "15s",
    })
}

fn shown_exporter(one: &HostTarget, host: Shown, scrapes: &Scrapes, now_ms: i64) -> Value {
    let HostTarget { host: id, target } = one;
    let key = (id.to_string(), target.job.clone(), target.instance.clone());
    let scrape = scrapes.get(&key);
    let (health, error) = health(one, host, scrape, now_ms);
    let labels = match scrape {
        Some(scrape) => shown_labels(&scrape.labels),
        None => json!({ "host": id.as_str(), "instance": target.instance, "job": target.job }),
    };
    let url = &target.url;
    json!({
        "discoveredLabels": discovered(one),
        "labels": labels,
        "scrapePool": target.job,
        "scrapeUrl": url,
        "globalUrl": global(url, id.as_str()),
        "lastError": error,
        "lastScrape": scrape.map_or_else(never, |scrape| time_text(scrape.at_ms)),
        "lastScrapeDuration": scrape.map_or(0.0, |scrape| scrape.seconds),
        "health": health,
        "scrapeInterval": scrapes::duration_text(target.interval_ms),
        "scrapeTimeout": scrapes::duration_text(target.timeout_ms),
    })
}

/// Whether a target is up, and what is wrong with it.
fn health(
    one: &HostTarget,
    host: Shown,
    scrape: Option<&Scrape>,
    now_ms: i64,
) -> (&'static str, String) {
    let silent = |what: &str| ("unknown", what.to_owned());
    match (host, scrape) {
        (Shown::Down, _) => silent("the host of its agent does not report"),
        (_, None) => silent(""),
        (_, Some(scrape)) if scrape.ended || scrape.is_old(one.target.interval_ms, now_ms) => {
            silent("no scrape has been reported since")
        }
        (_, Some(scrape)) if scrape.up => ("up", String::new()),
        // Of a reason that changes all the time not every one is told.
        (_, Some(_)) if one.target.last_error.is_empty() => {
            ("down", "the scrape failed".to_owned())
        }
        (_, Some(_)) => ("down", one.target.last_error.clone()),
    }
}

fn shown_labels(labels: &Labels) -> Value {
    let pairs = labels.iter().filter(|label| &*label.name != Labels::NAME);
    let pairs = pairs.map(|label| (label.name.to_string(), label.value.as_ref().into()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// What Prometheus would know of it before it relabels.
fn discovered(one: &HostTarget) -> Value {
    let target = &one.target;
    let url = url::Url::parse(&target.url).ok();
    let part = |part: fn(&url::Url) -> String| url.as_ref().map(part).unwrap_or_default();
    json!({
        "__address__": part(|url| {
            let port = url.port_or_known_default().unwrap_or(0);
            format!("{}:{port}", url.host_str().unwrap_or_default())
        }),
        "__metrics_path__": part(|url| url.path().to_owned()),
        "__scheme__": part(|url| url.scheme().to_owned()),
        "__scrape_interval__": scrapes::duration_text(target.interval_ms),
        "__scrape_timeout__": scrapes::duration_text(target.timeout_ms),
        "host": one.host.as_str(),
        "job": target.job,
    })
}

/// The address for people on other machines: a loopback address is the host's.
fn global(url: &str, host: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    let name = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = name.parse::<std::net::IpAddr>();
    let loopback = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if loopback && parsed.set_host(Some(host)).is_ok() {
        parsed.to_string()
    } else {
        url.to_owned()
    }
}

fn never() -> String {
    super::rules::NEVER.to_owned()
}

#[cfg(test)]
mod tests;
