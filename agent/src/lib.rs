//! The agent: one small program per host that measures, keeps and sends.
