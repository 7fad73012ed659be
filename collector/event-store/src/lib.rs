//! The event store: security events by day, searchable.
