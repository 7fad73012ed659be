//! A real Prometheus of Debian's, beside a house: filled with the same samples, asked the same questions.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::deadline::eventually;
use crate::house::free_address;

/// A server of its own.
pub struct Prometheus {
    pub address: String,
    server: Child,
    http: reqwest::Client,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    /// Holds the samples of a matrix as the query API shows it, and nothing else.
    pub async fn holding(matrix: &Value) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        fs::write(path.join("samples.txt"), open_metrics(matrix)?)?;
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .arg(path.join("samples.txt"))
            .arg(path.join("data"))
            .output()?;
        ensure!(made.status.success(), "promtool: {}", String::from_utf8_lossy(&made.stderr));
        fs::write(path.join("prometheus.yml"), "global: {}\n")?;
        Self::start(directory, free_address()?).await
    }

    /// Scrapes by these `scrape_configs`.
    pub async fn scraping(scrape_configs: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let configuration = format!("scrape_configs:\n{scrape_configs}");
        fs::write(directory.path().join("prometheus.yml"), configuration)?;
        Self::start(directory, free_address()?).await
    }

    /// Scrapes itself every second and sends what it has to a collector, with a token.
    pub async fn sending_to(collector: &str, token: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let address = free_address()?;
        let configuration = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: prometheus\n    \
             static_configs: [{{targets: ['{address}']}}]\nremote_write:\n  - url: \
             http://{collector}/api/v1/write\n    authorization: {{credentials: {token}}}\n    \
             queue_config: {{batch_send_deadline: 1s, max_backoff: 1s}}\n    \
             metadata_config: {{send_interval: 1s}}\n"
        );
        fs::write(directory.path().join("prometheus.yml"), configuration)?;
        Self::start(directory, address).await
    }

    /// Reads what a house has of its hosts every second, and evaluates rules over it.
    pub async fn evaluating(rules: &str, house: &str, token: &Path) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        fs::write(path.join("rules.yml"), rules)?;
        let config = format!(
            "rule_files: [rules.yml]\nscrape_configs:\n  - job_name: house\n    scrape_interval: 1s\n    \
             scrape_timeout: 1s\n    honor_labels: true\n    metrics_path: /federate\n    params:\n      \
             'match[]': ['{{job=\"node\",__name__=~\"up|node_cpu_seconds_total\"}}']\n    authorization:\n      \
             credentials_file: {}\n    static_configs:\n      - targets: ['{house}']\n",
            token.display()
        );
        fs::write(path.join("prometheus.yml"), config)?;
        Self::start(directory, free_address()?).await
    }

    /// Has one alert that always fires, and tells it to an Alertmanager.
    pub async fn alerting_to(manager: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        fs::write(
            path.join("rules.yml"),
            "groups:\n  - name: g\n    rules:\n      - alert: AlwaysTrue\n        expr: vector(1)\n        \
             labels: {severity: critical}\n        annotations: {summary: 'it is {{ $value }}'}\n",
        )?;
        let configuration = format!(
            "global: {{evaluation_interval: 1s}}\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n    \
             - static_configs: [{{targets: ['{manager}']}}]\n"
        );
        fs::write(path.join("prometheus.yml"), configuration)?;
        Self::start(directory, free_address()?).await
    }

    async fn start(directory: tempfile::TempDir, address: String) -> anyhow::Result<Self> {
        let path = directory.path();
        let server = Command::new("prometheus")
            .arg(format!("--config.file={}", path.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", path.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-admin-api")
            .arg("--rules.alert.resend-delay=1s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let prometheus =
            Self { address, server, http: reqwest::Client::new(), _directory: directory };
        eventually("Prometheus to be ready", || async {
            let ready = prometheus.http.get(format!("http://{}/-/ready", prometheus.address));
            Ok(ready.send().await?.error_for_status()?)
        })
        .await?;
        Ok(prometheus)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Status and JSON of a `GET`.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// What promtool says of a server.
pub fn promtool(arguments: &[&str]) -> anyhow::Result<Output> {
    Command::new("promtool").args(arguments).output().context("promtool cannot be run")
}

/// OpenMetrics wants a metric's lines together, and its time in seconds.
fn open_metrics(matrix: &Value) -> anyhow::Result<String> {
    let mut series: Vec<&Value> = matrix.as_array().context("no matrix")?.iter().collect();
    series.sort_by_key(|one| one["metric"]["__name__"].as_str().unwrap_or_default().to_owned());
    let mut text = String::new();
    for one in series {
        let labels = one["metric"].as_object().context("no labels")?;
        let name = labels["__name__"].as_str().context("no name")?;
        let others = labels.iter().filter(|(label, _)| *label != "__name__");
        let others: Vec<String> = others.map(|(label, value)| format!("{label}={value}")).collect();
        for sample in one["values"].as_array().context("no values")? {
            let (at, value) = (&sample[0], sample[1].as_str().context("no text")?);
            writeln!(text, "{name}{{{}}} {value} {at}", others.join(","))?;
        }
    }
    text.push_str("# EOF\n");
    Ok(text)
}
