//! Alertmanager's flags: what each means here, which do nothing, and which are refused with what to do instead.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use agent_yaml::Duration;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::StandaloneError;

/// Alertmanager's flags. Those that have no meaning here are taken and do nothing.
#[derive(Args, Debug)]
pub struct Flags {
    /// The routing of alerts, in Alertmanager's format.
    #[arg(long = "config.file", default_value = "alertmanager.yml")]
    pub(super) config_file: PathBuf,
    /// Where alerts, silences and notifications are kept.
    #[arg(long = "storage.path", default_value = "data/")]
    pub(super) storage_path: PathBuf,
    /// How long silences are shown after their end.
    #[arg(long = "data.retention", default_value = "120h", value_parser = duration)]
    pub(super) data_retention: Duration,
    /// Address to listen on; may be given more than once. Without a host it is every address of this machine.
    #[arg(long = "web.listen-address", default_value = ":9093")]
    pub(super) web_listen_address: Vec<String>,
    /// Where people reach this server, for links in notifications.
    #[arg(long = "web.external-url", default_value = "")]
    pub(super) web_external_url: String,
    /// What every path begins with; by default the path of the external URL.
    #[arg(long = "web.route-prefix")]
    pub(super) web_route_prefix: Option<String>,
    /// Least grave log lines that are written.
    #[arg(long = "log.level", default_value = "info", value_parser = ["debug", "info", "warn", "error"])]
    pub(super) log_level: String,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    refused: Refused,
    #[command(flatten)]
    without_meaning: WithoutMeaning,
}

/// A cluster's flags: peers are refused.
#[derive(Args, Debug)]
struct Cluster {
    /// Taken; nothing listens there, because there is no cluster.
    #[arg(long = "cluster.listen-address", default_value = "", hide = true)]
    listen_address: String,
    /// Refused: there is no cluster.
    #[arg(long = "cluster.peer", hide = true)]
    peer: Vec<String>,
}

/// Flags of Alertmanager that would be dangerous to pass over: each is refused with what to do instead.
#[derive(Args, Debug)]
struct Refused {
    #[arg(long = "web.systemd-socket", hide = true)]
    systemd_socket: bool,
    #[arg(long = "web.config.file", hide = true)]
    web_config_file: Option<String>,
}

/// Flags of Alertmanager that change nothing here, each with a value.
const WITHOUT_MEANING: &[&str] = &[
    "log.format",
    "alerts.gc-interval",
    "data.maintenance-interval",
    "web.get-concurrency",
    "web.timeout",
    "enable-feature",
    "cluster.advertise-address",
    "cluster.peer-timeout",
    "cluster.peer-name",
    "cluster.peers-resolve-timeout",
    "cluster.gossip-interval",
    "cluster.pushpull-interval",
    "cluster.tcp-timeout",
    "cluster.probe-timeout",
    "cluster.probe-interval",
    "cluster.settle-timeout",
    "cluster.reconnect-interval",
    "cluster.reconnect-timeout",
    "cluster.label",
    "cluster.tls-config",
    "silences.max-silences",
    "silences.max-per-silence-bytes",
];

/// One that stands alone or has a value behind `=`.
const WITHOUT_MEANING_ALONE: &str = "cluster.allow-insecure-public-advertise-address-discovery";

/// Those of them that were given.
#[derive(Debug)]
struct WithoutMeaning(Vec<&'static str>);

impl Args for WithoutMeaning {
    fn augment_args(command: Command) -> Command {
        let hidden = |name: &'static str| Arg::new(name).long(name).hide(true);
        let alone = hidden(WITHOUT_MEANING_ALONE).num_args(0..=1).require_equals(true);
        command.args(WITHOUT_MEANING.iter().map(|name| hidden(name))).arg(alone)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for WithoutMeaning {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let all = WITHOUT_MEANING.iter().copied().chain([WITHOUT_MEANING_ALONE]);
        Ok(Self(all.filter(|name| matches.contains_id(name)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::parse(text)
}

impl Flags {
    /// What is logged, for whoever starts the log: more than `info` of our own parts only, because the database's
    /// statements would bury it.
    pub fn log_filter(&self) -> &str {
        match self.log_level.as_str() {
            "debug" => "info,collector=debug,collector_alerting=debug",
            level => level,
        }
    }

    /// What cannot be meant as it was given.
    pub(super) fn check(&self) -> Result<(), StandaloneError> {
        let refused = |text: &str| Err(StandaloneError::Flags(text.to_owned()));
        if !self.cluster.peer.is_empty() {
            return refused(
                "--cluster.peer: there is no cluster here, so its peers would not hear of each other's \
                 silences and notifications; leave the flag out and let senders know one server",
            );
        }
        let external = self.web_external_url.as_str();
        if !(external.is_empty()
            || ["http://", "https://"].iter().any(|scheme| external.starts_with(scheme)))
        {
            return refused("--web.external-url: it begins with http:// or https://");
        }
        if self.refused.systemd_socket {
            return refused(
                "--web.systemd-socket: sockets of systemd are not taken over; give the address to \
                 --web.listen-address",
            );
        }
        if self.refused.web_config_file.is_some() {
            return refused(
                "--web.config.file: there is neither TLS nor sign-in here, and who reaches the port may \
                 silence every alert; listen on 127.0.0.1 behind a proxy, or use the collector, which has both",
            );
        }
        Ok(())
    }

    /// Says which of the flags that were given do nothing.
    pub(super) fn say_what_has_no_meaning(&self) {
        for flag in &self.without_meaning.0 {
            tracing::warn!(
                "--{flag} does nothing: there is no cluster here, and every bound is our own"
            );
        }
    }

    pub(super) fn addresses(&self) -> Result<Vec<SocketAddr>, StandaloneError> {
        self.web_listen_address.iter().map(|text| address(text)).collect()
    }

    pub(super) fn external_url(&self, addresses: &[SocketAddr]) -> String {
        if !self.web_external_url.is_empty() {
            return self.web_external_url.trim_end_matches('/').to_owned();
        }
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let port = addresses.first().map_or(9093, SocketAddr::port);
        format!("http://{}:{port}", host.unwrap_or_else(|| "localhost".to_owned()))
    }

    /// Without slashes around; empty for none.
    pub(super) fn prefix(&self) -> String {
        let of_url = || {
            let url = reqwest::Url::parse(&self.web_external_url).ok();
            url.map(|url| url.path().to_owned()).unwrap_or_default()
        };
        let prefix = self.web_route_prefix.clone().unwrap_or_else(of_url);
        prefix.trim_matches('/').to_owned()
    }
}

/// `host:port`, or `:port` for every address.
fn address(text: &str) -> Result<SocketAddr, StandaloneError> {
    let wrong =
        || StandaloneError::Flags(format!("--web.listen-address: {text:?} is not host:port"));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let ip = match host.trim_matches(['[', ']']) {
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        host => host.parse().map_err(|_| wrong())?,
    };
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        flags: Flags,
    }

    fn said(flags: &[&str]) -> String {
        let given = ["alertmanager"].iter().chain(flags);
        let cli = match Cli::try_parse_from(given) {
            Ok(cli) => cli,
            Err(unknown) => return unknown.to_string(),
        };
        cli.flags.check().err().map(|refused| refused.to_string()).unwrap_or_default()
    }

    #[test]
    fn flags_of_alertmanager_are_taken_or_refused_with_what_to_do() {
        for taken in [
            "--cluster.tls-config=tls.yml",
            "--cluster.allow-insecure-public-advertise-address-discovery",
            "--cluster.allow-insecure-public-advertise-address-discovery=false",
            "--silences.max-silences=10",
            "--cluster.listen-address=0.0.0.0:9094",
            "--alerts.gc-interval=30m",
        ] {
            assert_eq!(said(&[taken]), "", "{taken}");
        }
        for (refused, instead) in [
            ("--web.systemd-socket", "give the address to --web.listen-address"),
            ("--web.config.file=web.yml", "listen on 127.0.0.1 behind a proxy"),
            ("--cluster.peer=a:9094", "let senders know one server"),
            ("--web.external-url=host/am", "it begins with http:// or https://"),
        ] {
            assert!(said(&[refused]).contains(instead), "{}", said(&[refused]));
        }
        let given = ["alertmanager", "--cluster.label=a", "--log.format=json"];
        let flags = Cli::try_parse_from(given).unwrap_or_else(|error| panic!("{error}")).flags;
        assert_eq!(flags.without_meaning.0, ["log.format", "cluster.label"]);
    }
}
