//! What the stories share: the real binaries in a directory of their own, a webhook that remembers, small disks, a fleet of
//! simulated agents, deadlines.
//!
//! Promises: a story that waits says for what, and fails at its deadline with the daemons' log; nothing is left running.
//! Leaves to others: the stories themselves (`tests/stories/`), one a file.

pub mod alertmanager;
pub mod chance;
pub mod chats;
pub mod deadline;
pub mod exporter;
pub mod fleet;
pub mod house;
pub mod load;
pub mod logins;
pub mod lone_agent;
pub mod lossy;
pub mod machine;
pub mod mounted;
pub mod outsider;
pub mod prometheus;
pub mod receiver;
pub mod restic;
pub mod second_host;
pub mod ticks;
pub mod webhook;
