//! Remarks on the ways to people: a mail server that is watched here cannot be the only one, because when it fails nobody is told.
//! Pure. A mail server is taken for watched when a host, a service or a probe of `inventory.yml` has its name.

use std::collections::BTreeSet;

use agent_model::Labels;
use collector_alerting::{Channel, Receiver, Routing};
use collector_inventory::InventoryConfig;

/// What is wrong with the ways of critical alerts; empty when nothing is.
pub fn remarks(routing: &Routing, inventory: &InventoryConfig) -> Vec<String> {
    let labels = Labels::new([("alertname", "ServiceDown"), ("severity", "critical")]);
    let told = routing.receiver_names(&labels);
    let receivers: Vec<&Receiver> =
        routing.receivers().iter().filter(|one| told.contains(&one.name)).collect();
    let Some(servers) = only_mail(&receivers) else { return Vec::new() };
    let [server] = servers.iter().collect::<Vec<_>>()[..] else { return Vec::new() };
    let Some(what) = watched_as(server, inventory) else { return Vec::new() };
    let names: Vec<&str> = told.iter().map(AsRef::as_ref).collect();
    vec![format!(
        "alerting.yml: critical alerts (receivers {}) go out by the mail server {server} only, which is watched here as {what}: \
         when it fails nobody is told; give them a second way, for example a webhook, or a mail server elsewhere",
        names.join(", ")
    )]
}

/// The mail servers, when mail is all there is.
fn only_mail(receivers: &[&Receiver]) -> Option<BTreeSet<String>> {
    let mut servers = BTreeSet::new();
    for integration in receivers.iter().flat_map(|receiver| &receiver.integrations) {
        match &integration.channel {
            Channel::Email(channel) => {
                servers.insert(channel.host.trim_end_matches('.').to_ascii_lowercase());
            }
            _ => return None,
        }
    }
    Some(servers)
}

fn watched_as(server: &str, inventory: &InventoryConfig) -> Option<String> {
    let short = server.split('.').next().unwrap_or(server);
    let is_named =
        |name: &str| name.eq_ignore_ascii_case(server) || name.eq_ignore_ascii_case(short);
    if let Some(place) = inventory.hosts.iter().find(|place| is_named(place.host.as_str())) {
        return Some(format!("host {}", place.host));
    }
    for (id, service) in &inventory.services {
        if is_named(id) {
            return Some(format!("service {id}"));
        }
        if let Some(probe) = service.probes.iter().find(|probe| is_named(probe)) {
            return Some(format!("probe {probe} of service {id}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found(alerting: &str, inventory: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("inventory.yml");
        std::fs::write(&file, inventory).unwrap();
        let inventory = InventoryConfig::load(&file).unwrap_or_else(|wrong| panic!("{wrong}"));
        let routing = Routing::parse(Path::new("alerting.yml"), alerting);
        remarks(&routing.unwrap_or_else(|wrong| panic!("{wrong}")), &inventory)
    }

    fn alerting(critical: &str) -> String {
        format!(
            "
global: {{smtp_smarthost: 'mail01.tinh.example:587', smtp_from: 'a@tinh.example'}}
route:
  receiver: ops
  routes: [{{receiver: duty, matchers: ['severity=\"critical\"']}}]
receivers:
  - {{name: ops, webhook_configs: [{{url: 'http://127.0.0.1:9/'}}]}}
  - name: duty
    email_configs: [{{to: b@tinh.example}}]
{critical}"
        )
    }

    fn inventory(host: &str, service: &str) -> String {
        format!(
            "
sites: [{{id: dc1, name: A, type: datacenter}}]
hosts: [{{id: {host}, site: dc1}}]
services: [{{id: {service}, name: B, hosts: [{host}], probes: [probe-1]}}]
"
        )
    }

    #[test]
    fn a_watched_mail_server_that_is_the_only_way_is_remarked_on() {
        let told = found(&alerting(""), &inventory("mail01", "web"));
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("receivers duty"), "{told:?}");
        assert!(told[0].contains("mail01.tinh.example only, which is watched here as host mail01"));
        let told = found(&alerting(""), &inventory("srv1", "mail01"));
        assert!(told[0].contains("service mail01"), "{told:?}");
    }

    #[test]
    fn a_second_way_or_a_server_elsewhere_is_in_order() {
        let second = "    webhook_configs: [{url: 'http://127.0.0.1:9/'}]\n";
        assert!(found(&alerting(second), &inventory("mail01", "web")).is_empty());
        assert!(found(&alerting(""), &inventory("srv1", "web")).is_empty());
        let other = "    # another\n  - name: more\n    email_configs: [{to: c@d.example, smarthost: 'relay.example:25'}]\n";
        assert_eq!(
            found(&alerting(other), &inventory("mail01", "web")).len(),
            1,
            "not a receiver of these"
        );
    }
}
