//! Targets as they answer, fail, fall silent, or were never heard of.

use agent_model::{HostId, ScrapeTarget};

use super::*;

fn exporter(last_error: &str) -> HostTarget {
    let target = ScrapeTarget {
        job: "db".to_owned(),
        instance: "dc1-srv01:9187".to_owned(),
        url: "http://127.0.0.1:9187/metrics".to_owned(),
        interval_ms: 15_000,
        timeout_ms: 10_000,
        last_error: last_error.to_owned(),
    };
    HostTarget { host: HostId::new("dc1-srv01").unwrap(), target }
}

fn scrape(up: bool, ended: bool) -> Scrape {
    let labels = [("host", "dc1-srv01"), ("instance", "dc1-srv01:9187"), ("job", "db"), ("a", "b")];
    Scrape { labels: Labels::metric("up", labels), at_ms: 100_000, up, ended, seconds: 0.25 }
}

#[test]
fn only_what_was_scraped_lately_is_up_and_what_is_silent_is_unknown() {
    let of = |host, scrape: Option<&Scrape>, now_ms| {
        let (health, error) = health(&exporter("no answer"), host, scrape, now_ms);
        format!("{health}: {error}")
    };
    let (up, down, ended) = (scrape(true, false), scrape(false, false), scrape(true, true));
    assert_eq!(of(Shown::Up, Some(&up), 175_000), "up: ");
    assert_eq!(of(Shown::Up, Some(&up), 175_001), "unknown: no scrape has been reported since");
    assert_eq!(of(Shown::Up, Some(&ended), 100_001), "unknown: no scrape has been reported since");
    assert_eq!(of(Shown::Up, Some(&down), 100_001), "down: no answer");
    assert_eq!(of(Shown::Up, None, 1), "unknown: ");
    assert_eq!(of(Shown::Down, Some(&up), 1), "unknown: the host of its agent does not report");
    let (health, error) = health(&exporter(""), Shown::Up, Some(&down), 100_001);
    assert_eq!((health, error.as_str()), ("down", "the scrape failed"));
}

#[test]
fn an_exporter_has_every_field_that_prometheus_gives_a_target() {
    let one = exporter("");
    let key = ("dc1-srv01".to_owned(), "db".to_owned(), "dc1-srv01:9187".to_owned());
    let scrapes = Scrapes::from([(key, scrape(true, false))]);
    let shown = shown_exporter(&one, Shown::Up, &scrapes, 100_000);
    let expected = json!({
        "discoveredLabels": {
            "__address__": "127.0.0.1:9187",
            "__metrics_path__": "/metrics",
            "__scheme__": "http",
            "__scrape_interval__": "15s",
            "__scrape_timeout__": "10s",
            "host": "dc1-srv01",
            "job": "db",
        },
        "labels": { "a": "b", "host": "dc1-srv01", "instance": "dc1-srv01:9187", "job": "db" },
        "scrapePool": "db",
        "scrapeUrl": "http://127.0.0.1:9187/metrics",
        "globalUrl": "http://dc1-srv01:9187/metrics",
        "lastError": "",
        "lastScrape": "1970-01-01T00:01:40Z",
        "lastScrapeDuration": 0.25,
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    });
    assert_eq!(shown, expected);
    let unheard = shown_exporter(&one, Shown::Up, &Scrapes::new(), 100_000);
    assert_eq!(unheard["lastScrape"], "0001-01-01T00:00:00Z");
    assert_eq!(unheard["health"], "unknown");
}

#[test]
fn durations_and_addresses_are_written_as_prometheus_does() {
    let texts = [15_000, 90_000, 3_600_000, 500, 1_500, 0].map(scrapes::duration_text);
    assert_eq!(texts, ["15s", "1m30s", "1h", "500ms", "1s500ms", "0s"]);
    assert_eq!(global("http://[::1]:9100/m?a=b", "h"), "http://h:9100/m?a=b");
    assert_eq!(global("http://10.0.0.7:9100/m", "h"), "http://10.0.0.7:9100/m");
}
