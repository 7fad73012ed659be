//! What can go wrong with the inventory: which operation, on what.
//! Refusals that are answers (a used token, a taken name) have their own types beside their operation.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("the inventory {path} cannot be opened; check that its directory exists and is writable", path = .path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error(
        "the inventory {path} has format {found}, this program knows up to {known}; run the newer program that wrote it, or restore the snapshot made before the upgrade",
        path = .path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the inventory {path} cannot be brought to the present format", path = .path.display())]
    Upgrade { path: PathBuf, source: sqlx::migrate::MigrateError },
    #[error("the inventory cannot {operation}")]
    Sql { operation: &'static str, source: sqlx::Error },
    #[error("the inventory holds {what} that cannot be read: {value:?}")]
    Damaged { what: &'static str, value: String },
    #[error("the system gives no random bytes for a secret")]
    Random(#[source] getrandom::Error),
}

/// Names the operation in which a statement failed: `.map_err(sql("list hosts"))`.
pub(crate) fn sql(operation: &'static str) -> impl Fn(sqlx::Error) -> InventoryError {
    move |source| InventoryError::Sql { operation, source }
}

pub(crate) fn damaged(what: &'static str, value: impl ToString) -> InventoryError {
    InventoryError::Damaged { what, value: value.to_string() }
}
