//! `node_netstat_*`: the protocol counters of the kernel, from `/proc/net/{netstat,snmp,snmp6}` (proc_net(5)).
//! Of several hundred those that node_exporter reports unless told otherwise.

use agent_model::Millis;

use super::metric_name::MetricName;
use super::proc_file::{ProcFile, ProcText};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

/// The protocols that name a line of `snmp6`, longest first: `UdpLite6InErrors` is of `UdpLite6`, not `Udp`.
const PROTOCOLS_6: [&str; 4] = ["UdpLite6", "Icmp6", "Udp6", "Ip6"];

pub struct Netstat {
    /// Two lines per protocol: names, then values.
    paired: [ProcFile; 2],
    /// One line per value.
    listed: ProcFile,
    name: MetricName,
}

impl Netstat {
    pub fn new(root: &HostRoot) -> Self {
        Self {
            paired: [
                ProcFile::new(root.proc.join("net/netstat")),
                ProcFile::new(root.proc.join("net/snmp")),
            ],
            listed: ProcFile::new(root.proc.join("net/snmp6")),
            name: MetricName::default(),
        }
    }
}

impl MetricSource for Netstat {
    fn name(&self) -> &'static str {
        "netstat"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for file in &mut self.paired {
            let Some(text) = file.read()? else { continue };
            read_paired(text, &mut self.name, out)?;
        }
        let Some(text) = self.listed.read()? else { return Ok(()) };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(word) = words.next() else { continue };
            let protocol = PROTOCOLS_6.iter().find(|protocol| word.starts_with(*protocol));
            let Some(protocol) = protocol else { continue };
            let field = &word[protocol.len()..];
            if is_reported(protocol, field) {
                let name = self.name.of(format_args!("node_netstat_{protocol}_{field}"));
                out.add(name, &[], text.number(words.next(), word)?);
            }
        }
        Ok(())
    }
}

fn read_paired(
    text: ProcText<'_>,
    name: &mut MetricName,
    out: &mut Reading,
) -> Result<(), SourceError> {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((protocol, names)), Some((same, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            return Err(text.malformed("protocol name"));
        };
        if protocol != same {
            return Err(text.malformed("line of values after its line of names"));
        }
        let mut values = values.split_ascii_whitespace();
        for field in names.split_ascii_whitespace() {
            let value = values.next();
            if is_reported(protocol, field) {
                let name = name.of(format_args!("node_netstat_{protocol}_{field}"));
                out.add(name, &[], text.number(value, field)?);
            }
        }
    }
    Ok(())
}

/// node_exporter's default, written out so that no pattern has to be run some hundred times a tick.
fn is_reported(protocol: &str, field: &str) -> bool {
    if matches!(field, "InErrors" | "InErrs") {
        return true;
    }
    match protocol {
        "Ip" => field == "Forwarding",
        "Ip6" | "IpExt" => matches!(field, "InOctets" | "OutOctets"),
        "Icmp" | "Icmp6" => matches!(field, "InMsgs" | "OutMsgs"),
        "TcpExt" => {
            field.starts_with("Listen")
                || field.starts_with("Syncookies")
                || matches!(field, "TCPSynRetrans" | "TCPTimeouts")
        }
        "Tcp" => matches!(
            field,
            "ActiveOpens"
                | "InSegs"
                | "OutSegs"
                | "OutRsts"
                | "PassiveOpens"
                | "RetransSegs"
                | "CurrEstab"
        ),
        "Udp" | "Udp6" => matches!(
            field,
            "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors"
        ),
        _ => false,
    }
}
