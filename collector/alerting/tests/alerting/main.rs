//! Alerting as the collector uses it: a real database, real webhooks over HTTP, a fake clock.
#![cfg(test)]

mod acceptance;
mod always_told;
mod bad_answers;
mod channel_tests;
mod chat;
mod clock;
mod config;
mod dead_letters;
mod delivery;
mod email;
mod escalation;
mod gateways;
mod handling;
mod harness;
mod kill;
mod limits;
mod links;
mod lives;
mod many_receivers;
mod on_call;
mod posted;
mod rate_limits;
mod restart;
mod rsyslog;
mod severity;
mod smpp;
mod storm;
mod syslog;
mod timeline;
mod upgrade;
mod zalo;
