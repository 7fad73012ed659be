//! The event store: security events by day, searchable.
//!
//! One index per day of receipt (UTC). Promises: after a crash everything up to `position()` is there, and an event
//! that is appended again is kept once; a damaged day is set aside and named while the others are served; a page
//! says which days it could not read. Leaves to others: what an event means, and when to commit.

mod collect;
mod day;
mod days;
mod document;
mod error;
mod fold;
mod page;
mod query;
mod search;
mod store;
mod writer;

pub use day::Day;
pub use days::SetAside;
pub use error::EventStoreError;
pub use fold::fold;
pub use page::{Bucket, EventPage, TopValue};
pub use query::{Cursor, EventQuery, LIMIT_MAX, QueryError, WORDS_MAX};
pub use search::{BUCKETS_MAX, TOP_VALUES_MAX};
pub use store::{EventStore, EventStoreConfig, UNCOMMITTED_MAX};
pub use writer::{Appended, Arrived};
