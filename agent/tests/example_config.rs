//! The example configuration that is shipped in `deploy/config` is one that the agent takes.

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_shipped_example_is_taken() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/agent.yml");
        let config = agent::Config::open(&file).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.collectors[0].as_str(), "collector.dc1.example:7443");
    }
}
