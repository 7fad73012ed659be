//! Real database servers for tests, each in a directory of its own and on a socket in it, ended with the test.
//! PostgreSQL refuses root, so a test that runs as root starts it as the user `postgres`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use super::format::postgresql_program;

const DEADLINE: Duration = Duration::from_secs(60);

pub(super) struct Postgres {
    pub(super) dir: TempDir,
}

impl Postgres {
    /// `{dir}` in the settings is the server's directory.
    pub(super) fn start(settings: &str) -> Self {
        let dir = TempDir::new().unwrap();
        if geteuid().is_root() {
            let user = User::from_name("postgres").unwrap();
            let user = user.expect("PostgreSQL is missing: apt-get install postgresql");
            chown(dir.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let server = Self { dir };
        server.run("initdb", &["-D", "{dir}/data", "-A", "trust", "-U", "postgres", "--no-sync"]);
        server.configure("data", settings);
        server.start_data("data");
        server
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds settings to a data directory.
    pub(super) fn configure(&self, data: &str, settings: &str) {
        use std::io::Write;
        let own = "listen_addresses = ''\nunix_socket_directories = '{dir}'\nfsync = off\n";
        let settings = self.here(&format!("{own}{settings}\n"));
        let file = self.path(data).join("postgresql.conf");
        let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
    }

    pub(super) fn start_data(&self, data: &str) {
        let (data, log) = (format!("{{dir}}/{data}"), format!("{{dir}}/{data}.log"));
        self.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "start"]);
    }

    /// Runs a program as the server's user and gives back its output.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let program = postgresql_program(program);
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments.iter().map(|argument| self.here(argument)));
        // Files, because a server that goes on would hold a pipe.
        let (output, errors) = (self.path("output"), self.path("errors"));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(fs::File::create(&output).unwrap());
        command.stderr(fs::File::create(&errors).unwrap());
        let status = command.status().unwrap();
        let errors = fs::read_to_string(errors).unwrap();
        assert!(status.success(), "{command:?}: {errors}");
        fs::read_to_string(output).unwrap()
    }

    pub(super) fn sql(&self, port: &str, statement: &str) -> String {
        let to = ["-h", "{dir}", "-p", port, "-U", "postgres", "-AtXqc", statement];
        self.run("psql", &to).trim().to_owned()
    }

    fn here(&self, text: &str) -> String {
        text.replace("{dir}", &self.dir.path().display().to_string())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        for pid in glob::glob(&self.here("{dir}/*/postmaster.pid")).unwrap().flatten() {
            let data = pid.parent().unwrap().display().to_string();
            self.run("pg_ctl", &["-D", &data, "-m", "immediate", "stop"]);
        }
    }
}

pub(super) struct MariaDb {
    pub(super) dir: TempDir,
    server: Child,
}

impl MariaDb {
    pub(super) fn start(settings: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let user = User::from_uid(geteuid()).unwrap().unwrap().name;
        let data = format!("--datadir={}", dir.path().join("data").display());
        let socket = format!("--socket={}", dir.path().join("socket").display());
        let user = format!("--user={user}");
        let installed = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", &data, &user])
            .output()
            .expect("MariaDB is missing: apt-get install mariadb-server mariadb-backup");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let server = Command::new(find_in_sbin("mariadbd"))
            .args(["--no-defaults", &data, &socket, &user])
            .args(settings)
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { dir, server };
        #[allow(clippy::disallowed_methods, reason = "a deadline of a test")]
        let started = Instant::now();
        while !server.command("mariadb-admin").arg("ping").output().unwrap().status.success() {
            assert!(started.elapsed() < DEADLINE, "{:?}", fs::read_to_string(server.path("log")));
            std::thread::yield_now();
        }
        server
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["--no-defaults", "--user=root"]);
        command.arg(format!("--socket={}", self.path("socket").display()));
        command
    }

    pub(super) fn sql(&self, statements: &str) {
        let output = self.command("mariadb").args(["--execute", statements]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

fn find_in_sbin(program: &str) -> PathBuf {
    let sbin = Path::new("/usr/sbin").join(program);
    if sbin.exists() { sbin } else { program.into() }
}

/// Changes one bit, as a tired disk does.
pub(super) fn flip_bit(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}
