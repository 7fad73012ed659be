//! `haidang up`: a collector and an agent for this machine, from nothing, in one command.
//!
//! Promises: state lies in one directory and is taken up again at the next start; both daemons run as processes of their
//! own and end with this one, however it ends (they watch their standard input); Ctrl-C stops cleanly.
//! This is the only file that links both daemons' libraries.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::say;

/// Left in the state directory, mode 0600, new at each start: what the CLI and scripts use.
pub(crate) const ADMIN_TOKEN_FILE: &str = "admin.token";

/// A collector that takes longer than this to open its stores has something to say in its log.
const READY_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a daemon may take to write what it holds after it was told to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    places: Places,
}

/// Where state lies and who may connect.
#[derive(clap::Args, Clone)]
struct Places {
    /// Holds everything: certificates, data, configuration [default: haidang in the XDG state home].
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// Where people and their browsers connect; from outside only over TLS, with `certificate_file` and `key_file`
    /// under `web:` of collector.yml in the state directory.
    #[arg(long, default_value = "127.0.0.1:8080")]
    web_listen: SocketAddr,
    /// Where agents connect; open it to other hosts with 0.0.0.0:7443.
    #[arg(long, default_value = "127.0.0.1:7443")]
    agent_listen: SocketAddr,
    /// Where this machine's agent shows its own metrics.
    #[arg(long, default_value = "127.0.0.1:7480")]
    agent_web_listen: SocketAddr,
}

#[derive(clap::Args)]
pub(crate) struct DaemonFlags {
    #[command(subcommand)]
    which: Daemon,
    #[command(flatten)]
    places: Places,
}

#[derive(Subcommand)]
enum Daemon {
    Collector,
    Agent,
}

/// `$XDG_STATE_HOME/haidang`, else `~/.local/state/haidang` (XDG Base Directory Specification 0.8).
pub(crate) fn default_state_dir() -> anyhow::Result<PathBuf> {
    let from_variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(home) = from_variable("XDG_STATE_HOME") {
        return Ok(PathBuf::from(home).join("haidang"));
    }
    let home = from_variable("HOME").context("neither XDG_STATE_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".local/state/haidang"))
}

impl Places {
    fn state_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.state_dir {
            Some(directory) => Ok(std::path::absolute(directory)?),
            None => default_state_dir(),
        }
    }

    fn arguments(&self, state_dir: &Path) -> Vec<String> {
        vec![
            "--state-dir".to_owned(),
            state_dir.display().to_string(),
            format!("--web-listen={}", self.web_listen),
            format!("--agent-listen={}", self.agent_listen),
            format!("--agent-web-listen={}", self.agent_web_listen),
        ]
    }
}

pub(crate) fn run(flags: Flags) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise(flags.places))
}

/// Starts both daemons, says where to sign in, and waits for the end of any of the three.
async fn supervise(places: Places) -> anyhow::Result<()> {
    let state_dir = places.state_dir()?;
    create_private(&state_dir)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let scheme = scheme(&collector_config(&places, &state_dir)?);
    forget_addresses(&state_dir)?;
    let mut collector = start("collector", &places, &state_dir)?;
    let ready = tokio::select! {
        ready = wait_until_ready(&state_dir, scheme, &mut collector.0) => ready,
        _ = terminate.recv() => return stop(collector).await,
        _ = interrupt.recv() => return stop(collector).await,
    };
    ready?;
    let mut agent = start("agent", &places, &state_dir)?;
    greet(&state_dir, scheme)?;
    let ended = tokio::select! {
        status = collector.0.wait() => Some(("collector", status?)),
        status = agent.0.wait() => Some(("agent", status?)),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    // The agent first: what it still holds may reach the collector.
    let (agent_end, collector_end) = (stop(agent).await, stop(collector).await);
    if let Some((name, status)) = ended {
        bail!("the {name} ended by itself ({status}); its last log lines are above");
    }
    agent_end.and(collector_end)
}

/// A daemon and the pipe whose end tells it to stop.
type Running = (Child, Option<ChildStdin>);

/// The addresses of an earlier start would be asked before the new ones are written.
fn forget_addresses(state_dir: &Path) -> anyhow::Result<()> {
    for name in [collector::app::WEB_ADDRESS_FILE, collector::app::AGENTS_ADDRESS_FILE] {
        let file = collector_state(state_dir).join(name);
        if file.exists() {
            fs::remove_file(&file)
                .with_context(|| format!("{} cannot be removed", file.display()))?;
        }
    }
    Ok(())
}

fn start(name: &str, places: &Places, state_dir: &Path) -> anyhow::Result<Running> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let mut child = Command::new(program)
        .arg("daemon")
        .args(places.arguments(state_dir))
        .arg(name)
        .stdin(Stdio::piped())
        // Its own group: Ctrl-C reaches this process only, and the daemons are stopped in order.
        .process_group(0)
        .spawn()
        .with_context(|| format!("the {name} cannot be started"))?;
    let stdin = child.stdin.take();
    Ok((child, stdin))
}

async fn stop((mut child, stdin): Running) -> anyhow::Result<()> {
    drop(stdin);
    match tokio::time::timeout(STOP_TIME_MAX, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => bail!("a daemon ended with {status}"),
        Ok(Err(error)) => Err(error).context("a daemon could not be waited for"),
        Err(_) => {
            child.kill().await?;
            bail!("a daemon did not stop within {STOP_TIME_MAX:?} and was killed")
        }
    }
}

async fn wait_until_ready(
    state_dir: &Path,
    scheme: &str,
    collector: &mut Child,
) -> anyhow::Result<()> {
    // A second provider would be a mistake, an installed one is what we want.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let http = to_own_collector()?;
    let answering = async {
        loop {
            if let Ok(listening) = listening(state_dir)
                && let Ok(answer) =
                    http.get(format!("{scheme}://{}/-/ready", listening.web)).send().await
                && answer.status().is_success()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        ready = tokio::time::timeout(READY_TIME_MAX, answering) => {
            ready.with_context(|| format!("the collector is not ready after {READY_TIME_MAX:?}"))
        }
        status = collector.wait() => {
            bail!("the collector ended at its start ({}); the reason is above", status?)
        }
    }
}

/// Asks the port of this machine that our own collector has opened, whose certificate is made out for other names.
fn to_own_collector() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2));
    Ok(client.tls_danger_accept_invalid_certs(true).build()?)
}

fn greet(state_dir: &Path, scheme: &str) -> anyhow::Result<()> {
    let web = listening(state_dir)?.web;
    let code_file = collector_state(state_dir).join(collector::app::SETUP_CODE_FILE);
    let address = match fs::read_to_string(&code_file) {
        Ok(code) => format!("{scheme}://{web}/#/setup?code={}", code.trim()),
        Err(_) => format!("{scheme}://{web}/"),
    };
    say(&format!(
        "\nHải Đăng is running. Sign in at\n\n    {address}\n\n\
         State: {}\nStop with Ctrl-C.",
        state_dir.display()
    ));
    Ok(())
}

/// Runs one daemon until its standard input ends or a signal comes.
pub(crate) fn daemon(flags: DaemonFlags) -> anyhow::Result<()> {
    let state_dir = flags.places.state_dir()?;
    collector::app::start_log();
    match flags.which {
        Daemon::Collector => {
            let config = collector_config(&flags.places, &state_dir)?;
            let options = collector::app::Options {
                admin_token_file: Some(state_dir.join(ADMIN_TOKEN_FILE)),
                files_dir: Some(state_dir.clone()),
            };
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime
                .block_on(async { Ok(collector::app::run(config, options, stop_signal()?).await?) })
        }
        Daemon::Agent => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run_agent(flags.places, state_dir))
        }
    }
}

/// Enrols this machine when it is not, then runs its agent.
async fn run_agent(places: Places, state_dir: PathBuf) -> anyhow::Result<()> {
    let agent_dir = state_dir.join("agent");
    create_private(&agent_dir)?;
    let file = state_dir.join("agent.yml");
    let mut config = if file.exists() {
        agent::Config::open(&file)?
    } else {
        agent::Config::new(agent_dir.clone())
    };
    config.state_dir = agent_dir.clone();
    config.web.listen = Some(places.agent_web_listen);
    let listening = listening(&state_dir)?;
    let address = agent::config::CollectorAddress::new(&listening.agents.to_string());
    let address = address.map_err(anyhow::Error::msg)?;
    if config.collectors.is_empty() {
        config.collectors = vec![address.clone()];
    }
    // A second provider would be a mistake, an installed one is what we want.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let host = match config.host.clone() {
        Some(host) => host,
        None => agent::host_name()?,
    };
    // An unused invitation expires within minutes.
    let scheme = scheme(&collector_config(&places, &state_dir)?);
    let token = invite(&listening, scheme, &state_dir, host.as_str()).await?;
    let request = agent::enrol::EnrolRequest {
        state_dir: agent_dir,
        collector: address,
        token: agent::enrol::Token::parse(&token)?,
        host,
        replace: false,
    };
    match agent::enrol::enrol(&request).await {
        Ok(()) | Err(agent::enrol::EnrolError::AlreadyHere { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let shutdown = CancellationToken::new();
    let (mut stop, stopper) = (stop_signal()?, shutdown.clone());
    tokio::spawn(async move {
        drop(stop.wait_for(|stop| *stop).await);
        stopper.cancel();
    });
    Ok(agent::run(config, shutdown).await?)
}

/// An enrolment token for this machine, asked for with the admin token.
async fn invite(
    listening: &Listening,
    scheme: &str,
    state_dir: &Path,
    host: &str,
) -> anyhow::Result<String> {
    let admin = fs::read_to_string(state_dir.join(ADMIN_TOKEN_FILE))?;
    let request = to_own_collector()?
        .post(format!("{scheme}://{}/api/tokens", listening.web))
        .bearer_auth(admin.trim())
        .json(&serde_json::json!({ "host": host, "lifetime_seconds": 600 }));
    let answer: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
    let token = answer["token"].as_str().context("the collector gave no enrolment token")?;
    Ok(token.to_owned())
}

/// Where the collector of this start listens.
struct Listening {
    web: SocketAddr,
    agents: SocketAddr,
}

fn listening(state_dir: &Path) -> anyhow::Result<Listening> {
    let read = |name: &str| -> anyhow::Result<SocketAddr> {
        let file = collector_state(state_dir).join(name);
        let text = fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let mut address: SocketAddr = text.trim().parse()?;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        Ok(address)
    };
    Ok(Listening {
        web: read(collector::app::WEB_ADDRESS_FILE)?,
        agents: read(collector::app::AGENTS_ADDRESS_FILE)?,
    })
}

/// Turns true when this process is asked to stop, or `up` is gone and with it the other end of standard input.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let of_parent = sender.clone();
    // A thread and no task: the runtime would wait for a read that nothing ends, and keep a failed start from ending.
    std::thread::Builder::new().name("parent".to_owned()).spawn(move || {
        drop(std::io::stdin().read(&mut [0]));
        of_parent.send_replace(true);
    })?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        sender.send_replace(true);
    });
    Ok(receiver)
}

fn scheme(config: &collector::config::Config) -> &'static str {
    if config.web.tls.is_some() { "https" } else { "http" }
}

fn collector_state(state_dir: &Path) -> PathBuf {
    state_dir.join("collector")
}

/// What `up` itself says of addresses and places goes before what a `collector.yml` says.
fn collector_config(
    places: &Places,
    state_dir: &Path,
) -> anyhow::Result<collector::config::Config> {
    let file = state_dir.join("collector.yml");
    let mut config = if file.exists() {
        collector::config::Config::open(&file)?
    } else {
        collector::config::Config::defaults(collector_state(state_dir))?
    };
    config.state_dir = collector_state(state_dir);
    config.agents.listen = agent_yaml::Address(places.agent_listen);
    config.web.listen = places.web_listen;
    let listen = places.web_listen;
    if config.web.tls.is_none() && !listen.ip().is_loopback() {
        bail!(
            "--web-listen {listen} can be reached from outside, and passwords would cross the network in the clear:              name `certificate_file` and `key_file` under `web:` in {}; or keep to 127.0.0.1, and let a proxy              that speaks TLS reach it there",
            file.display()
        );
    }
    if !config.web.is_external_url_given {
        config.web.external_url = format!("{}://{listen}", scheme(&config));
    }
    Ok(config)
}

fn create_private(directory: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("{} cannot be created", directory.display()))
}
