//! `haidang up` in a directory of its own, with a log that is shown when the story fails.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::deadline::eventually;
use crate::webhook::Webhook;

/// A collector, an agent, and everything they own.
pub struct House {
    pub state_dir: PathBuf,
    /// The log that the agent follows.
    pub auth_log: PathBuf,
    web: String,
    agents: String,
    agent_web: String,
    supervisor: Option<Child>,
    log: PathBuf,
    http: reqwest::Client,
    /// Removed at the end, unless the state lies elsewhere.
    _directory: tempfile::TempDir,
}

impl House {
    /// A house that is not started yet; `alerting_yml` and the like may be written into its state directory first.
    pub fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let state_dir = directory.path().join("state");
        Self::at(directory, state_dir)
    }

    /// The same with the state in a directory that the story has prepared, a small file system mostly.
    pub fn at(directory: tempfile::TempDir, state_dir: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&state_dir)?;
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let auth_log = directory.path().join("auth.log");
        File::create(&auth_log)?;
        let house = Self {
            auth_log,
            web: free_address()?,
            agents: free_address()?,
            agent_web: free_address()?,
            supervisor: None,
            log: directory.path().join("log"),
            http: reqwest::Client::builder().timeout(std::time::Duration::from_secs(20)).build()?,
            state_dir,
            _directory: directory,
        };
        house.write("agent.yml", &house.agent_yml(""))?;
        Ok(house)
    }

    /// An agent configuration with a fast tick that follows the story's own log.
    pub fn agent_yml(&self, more: &str) -> String {
        let (collector, log) = (&self.agents, self.auth_log.display());
        format!(
            "collectors:\n  - address: {collector}\ninterval: 1s\nsecurity:\n  auth_log:\n    \
             files: [{log}]\n  journald:\n    read: never\n{more}"
        )
    }

    /// Alerts go to this webhook at once.
    pub fn notify(&self, webhook: &Webhook) -> anyhow::Result<()> {
        self.route(webhook, "alertname")
    }

    /// The same, every alert a group of its own: what is told twice can be seen.
    pub fn notify_one_by_one(&self, webhook: &Webhook) -> anyhow::Result<()> {
        self.route(webhook, "'...'")
    }

    fn route(&self, webhook: &Webhook, group_by: &str) -> anyhow::Result<()> {
        let address = webhook.address;
        let routing = format!(
            "route:\n  receiver: story\n  group_by: [{group_by}]\n  group_wait: 0s\n  \
             group_interval: 1s\n  repeat_interval: 1h\nreceivers:\n  - name: story\n    \
             webhook_configs:\n      - url: http://{address}/\n        send_resolved: true\n"
        );
        self.write("alerting.yml", &routing)
    }

    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.state_dir.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.state_dir))?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Starts both daemons and waits until this machine is seen.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        self.eventually_sees("up{job=\"node\"} == 1").await
    }

    /// Starts what cannot start, and waits for its end; what it said.
    pub fn start_in_vain(&self) -> anyhow::Result<String> {
        let ended = self.spawn()?.wait()?;
        ensure!(!ended.success(), "it ended as if all were well\n{}", self.last_log_lines());
        Ok(self.last_log_lines())
    }

    /// Starts both daemons and waits for nothing.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        self.supervisor = Some(self.spawn()?);
        Ok(())
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let child = Command::new(binary("haidang")?)
            .args(["up", "--state-dir"])
            .arg(&self.state_dir)
            .args(["--web-listen", &self.web, "--agent-listen", &self.agents])
            .args(["--agent-web-listen", &self.agent_web])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(child)
    }

    /// Waits until a PromQL expression has a result.
    pub async fn eventually_sees(&self, expression: &str) -> anyhow::Result<()> {
        let seen = eventually(expression, || async {
            match self.query(expression).await?.as_array() {
                Some(result) if !result.is_empty() => Ok(()),
                other => bail!("the result is {other:?}"),
            }
        });
        seen.await.with_context(|| self.last_log_lines())
    }

    /// The result of an instant query.
    pub async fn query(&self, expression: &str) -> anyhow::Result<Value> {
        let mut url = reqwest::Url::parse(&format!("http://{}/api/v1/query", self.web))?;
        url.query_pairs_mut().append_pair("query", expression);
        let answer = self.send(self.http.get(url)).await?;
        Ok(answer["data"]["result"].clone())
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.http.get(format!("http://{}{path}", self.web))).await
    }

    /// Status and JSON of a `GET`, whatever the status is.
    pub async fn get_any(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let token = fs::read_to_string(self.state_dir.join("admin.token"))?;
        let request = self.http.get(format!("http://{}{path}", self.web));
        let answer = request.bearer_auth(token.trim()).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// The messages of all events that a search finds, oldest first.
    pub async fn messages(&self, search: &str) -> anyhow::Result<Vec<String>> {
        let (mut found, mut before) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/events?{search}&limit=1000{before}")).await?;
            let events = page["events"].as_array().context("no events")?.iter();
            let message = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
            found.extend(events.map(message));
            match page["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        found.reverse();
        Ok(found)
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.http.post(format!("http://{}{path}", self.web)).json(body)).await
    }

    /// A lasting token under which series are pushed that carry `origin`.
    pub async fn write_token(&self, origin: &str) -> anyhow::Result<String> {
        let labels = [["origin", origin]];
        self.api_token(json!({ "name": origin, "write_labels": labels })).await
    }

    /// A lasting token for whoever reads.
    pub async fn read_token(&self) -> anyhow::Result<String> {
        self.api_token(json!({ "name": "reader", "role": "viewer" })).await
    }

    /// A lasting token for who reads, and does what the role may do.
    pub async fn token_of_role(&self, name: &str, role: &str) -> anyhow::Result<String> {
        self.api_token(json!({ "name": name, "role": role })).await
    }

    async fn api_token(&self, mut asked: Value) -> anyhow::Result<String> {
        asked["lifetime_seconds"] = 86_400.into();
        let made = self.post("/api/api-tokens", &asked).await?;
        Ok(made["token"].as_str().context("no token")?.to_owned())
    }

    /// A request without any proof of who asks.
    pub async fn status_without_sign_in(&self, path: &str) -> anyhow::Result<u16> {
        let answer = self.http.get(format!("http://{}{path}", self.web)).send().await?;
        Ok(answer.status().as_u16())
    }

    /// A page that is no JSON.
    pub async fn get_text(&self, path: &str) -> anyhow::Result<String> {
        self.text(self.http.get(format!("http://{}{path}", self.web))).await
    }

    /// The name of this machine as the collector knows it.
    pub async fn host(&self) -> anyhow::Result<String> {
        let up = self.query("up{job=\"node\"}").await?;
        Ok(up[0]["metric"]["host"].as_str().context("no host is up")?.to_owned())
    }

    pub fn web_address(&self) -> &str {
        &self.web
    }

    pub fn agents_address(&self) -> &str {
        &self.agents
    }

    /// What `haidang` answers to these words, and whether it went well.
    pub fn haidang(&self, words: &[&str]) -> anyhow::Result<(bool, String)> {
        let Output { status, stdout, stderr } = Command::new(binary("haidang")?)
            .args(words)
            // Of whoever runs the stories.
            .env_remove("TZ")
            .args(["--url", &format!("http://{}", self.web), "--token-file"])
            .arg(self.state_dir.join("admin.token"))
            .output()?;
        Ok((status.success(), String::from_utf8([stdout, stderr].concat())?))
    }

    /// A metric of the collector itself, named with its labels as `/metrics` writes it.
    pub async fn own_metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = self.text(self.http.get(format!("http://{}/metrics", self.web))).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("/metrics has no {name}"))?.parse()?)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let text = self.text(request).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }

    async fn text(&self, request: reqwest::RequestBuilder) -> anyhow::Result<String> {
        let token = fs::read_to_string(self.state_dir.join("admin.token"))?;
        let answer = request.bearer_auth(token.trim()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{status}: {text}");
        }
        Ok(text)
    }

    /// Appends lines to the log that the agent follows.
    pub fn log_in_auth(&self, lines: &[String]) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.auth_log)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        file.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Kills one of the two daemons as a power cut would; `up` ends with it.
    pub async fn kill_daemon(&mut self, name: &str) -> anyhow::Result<()> {
        let pid = eventually("the daemon to kill", || async { self.daemon(name) }).await?;
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        self.wait()
    }

    /// Stops a daemon from running without ending it: to the other side it has fallen silent.
    pub fn freeze(&self, name: &str) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(self.daemon(name)?), Signal::SIGSTOP)?)
    }

    pub fn thaw(&self, name: &str) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(self.daemon(name)?), Signal::SIGCONT)?)
    }

    /// Asks everything to stop, and waits; whether it ended well.
    pub fn stop(&mut self) -> anyhow::Result<bool> {
        let Some(mut supervisor) = self.supervisor.take() else { return Ok(true) };
        kill(Pid::from_raw(i32::try_from(supervisor.id())?), Signal::SIGTERM)?;
        Ok(supervisor.wait()?.success())
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        if let Some(mut supervisor) = self.supervisor.take() {
            supervisor.wait()?;
        }
        Ok(())
    }

    /// The process id of a daemon, found among the children of `up`.
    pub fn daemon(&self, name: &str) -> anyhow::Result<i32> {
        let supervisor = self.supervisor.as_ref().context("the house is not started")?.id();
        let children =
            fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"))?;
        for pid in children.split_whitespace() {
            let line = fs::read(format!("/proc/{pid}/cmdline"))?;
            if line.split(|byte| *byte == 0).any(|word| word == name.as_bytes()) {
                return Ok(pid.parse()?);
            }
        }
        bail!("`haidang up` has no child {name}")
    }

    /// What both daemons have said since the first start.
    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether a line of the daemons' log has these words.
    pub fn has_said(&self, words: &str) -> bool {
        self.log_text().contains(words)
    }

    /// The end of the daemons' log, for the message of a failed story.
    pub fn last_log_lines(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        format!("the daemons said:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.stop().is_err()
            && let Some(mut supervisor) = self.supervisor.take()
        {
            drop(supervisor.kill());
            drop(supervisor.wait());
        }
    }
}

/// A binary that the workspace has built with the same profile, beside the test's own directory.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.parent().and_then(Path::parent).context("the test lies nowhere")?;
    let path = target.join(name);
    if !path.exists() {
        bail!(
            "{} is not built: cargo build --workspace (--release for benchmarks)",
            path.display()
        );
    }
    Ok(path)
}

/// A loopback address that nobody listens on.
pub fn free_address() -> anyhow::Result<String> {
    // Free now; another program may take it before the daemon does, which the daemon then says.
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
