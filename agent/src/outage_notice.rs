//! Says on the host itself that no collector takes its reports: by syslog and by mail, each once when it begins and once when it
//! ends; a way that did not take it is tried again.
//! Whoever watches the host by other ways learns so that nobody watches it by ours.
//! Promises: a mail is handed to `sendmail` without a shell, and neither way can hold the agent up.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_model::{HostId, Problem};
use agent_yaml::{At, Document};
use deserr::Deserr;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use self::outage::{Event, Outage, Way};
use crate::clock::Clock;
use crate::send::Collector;

mod outage;

/// Shorter would tell of a collector that restarts.
const AFTER_MIN: Duration = Duration::from_secs(60);

/// How often is looked; also the longest that a notice comes late.
const LOOK: Duration = Duration::from_secs(5);

/// A mail queue that takes longer does not work.
const SENDMAIL_TIME_MAX: Duration = Duration::from_secs(30);

/// People who get the mail: a few who are responsible for the host.
const MAIL_TO_MAX: usize = 10;

/// Facility `daemon` with the severities `crit` and `notice` (RFC 5424, 6.2.1).
const BEGINS: u8 = 3 * 8 + 2;
const ENDS: u8 = 3 * 8 + 5;

/// When and how the host's people are told.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long no collector has taken a report.
    pub after: Duration,
    /// The socket of the host's syslog; `None` for no message there.
    pub syslog: Option<PathBuf>,
    pub mail_to: Vec<String>,
    /// A program with sendmail's interface.
    pub sendmail: PathBuf,
}

#[derive(Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub(crate) struct RawConfig {
    #[deserr(default)]
    after: Option<At<agent_yaml::Duration>>,
    #[deserr(default)]
    syslog: Option<At<String>>,
    #[deserr(default)]
    mail_to: Vec<At<String>>,
    #[deserr(default)]
    sendmail: Option<At<String>>,
}

#[derive(Debug, thiserror::Error)]
enum NoticeError {
    #[error("the socket {} takes no message (outage_notice.syslog in agent.yml)", path.display())]
    Syslog {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} cannot be run (outage_notice.sendmail in agent.yml)", path.display())]
    Sendmail {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} did not take the mail: {why}", path.display())]
    Refused { path: PathBuf, why: String },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            after: Duration::from_secs(300),
            syslog: Some(PathBuf::from("/dev/log")),
            mail_to: Vec::new(),
            sendmail: PathBuf::from("/usr/sbin/sendmail"),
        }
    }
}

impl RawConfig {
    pub(crate) fn ready(&self, document: &Document, problems: &mut Vec<Problem>) -> Config {
        let mut config = Config::default();
        if let Some(after) = &self.after {
            config.after = after.value.0;
            if config.after < AFTER_MIN {
                let message =
                    "`after` is at least 1m: a collector that restarts is away for a moment";
                problems.push(document.problem(&after.place, message));
            }
        }
        if let Some(socket) = &self.syslog {
            config.syslog = (socket.value != "off").then(|| PathBuf::from(&socket.value));
            if config.syslog.as_ref().is_some_and(|path| !path.is_absolute()) {
                let message = "`syslog` is the path of a socket such as /dev/log, or `off`";
                problems.push(document.problem(&socket.place, message));
            }
        }
        for to in &self.mail_to {
            // A local user or an address; nothing that sendmail could take for a flag or a second header.
            let plain = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
            let fine = !to.value.is_empty() && !to.value.starts_with('-');
            if !(fine && to.value.chars().all(plain)) {
                let message = format!("{:?} is neither a local user nor an address", to.value);
                problems.push(document.problem(&to.place, message));
            }
            config.mail_to.push(to.value.clone());
        }
        if let Some(to) = self.mail_to.get(MAIL_TO_MAX) {
            let message = format!("at most {MAIL_TO_MAX} are told by mail");
            problems.push(document.problem(&to.place, message));
        }
        if let Some(program) = &self.sendmail {
            config.sendmail = PathBuf::from(&program.value);
            if !config.sendmail.is_absolute() {
                let message = "`sendmail` is the whole path of a program";
                problems.push(document.problem(&program.place, message));
            }
        }
        config
    }
}

/// Looks until the agent stops. `state` is the directory of its state.
pub(crate) async fn run(
    config: Config,
    host: HostId,
    state: PathBuf,
    collectors: Vec<Arc<Collector>>,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let newest = || {
        let times = collectors.iter().map(|one| &one.health.last_acknowledged_ms);
        times.map(|time| time.load(Ordering::Relaxed)).max().unwrap_or(0)
    };
    let file = outage::file(&state);
    let mut outage = Outage::new(newest(), clock.instant(), outage::load(&file));
    let (look, ways) = (LOOK.min(config.after / 2), config.ways());
    while shutdown.run_until_cancelled(tokio::time::sleep(look)).await.is_some() {
        let now = clock.instant();
        let events = outage.look(newest(), now, config.after, &ways);
        for (way, event) in &events {
            let done = tell(&config, &host, *way, *event).await;
            outage.note(*way, *event, done, now);
        }
        if !events.is_empty() {
            let (file, told) = (file.clone(), outage.told().clone());
            drop(tokio::task::spawn_blocking(move || outage::save(&file, &told)).await);
        }
    }
}

impl Config {
    fn ways(&self) -> Vec<Way> {
        let syslog = self.syslog.is_some().then_some(Way::Syslog);
        let mail = (!self.mail_to.is_empty()).then_some(Way::Mail);
        syslog.into_iter().chain(mail).collect()
    }
}

/// Whether the way took it.
async fn tell(config: &Config, host: &HostId, way: Way, event: Event) -> bool {
    let (priority, subject, text) = words(host, event);
    let sent = match (way, &config.syslog) {
        (Way::Syslog, Some(path)) => syslog(path.clone(), priority, &text).await,
        (Way::Syslog, None) => Ok(()),
        (Way::Mail, _) => mail(config, &subject, &text).await,
    };
    outcome(way.name(), sent)
}

fn outcome(way: &'static str, sent: Result<(), NoticeError>) -> bool {
    match &sent {
        Ok(()) => tracing::info!(way, "the host's people are told about the collectors"),
        Err(error) => {
            let error = crate::chain(error);
            tracing::error!(way, error, "the host's people could not be told");
        }
    }
    sent.is_ok()
}

/// The subject has no diacritics: not every program shows them in a header.
fn words(host: &HostId, event: Event) -> (u8, String, String) {
    match event {
        Event::Begins(lasts) => {
            let minutes = lasts.as_secs().div_ceil(60);
            (
                BEGINS,
                format!("[KHAN CAP] {host}: khong may thu thap nao nhan bao cao"),
                format!(
                    "{host}: không máy thu thập Hải Đăng nào nhận báo cáo đã {minutes} phút; máy này đang không được \
                     giám sát. Kiểm tra mạng và máy thu thập. / No collector has taken reports for {minutes} min; this \
                     host is not watched. Check the network and the collectors."
                ),
            )
        }
        Event::Ends => (
            ENDS,
            format!("[DA KHAC PHUC] {host}: may thu thap nhan bao cao tro lai"),
            format!(
                "{host}: máy thu thập Hải Đăng đã nhận báo cáo trở lại; số liệu còn giữ đang được gửi bù. / A \
                 collector takes reports again; what was kept follows."
            ),
        ),
    }
}

/// As the C library's `syslog` writes to its socket, without a time of its own.
async fn syslog(path: PathBuf, priority: u8, text: &str) -> Result<(), NoticeError> {
    let message = format!("<{priority}>haidang-agent[{}]: {text}", std::process::id());
    let send = async {
        let socket = UnixDatagram::unbound()?;
        socket.connect(&path)?;
        socket.send(message.as_bytes()).await.map(drop)
    };
    // A syslog that hangs with a full queue would hold the datagram back for ever.
    let sent = tokio::time::timeout(LOOK, send).await;
    let sent = sent.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    sent.map_err(|source| NoticeError::Syslog { path, source })
}

async fn mail(config: &Config, subject: &str, text: &str) -> Result<(), NoticeError> {
    let path = || config.sendmail.clone();
    let message = format!(
        "To: {}\nSubject: {subject}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; \
         charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n",
        config.mail_to.join(", ")
    );
    let work = async {
        let mut process = Command::new(&config.sendmail)
            .args(["-i", "--"])
            .args(&config.mail_to)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = process.stdin.take() {
            // One that ends without reading says why with its exit code.
            drop(input.write_all(message.as_bytes()).await);
        }
        process.wait_with_output().await
    };
    let ended = tokio::time::timeout(SENDMAIL_TIME_MAX, work).await;
    let ended = ended.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let output = ended.map_err(|source| NoticeError::Sendmail { path: path(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).chars().take(200).collect::<String>();
    Err(NoticeError::Refused { path: path(), why: format!("{}: {}", output.status, said.trim()) })
}

#[cfg(test)]
pub(crate) mod tests;
