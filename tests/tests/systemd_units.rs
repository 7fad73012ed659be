//! The units in `deploy/systemd` are ones that systemd understands whole, and that leave little open.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output};

    const UNITS: [&str; 2] = ["haidang-agent", "haidang-collector"];

    /// systemd's own measure of what a unit leaves open, in tenths, 0 to 100; the default of a unit without protection is 96.
    const EXPOSURE_MAX: &str = "25";

    fn directory() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd")
    }

    /// `None` where there is no systemd-analyze: a failure in CI, else said aloud.
    fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
        match Command::new("systemd-analyze").args(arguments).arg(unit).output() {
            Ok(output) => Some(output),
            Err(error) => {
                let advice = format!("systemd-analyze: {error}: apt-get install systemd");
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{advice}");
                eprintln!("NOT VERIFIED: {advice}");
                None
            }
        }
    }

    /// The unit with a program that exists on every machine: here no daemon is installed.
    fn unit_without_program(name: &str, place: &Path) -> PathBuf {
        let text = std::fs::read_to_string(directory().join(format!("{name}.service"))).unwrap();
        let installed = format!("/usr/bin/{name} ");
        assert!(text.contains(&format!("ExecStart={installed}run ")), "{name}");
        let unit = place.join(format!("{name}.service"));
        std::fs::write(&unit, text.replace(&installed, "/bin/true ")).unwrap();
        unit
    }

    #[test]
    fn systemd_understands_every_line() {
        let place = tempfile::tempdir().unwrap();
        for name in UNITS {
            let unit = unit_without_program(name, place.path());
            let Some(output) = analyze(&["verify", "--man=no"], &unit) else { return };
            // An unknown key is only a warning to systemd; here it is a mistake.
            let complaints = String::from_utf8_lossy(&output.stderr);
            let of_unit: Vec<_> = complaints.lines().filter(|line| line.contains(name)).collect();
            assert!(output.status.success() && of_unit.is_empty(), "{name}:\n{complaints}");
        }
    }

    #[test]
    fn a_unit_leaves_little_open() {
        let place = tempfile::tempdir().unwrap();
        for name in UNITS {
            let unit = unit_without_program(name, place.path());
            let threshold = format!("--threshold={EXPOSURE_MAX}");
            let arguments = ["security", "--offline=true", &threshold];
            let Some(output) = analyze(&arguments, &unit) else { return };
            let table = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{name}:\n{table}");
        }
    }

    #[test]
    fn every_user_of_a_unit_is_made() {
        let users = std::fs::read_to_string(directory().join("haidang.sysusers")).unwrap();
        for name in UNITS {
            let unit = directory().join(format!("{name}.service"));
            let text = std::fs::read_to_string(unit).unwrap();
            let user = text.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
            assert!(users.lines().any(|line| line.starts_with(&format!("u {user} "))), "{user}");
        }
    }
}
