//! `haidang-collector fsck` on a real store, as a person runs it on a collector that is stopped.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output};

    use agent_model::Labels;
    use collector_metric_store::{MetricStore, MetricStoreConfig};

    fn fsck(state_dir: &Path, repair: &[&str]) -> (Option<i32>, String) {
        let config = state_dir.join("collector.yml");
        std::fs::write(&config, format!("state_dir: {}\n", state_dir.display())).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_haidang-collector"));
        let Output { status, stdout, stderr } =
            command.arg("fsck").arg("--config").arg(config).args(repair).output().unwrap();
        let text = [stdout, stderr].concat();
        (status.code(), String::from_utf8(text).unwrap())
    }

    fn store_of_one_part(directory: &Path) -> PathBuf {
        let store = MetricStore::open(MetricStoreConfig::new(directory)).unwrap();
        let series = ["a", "b"].map(|host| Labels::metric("up", [("host", host)]));
        store.append(&store.series_refs(&series).unwrap(), 1_000, &[1.0, 0.0]).unwrap();
        store.advance(7);
        store.cut().unwrap();
        let mut entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.extension().is_some_and(|found| found == "part")).unwrap()
    }

    #[test]
    fn damage_is_named_and_repaired_and_an_open_store_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let metrics = state.path().join("metrics");
        let part = store_of_one_part(&metrics);
        let (code, text) = fsck(state.path(), &[]);
        assert_eq!(
            (code, text.as_str()),
            (Some(0), "1 parts, 2 samples can be read, 0 parts damaged\n")
        );

        let mut bytes = std::fs::read(&part).unwrap();
        // Behind the header and the block of times: the first series' block.
        bytes[16 + 4 + 9 + 6] ^= 1;
        std::fs::write(&part, bytes).unwrap();
        let (code, text) = fsck(state.path(), &[]);
        assert_eq!(code, Some(1), "{text}");
        for told in
            ["1 of 2 series damaged", "up{host=\"a\"}: ", "1 samples can be read", "--repair"]
        {
            assert!(text.contains(told), "{told} is missing in {text}");
        }
        let (code, text) = fsck(state.path(), &["--repair"]);
        assert!(code == Some(1) && text.contains("the other series are saved"), "{text}");
        let (code, text) = fsck(state.path(), &[]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("set aside before"), "{text}");

        let _open = MetricStore::open(MetricStoreConfig::new(&metrics)).unwrap();
        let (code, text) = fsck(state.path(), &["--repair"]);
        assert!(code == Some(1) && text.contains("is open in another process"), "{text}");
    }
}
