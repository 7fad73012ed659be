//! Which action each route is: to look there, and to change something there.
//! A vendor comes only to routes whose handlers keep to its scope: those of `SeeAlerts`, `HandleAlerts` and `Silence`.

use axum::http::Method;

use super::Action::{
    self, Administer, ConfirmSilences, HandleAlerts, OwnPassword, PostAlerts, ReadAudit, RunDrills,
    SeeAlerts, SeeAll, Silence, SwapDuty, TendChannels,
};

/// A route as it is declared, who may look there, and who may change something.
const ROUTES: &[(&str, Action, Action)] = &[
    ("/metrics", SeeAll, SeeAll),
    ("/federate", SeeAlerts, SeeAlerts),
    ("/-/reload", SeeAll, Administer),
    ("/api/overview", SeeAll, SeeAll),
    ("/api/status", SeeAll, SeeAll),
    ("/api/live", SeeAlerts, SeeAlerts),
    ("/api/events", SeeAll, SeeAll),
    ("/api/backups", SeeAll, SeeAll),
    ("/api/hosts", SeeAlerts, SeeAlerts),
    ("/api/hosts/{id}", SeeAlerts, SeeAlerts),
    ("/api/hosts/{id}/revoke", Administer, Administer),
    ("/api/tokens", Administer, Administer),
    ("/api/users", Administer, Administer),
    ("/api/users/{name}", Administer, Administer),
    ("/api/users/{name}/enable", Administer, Administer),
    ("/api/users/{name}/role", Administer, Administer),
    // Another's is an administrator's, see there.
    ("/api/users/{name}/password", OwnPassword, OwnPassword),
    ("/api/api-tokens", Administer, Administer),
    ("/api/api-tokens/{name}", Administer, Administer),
    ("/api/audit", ReadAudit, ReadAudit),
    ("/api/audit/verify", ReadAudit, ReadAudit),
    ("/api/alerts", SeeAlerts, SeeAlerts),
    ("/api/alerts/{fingerprint}", SeeAlerts, SeeAlerts),
    ("/api/alerts/{fingerprint}/acknowledge", HandleAlerts, HandleAlerts),
    ("/api/alerts/{fingerprint}/give-back", HandleAlerts, HandleAlerts),
    ("/api/alerts/{fingerprint}/assign", HandleAlerts, HandleAlerts),
    ("/api/alerts/{fingerprint}/comment", HandleAlerts, HandleAlerts),
    ("/api/alerts/{fingerprint}/put-off", Silence, Silence),
    ("/api/history/lives", SeeAlerts, SeeAlerts),
    ("/api/history/summary", SeeAlerts, SeeAlerts),
    ("/api/history/lives/{fingerprint}/{fired_at_ms}", SeeAlerts, SeeAlerts),
    ("/api/history/budget", SeeAll, SeeAll),
    ("/api/silences", SeeAlerts, Silence),
    ("/api/silences/{id}", SeeAlerts, Silence),
    ("/api/silences/{id}/extend", Silence, Silence),
    ("/api/silences/{id}/confirm", ConfirmSilences, ConfirmSilences),
    ("/api/on-call", SeeAll, SeeAll),
    ("/api/on-call/swaps", SwapDuty, SwapDuty),
    ("/api/on-call/swaps/{id}", SwapDuty, SwapDuty),
    ("/api/notifications", SeeAll, SeeAll),
    ("/api/channels", SeeAll, SeeAll),
    ("/api/receivers/{name}/test", TendChannels, TendChannels),
    ("/api/dead-letters", SeeAll, SeeAll),
    ("/api/dead-letters/{id}/resend", TendChannels, TendChannels),
    ("/api/dead-letters/{id}/dismiss", TendChannels, TendChannels),
    ("/api/drills", SeeAll, SeeAll),
    ("/api/drills/{plan}/start", RunDrills, RunDrills),
    ("/api/drill-runs/{drill}", SeeAll, SeeAll),
    ("/api/drill-runs/{drill}/steps/{step}", RunDrills, RunDrills),
    ("/api/drill-runs/{drill}/abort", RunDrills, RunDrills),
    ("/api/drill-runs/{drill}/minutes", SeeAll, SeeAll),
    ("/api/v1/query", SeeAlerts, SeeAlerts),
    ("/api/v1/query_range", SeeAlerts, SeeAlerts),
    ("/api/v1/series", SeeAlerts, SeeAlerts),
    ("/api/v1/labels", SeeAlerts, SeeAlerts),
    ("/api/v1/label/{name}/values", SeeAlerts, SeeAlerts),
    ("/api/v1/query_exemplars", SeeAll, SeeAll),
    ("/api/v1/format_query", SeeAll, SeeAll),
    ("/api/v1/parse_query", SeeAll, SeeAll),
    ("/api/v1/metadata", SeeAll, SeeAll),
    ("/api/v1/rules", SeeAll, SeeAll),
    ("/api/v1/alerts", SeeAll, SeeAll),
    ("/api/v1/targets", SeeAll, SeeAll),
    ("/api/v1/targets/metadata", SeeAll, SeeAll),
    ("/api/v1/scrape_pools", SeeAll, SeeAll),
    ("/api/v1/status/buildinfo", SeeAll, SeeAll),
    ("/api/v1/status/config", SeeAll, SeeAll),
    ("/api/v1/status/flags", SeeAll, SeeAll),
    ("/api/v1/status/runtimeinfo", SeeAll, SeeAll),
    ("/api/v1/status/tsdb", SeeAll, SeeAll),
    ("/api/v1/admin/tsdb/delete_series", Administer, Administer),
    ("/api/v1/admin/tsdb/clean_tombstones", Administer, Administer),
    ("/api/v2/status", SeeAll, SeeAll),
    ("/api/v2/receivers", SeeAll, SeeAll),
    ("/api/v2/alerts", SeeAlerts, PostAlerts),
    ("/api/v2/alerts/groups", SeeAlerts, SeeAlerts),
    ("/api/v2/silences", SeeAlerts, Silence),
    ("/api/v2/silence/{id}", SeeAlerts, Silence),
    // There is nothing else, as Alertmanager says it.
    ("/api/v2/{*rest}", SeeAll, SeeAll),
];

/// What a request to a route is; `None` for one that does not stand here.
pub(in crate::http) fn action(method: &Method, route: &str) -> Option<Action> {
    let (_, look, change) = ROUTES.iter().find(|(path, ..)| *path == route)?;
    Some(if matches!(*method, Method::GET | Method::HEAD) { *look } else { *change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_and_changing_are_two_things_and_what_does_not_stand_here_is_nothing() {
        assert_eq!(action(&Method::GET, "/api/silences"), Some(SeeAlerts));
        assert_eq!(action(&Method::POST, "/api/silences"), Some(Silence));
        assert_eq!(action(&Method::GET, "/api/v1/rules"), Some(SeeAll));
        assert_eq!(action(&Method::GET, "/api/new"), None);
        let twice = ROUTES
            .iter()
            .filter(|(path, ..)| ROUTES.iter().filter(|(other, ..)| other == path).count() > 1);
        assert_eq!(twice.count(), 0);
    }
}
