//! Alerting as the collector uses it: a real database, real webhooks over HTTP, a fake clock.

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod always_told;
#[cfg(test)]
mod bad_answers;
#[cfg(test)]
mod channel_tests;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod config;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod email;
#[cfg(test)]
mod escalation;
#[cfg(test)]
mod gateways;
#[cfg(test)]
mod handling;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod many_receivers;
#[cfg(test)]
mod on_call;
#[cfg(test)]
mod posted;
#[cfg(test)]
mod rate_limits;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod syslog;
#[cfg(test)]
mod timeline;
#[cfg(test)]
mod zalo;
