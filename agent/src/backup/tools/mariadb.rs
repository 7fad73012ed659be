//! A replica of MariaDB as a copy, as `SHOW ALL SLAVES STATUS` tells it through the `mariadb` client.
//! Promises: read-only; the password is in the client's own file. A thread that does not run is an error with the server's
//! reason: what was replayed then grows old, and "0 seconds behind" would be said of it. A link that is cut without a
//! word is noticed after `slave_net_timeout` only, so a replica counts as so much older than it says.

use agent_model::{CopyEntry, Millis};
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;

use super::super::command::Program;
use super::super::config::{Common, Entry, Host, Wrong, absolute, time_limit};
use super::{Found, Tool};

const QUERY: &str = "SHOW ALL SLAVES STATUS; SELECT @@slave_net_timeout AS net_timeout_s, \
    FLOOR(UNIX_TIMESTAMP(NOW(3)) * 1000) AS now_ms";

/// A server whose replica counts as the copy of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub job: At<String>,
    /// Which server it is, in people's words.
    pub location: At<String>,
    /// An option file of the client: `[client]` with socket or host, user and password. The user needs SLAVE MONITOR.
    pub defaults_file: At<String>,
    #[deserr(default = Length::from_secs(60))]
    pub interval: Length,
    #[deserr(default = Length::from_secs(30))]
    pub timeout: Length,
    #[deserr(default = "mariadb".to_owned())]
    pub program: String,
}

/// One server that should be a replica.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    program: Program,
    defaults_file: String,
    location: String,
}

impl Entry for Config {
    fn common(&self) -> Common<'_> {
        let Self { job, location, interval, .. } = self;
        let place = location.value.clone();
        Common { job, place, interval: *interval, depths: &[], verify: None }
    }

    fn check(&self, wrong: &mut Wrong<'_>) {
        absolute("defaults file", &self.defaults_file, wrong);
        time_limit(&self.job, self.timeout, wrong);
    }

    fn tool(&self, _host: &Host<'_>) -> Tool {
        Tool::MariaDb(Replica {
            program: Program::new(&self.program, self.timeout.0),
            defaults_file: self.defaults_file.value.clone(),
            location: self.location.value.clone(),
        })
    }
}

impl Replica {
    pub(super) fn location(&self) -> String {
        self.location.clone()
    }

    pub(super) async fn look(&self) -> Result<Vec<Found>, String> {
        // The file must come first, or the client refuses it.
        let file = format!("--defaults-file={}", self.defaults_file);
        let output = self.program.ask(&[&file, "--vertical", "--execute", QUERY]).await?;
        let text = String::from_utf8_lossy(&output);
        // Each row begins with a line of stars.
        let rows: Vec<_> = text.split("***************************\n").skip(1).map(Row).collect();
        let (settings, connections) =
            rows.split_last().ok_or("what mariadb tells cannot be understood: no row")?;
        let now_ms = settings.number("now_ms")?;
        let net_timeout_s = settings.number("net_timeout_s")?;
        if connections.is_empty() {
            return Err("the server is no replica: it follows nobody".to_owned());
        }
        connections.iter().map(|row| row.found(now_ms, net_timeout_s)).collect()
    }
}

/// `Name: value` lines of one row.
struct Row<'a>(&'a str);

impl Row<'_> {
    /// The first of that name: an error's text comes later and may have lines that look like values.
    fn value(&self, name: &str) -> Result<&str, String> {
        let values = self.0.lines().filter_map(|line| line.split_once(':'));
        let found = values.into_iter().find(|(found, _)| found.trim() == name);
        found
            .map(|(_, value)| value.trim())
            .ok_or_else(|| format!("what mariadb tells cannot be understood: no {name}"))
    }

    fn number(&self, name: &str) -> Result<Millis, String> {
        let value = self.value(name)?;
        let wrong = |_| format!("what mariadb tells cannot be understood: {name} is {value:?}");
        value.parse().map_err(wrong)
    }

    fn found(&self, now_ms: Millis, net_timeout_s: Millis) -> Result<Found, String> {
        for (thread, error) in
            [("Slave_IO_Running", "Last_IO_Error"), ("Slave_SQL_Running", "Last_SQL_Error")]
        {
            let state = self.value(thread)?;
            if state != "Yes" {
                return Err(format!("{thread}: {state}; {}", self.value(error)?));
            }
        }
        let behind_s = self.number("Seconds_Behind_Master")?;
        let age_ms = behind_s.saturating_add(net_timeout_s).saturating_mul(1_000);
        let made_ms = now_ms.saturating_sub(age_ms);
        let content_id = format!("gtid:{}", self.value("Gtid_Slave_Pos")?);
        let entry = CopyEntry { content_id, consistent_ms: Some(made_ms), bytes: None };
        Ok(Found { made_ms, entry })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::super::test_servers::MariaDb;
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    fn at(server: &MariaDb) -> Replica {
        let file = server.path("client.cnf");
        let socket = server.path("socket");
        fs::write(&file, format!("[client]\nuser=root\nsocket={}\n", socket.display())).unwrap();
        Replica {
            program: Program::new("mariadb", DEADLINE),
            defaults_file: file.display().to_string(),
            location: "dự phòng".to_owned(),
        }
    }

    async fn until(
        replica: &Replica,
        expected: impl Fn(&Result<Vec<Found>, String>) -> bool,
    ) -> Result<Vec<Found>, String> {
        #[allow(clippy::disallowed_methods, reason = "a deadline of a test")]
        let started = Instant::now();
        loop {
            let look = replica.look().await;
            if expected(&look) {
                return look;
            }
            assert!(started.elapsed() < DEADLINE, "{look:?}");
        }
    }

    #[tokio::test]
    async fn a_replica_is_a_copy_while_both_its_threads_run() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("--port={port}");
        let primary =
            MariaDb::start(&["--bind-address=127.0.0.1", &listen, "--log-bin", "--server-id=1"]);
        let standby = MariaDb::start(&["--skip-networking", "--server-id=2"]);
        let alone = at(&standby).look().await.unwrap_err();
        assert!(alone.contains("no replica"), "{alone}");
        for host in ["localhost", "127.0.0.1"] {
            primary.sql(&format!("create user repl@'{host}' identified by 'x'"));
            primary.sql(&format!("grant replication slave on *.* to repl@'{host}'"));
        }
        standby.sql(&format!(
            "change master to master_host='127.0.0.1', master_port={port}, master_user='repl', \
             master_password='x', master_use_gtid=slave_pos; start slave"
        ));
        let replica = at(&standby);
        let first = until(&replica, Result::is_ok).await.unwrap().remove(0);
        assert!(first.entry.content_id.starts_with("gtid:"), "{first:?}");
        primary.sql("create table test.t (a int primary key)");
        let has_moved = |look: &Result<Vec<Found>, String>| {
            look.as_ref().is_ok_and(|found| found[0].entry.content_id != first.entry.content_id)
        };
        let moved = until(&replica, has_moved).await.unwrap().remove(0);
        let age_ms = crate::clock::Clock.now_ms() - moved.entry.consistent_ms.unwrap();
        assert!(age_ms >= 59_000, "as old as slave_net_timeout could hide: {age_ms} ms");

        standby.sql("insert into test.t values (1)");
        primary.sql("insert into test.t values (1)");
        let stopped = until(&replica, Result::is_err).await.unwrap_err();
        assert!(stopped.starts_with("Slave_SQL_Running: No"), "{stopped}");
        assert!(stopped.contains("Duplicate entry"), "{stopped}");
        standby.sql("delete from test.t; start slave");
        until(&replica, Result::is_ok).await.unwrap();
        drop(primary);
        let cut = until(&replica, Result::is_err).await.unwrap_err();
        assert!(cut.starts_with("Slave_IO_Running: Connecting"), "{cut}");
    }
}
