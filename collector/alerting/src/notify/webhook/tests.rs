//! Webhooks against receivers that really listen.
