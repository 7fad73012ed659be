//! What can go wrong in alerting, apart from files that people write (those yield `Problems`).

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum AlertingError {
    #[error("the alerting database {} cannot be opened", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error(
        "the alerting database {} was written by another version; upgrade the collector, or restore the \
         file from before",
        path.display()
    )]
    Format {
        path: PathBuf,
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    #[error(
        "{operation} in the alerting database failed; see that its disk has space and is writable"
    )]
    Database {
        operation: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("{what} in the alerting database cannot be read back: {reason}; restore the file")]
    Damaged { what: &'static str, reason: String },
    #[error("journal position {position} lies behind {reached}, which was already committed")]
    PositionBehind { position: u64, reached: u64 },
    #[error("the write to the alerting database was interrupted by the end of the process")]
    Interrupted,
    #[error("there is no open alert {0}; list the alerts to see their fingerprints")]
    AlertUnknown(String),
    #[error("that cannot be done to the alert: {0}")]
    DeedRefused(String),
    #[error("the swap is refused: {0}")]
    SwapRefused(String),
    #[error("there is no swap {0} to come; list who is on call to see their ids")]
    SwapUnknown(String),
    #[error("there is no silence {0}; list the silences to see their ids")]
    SilenceUnknown(String),
    #[error("the silence cannot be confirmed: {0}")]
    ConfirmationRefused(String),
    #[error("the silence is refused: {0}")]
    SilenceRefused(String),
    #[error("alerting.yml has no receiver {0:?}")]
    ReceiverUnknown(String),
    #[error("receiver {receiver:?} of alerting.yml does not have {integration}")]
    ChannelUnknown { receiver: String, integration: String },
    #[error("there is no dead letter {0}; list them to see their ids")]
    DeadLetterUnknown(String),
    #[error(transparent)]
    LinkRefused(#[from] crate::link::LinkRefused),
    #[error("it cannot be sent again: {0}")]
    ResendRefused(String),
    #[error("receiver {receiver} cannot be set up for sending")]
    Receiver {
        receiver: String,
        #[source]
        source: crate::SendError,
    },
}
