//! Alerting: pending, firing, resolved; route, group, silence, send until delivered.
