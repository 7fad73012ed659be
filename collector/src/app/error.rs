//! Why the collector does not start, or ends by itself.
//! Leaves to others: what single parts do about their own failures while they run.

use agent_model::Problems;

use crate::authority::AuthorityError;
use crate::feed::FeedError;
use crate::outward::OutwardError;
use crate::snapshot::SnapshotError;
use crate::stores::StoresError;
use crate::tls::TlsError;
use crate::token;

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("the configuration cannot be used:\n{0}")]
    Config(Problems),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Stores(#[from] StoresError),
    #[error(transparent)]
    Outward(#[from] OutwardError),
    #[error(transparent)]
    Restored(#[from] SnapshotError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Random(#[from] token::RandomError),
    #[error("the collector's own metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    #[error("the collector's own name is not valid")]
    Name(#[from] agent_model::HostIdError),
    #[error("cannot listen on {address} for {what}; is it taken by another program?")]
    Listen {
        what: &'static str,
        address: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the HTTP client for the probes of drills cannot be made")]
    Probes(#[from] reqwest::Error),
    #[error("the signal for a reload, SIGHUP, cannot be waited for")]
    Signal(#[from] std::io::Error),
    #[error("the journal can no longer be read")]
    Feed(#[from] FeedError),
    #[error("a part of the collector broke off")]
    Part(#[from] tokio::task::JoinError),
}
