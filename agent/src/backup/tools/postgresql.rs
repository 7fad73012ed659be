//! What a PostgreSQL server holds beyond itself: as a standby the replica that it is, as a primary the WAL it archived.
//! Promises: read-only (one `SELECT` through `psql`, as a member of `pg_monitor`); no passwords but those of libpq's own
//! file. A replica is as fresh as the primary's last message, when all WAL that the message names is replayed: so an
//! idle primary is no lag, and a cut link is no freshness, although received and replayed WAL are then equal too.
//! An archive is as fresh as its last segment: whether later WAL holds a commit or only the server's own notes cannot be
//! asked, so a primary that nobody writes to seems to age. A server in the other role is an error: after a failover its old role's copies are no more.

use agent_model::{CopyEntry, Millis};
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::command::Program;
use super::super::config::{Common, Entry, Host, Wrong, absolute, time_limit};
use super::{Found, Tool};

/// A server whose replica or archive counts as the copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub job: At<String>,
    pub role: Role,
    /// As libpq takes it: `host=/var/run/postgresql user=haidang dbname=postgres`.
    pub connection: At<String>,
    /// libpq's own file of passwords (`PGPASSFILE`).
    #[deserr(default)]
    pub password_file: Option<At<String>>,
    #[deserr(default = Length::from_secs(60))]
    pub interval: Length,
    #[deserr(default = Length::from_secs(30))]
    pub timeout: Length,
    #[deserr(default = "psql".to_owned())]
    pub program: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr)]
#[deserr(rename_all = lowercase)]
pub enum Role {
    /// The replica here is the copy.
    Standby,
    /// The archive of WAL is the copy.
    Primary,
}

/// One server in the role that it should have.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    program: Program,
    connection: String,
    role: Role,
}

#[derive(Deserialize)]
struct Standby {
    /// As text: it is larger than what a float holds.
    system_id: String,
    in_recovery: bool,
    replayed_lsn: Option<String>,
    /// The last commit that was replayed.
    replayed_ms: Option<Millis>,
    receiver: Option<Receiver>,
}

#[derive(Deserialize)]
struct Receiver {
    /// `None` for a user who may not see it.
    status: Option<String>,
    /// The primary's clock in its last message.
    sent_ms: Option<Millis>,
    /// All WAL that the message named is replayed.
    caught_up: Option<bool>,
}

const STANDBY: &str = "
SELECT json_build_object(
    'system_id', (SELECT system_identifier::text FROM pg_control_system()),
    'in_recovery', pg_is_in_recovery(),
    'replayed_lsn', pg_last_wal_replay_lsn()::text,
    'replayed_ms', floor(extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000)::bigint,
    'receiver', (SELECT json_build_object(
        'status', status,
        'sent_ms', floor(extract(epoch FROM last_msg_send_time) * 1000)::bigint,
        'caught_up', pg_last_wal_replay_lsn() >= latest_end_lsn)
        FROM pg_stat_wal_receiver))";

#[derive(Deserialize)]
struct Primary {
    system_id: String,
    in_recovery: bool,
    archive_mode: String,
    archived_ms: Option<Millis>,
    archived_wal: Option<String>,
    failed_ms: Option<Millis>,
    failed_wal: Option<String>,
}

const PRIMARY: &str = "
SELECT json_build_object(
    'system_id', (SELECT system_identifier::text FROM pg_control_system()),
    'in_recovery', pg_is_in_recovery(),
    'archive_mode', current_setting('archive_mode'),
    'archived_ms', floor(extract(epoch FROM last_archived_time) * 1000)::bigint,
    'archived_wal', last_archived_wal,
    'failed_ms', floor(extract(epoch FROM last_failed_time) * 1000)::bigint,
    'failed_wal', last_failed_wal)
FROM pg_stat_archiver";

impl Entry for Config {
    fn common(&self) -> Common<'_> {
        let Self { job, connection, interval, .. } = self;
        let place = connection.value.clone();
        Common { job, place, interval: *interval, depths: &[], verify: None }
    }

    fn check(&self, wrong: &mut Wrong<'_>) {
        let connection = &self.connection.value;
        if connection.contains("://") || !connection.contains('=') {
            wrong(&self.connection, "write the connection as host=… user=… dbname=…".to_owned());
        }
        if connection.contains("password") {
            let message = "a password does not belong here: give password_file, as libpq reads it";
            wrong(&self.connection, message.to_owned());
        }
        if let Some(file) = &self.password_file {
            absolute("password file", file, wrong);
        }
        time_limit(&self.job, self.timeout, wrong);
    }

    fn tool(&self, _host: &Host<'_>) -> Tool {
        let mut program = Program::new(&self.program, self.timeout.0);
        if let Some(file) = &self.password_file {
            program.environment.push(("PGPASSFILE", file.value.clone()));
        }
        let connection = self.connection.value.clone();
        Tool::Postgresql(Server { program, connection, role: self.role })
    }
}

impl Server {
    pub(super) fn location(&self) -> String {
        self.connection.clone()
    }

    pub(super) async fn look(&self) -> Result<Vec<Found>, String> {
        match self.role {
            Role::Standby => self.ask::<Standby>(STANDBY).await?.found(),
            Role::Primary => self.ask::<Primary>(PRIMARY).await?.found(),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, query: &str) -> Result<T, String> {
        let arguments = ["-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", &self.connection, "-c", query];
        let output = self.program.ask(&arguments).await?;
        serde_json::from_slice(&output)
            .map_err(|error| format!("what psql tells cannot be understood: {error}"))
    }
}

impl Standby {
    fn found(self) -> Result<Vec<Found>, String> {
        if !self.in_recovery {
            return Err("the server is no standby: it was promoted, or never was one".to_owned());
        }
        let receiver = self.receiver.ok_or(
            "no WAL receiver runs: the link to the primary is cut, what was replayed grows old",
        )?;
        match receiver.status.as_deref() {
            Some("streaming") => {}
            Some(status) => return Err(format!("the WAL receiver is {status:?}, not streaming")),
            None => {
                return Err("the user may not see the WAL receiver: GRANT pg_monitor".to_owned());
            }
        }
        let caught_up = receiver.caught_up == Some(true);
        let consistent_ms = if caught_up { receiver.sent_ms } else { self.replayed_ms };
        let content_id = format!("{}:{}", self.system_id, self.replayed_lsn.unwrap_or_default());
        let made_ms = consistent_ms.ok_or("nothing has been replayed since the standby started")?;
        Ok(vec![Found { made_ms, entry: CopyEntry { content_id, consistent_ms, bytes: None } }])
    }
}

impl Primary {
    fn found(self) -> Result<Vec<Found>, String> {
        if self.in_recovery {
            return Err(
                "the server is no primary: it is in recovery and archives nothing".to_owned()
            );
        }
        if self.archive_mode == "off" {
            return Err("the server archives nothing: archive_mode is off".to_owned());
        }
        if self.failed_ms > self.archived_ms {
            let segment = self.failed_wal.unwrap_or_default();
            return Err(format!(
                "archiving {segment} fails: archive_command says why in the server's log"
            ));
        }
        let (Some(archived_ms), Some(archived_wal)) = (self.archived_ms, self.archived_wal) else {
            return Ok(Vec::new());
        };
        let content_id = format!("{}:{archived_wal}", self.system_id);
        let consistent_ms = Some(archived_ms);
        let entry = CopyEntry { content_id, consistent_ms, bytes: None };
        Ok(vec![Found { made_ms: archived_ms, entry }])
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::format::postgresql_program;
    use super::super::test_servers::Postgres;
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    fn at(server: &Postgres, port: &str, role: Role) -> Server {
        let program = Program::new(&postgresql_program("psql"), DEADLINE);
        let connection = format!(
            "host={} port={port} user=postgres dbname=postgres",
            server.dir.path().display()
        );
        Server { program, connection, role }
    }

    /// Looks until the look is as expected.
    async fn until(
        server: &Server,
        expected: impl Fn(&Result<Vec<Found>, String>) -> bool,
    ) -> Result<Vec<Found>, String> {
        #[allow(clippy::disallowed_methods, reason = "a deadline of a test")]
        let started = Instant::now();
        loop {
            let look = server.look().await;
            if expected(&look) {
                return look;
            }
            assert!(started.elapsed() < DEADLINE, "{look:?}");
        }
    }

    #[tokio::test]
    async fn an_idle_primary_is_no_lag_and_a_cut_link_is_no_freshness() {
        let server = Postgres::start("wal_sender_timeout = '2s'\n");
        let to = ["-h", "{dir}", "-p", "5432", "-U", "postgres", "-D", "{dir}/standby", "-R"];
        server.run("pg_basebackup", &[&to[..], &["-c", "fast"]].concat());
        server.configure("standby", "port = 5433");
        server.start_data("standby");
        let (primary, standby) =
            (at(&server, "5432", Role::Standby), at(&server, "5433", Role::Standby));
        let wrong = primary.look().await.unwrap_err();
        assert!(wrong.contains("no standby"), "{wrong}");
        let wrong = at(&server, "5433", Role::Primary).look().await.unwrap_err();
        assert!(wrong.contains("no primary"), "{wrong}");

        let commit =
            "create table t(); select floor(extract(epoch from clock_timestamp()) * 1000)::bigint";
        let committed_ms: Millis = server.sql("5432", commit).parse().unwrap();
        // Nothing is written for a second and more, and the replica is as fresh as the last message.
        let is_fresh = |look: &Result<Vec<Found>, String>| {
            let consistent_ms = look.as_ref().ok().and_then(|found| found[0].entry.consistent_ms);
            consistent_ms.is_some_and(|at| at > committed_ms + 1_000)
        };
        let fresh = until(&standby, is_fresh).await.unwrap();
        let system_id = server.sql("5432", "select system_identifier from pg_control_system()");
        assert!(fresh[0].entry.content_id.starts_with(&system_id), "{fresh:?}");

        let mut watcher = standby.clone();
        watcher.connection = standby.connection.replace("user=postgres", "user=watcher");
        server.sql("5432", "create user watcher");
        let hidden =
            until(&watcher, |look| look.as_ref().is_err_and(|error| error.contains("pg_monitor")));
        hidden.await.unwrap_err();
        server.sql("5432", "grant pg_monitor to watcher");
        until(&watcher, Result::is_ok).await.unwrap();

        server.sql("5433", "alter system set primary_conninfo = ''");
        server.sql("5433", "select pg_reload_conf()");
        let cut = until(&standby, Result::is_err).await.unwrap_err();
        assert!(cut.contains("no WAL receiver"), "{cut}");
        let equal = "select pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()";
        assert_eq!(server.sql("5433", equal), "t", "which would read as no lag");
    }

    #[tokio::test]
    async fn an_archive_is_as_fresh_as_its_last_segment_and_one_that_fails_is_told() {
        let server = Postgres::start(
            "archive_mode = on\narchive_command = 'test ! -e {dir}/full && cp %p {dir}/%f'\n",
        );
        let archive = at(&server, "5432", Role::Primary);
        assert_eq!(archive.look().await, Ok(Vec::new()));
        server.sql("5432", "create table t()");
        server.sql("5432", "select pg_switch_wal()");
        let has_copy =
            |look: &Result<Vec<Found>, String>| look.as_ref().is_ok_and(|found| !found.is_empty());
        let seen = until(&archive, has_copy).await.unwrap();
        assert_eq!(seen[0].entry.consistent_ms, Some(seen[0].made_ms));
        assert!(seen[0].entry.content_id.ends_with(":000000010000000000000001"), "{seen:?}");
        std::fs::write(server.path("full"), "").unwrap();
        server.sql("5432", "create table u()");
        server.sql("5432", "select pg_switch_wal()");
        let failing = until(&archive, Result::is_err).await.unwrap_err();
        assert!(failing.contains("archiving 000000010000000000000002 fails"), "{failing}");
    }
}
