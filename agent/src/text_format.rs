//! Prometheus' text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), for
//! `haidang-agent once` and for comparing with other exporters.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use agent_model::Labels;

/// Writes samples grouped by metric, each group under its `# TYPE` line, metrics and series in order.
pub fn write<'a>(
    samples: impl IntoIterator<Item = (&'a Labels, f64)>,
    out: &mut dyn Write,
) -> fmt::Result {
    let mut metrics: BTreeMap<&str, Vec<(&Labels, f64)>> = BTreeMap::new();
    for (labels, value) in samples {
        metrics.entry(labels.metric_name()).or_default().push((labels, value));
    }
    for (name, mut series) in metrics {
        series.sort_by_key(|(labels, _)| *labels);
        writeln!(out, "# TYPE {name} {}", kind(name))?;
        for (labels, value) in series {
            writeln!(out, "{labels} {}", Value(value))?;
        }
    }
    Ok(())
}

/// node_exporter's types follow from its names: totals count up; what the kernel hands out under its own name may be
/// either.
fn kind(name: &str) -> &'static str {
    if name.ends_with("_total") {
        "counter"
    } else if name.starts_with("node_netstat_") || name.starts_with("node_vmstat_") {
        "untyped"
    } else {
        "gauge"
    }
}

/// A number as the format wants it: `NaN`, `+Inf`, `-Inf`, else the shortest text that reads back to the same bits.
pub(crate) struct Value(pub(crate) f64);

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_nan() => formatter.write_str("NaN"),
            f64::INFINITY => formatter.write_str("+Inf"),
            f64::NEG_INFINITY => formatter.write_str("-Inf"),
            value => write!(formatter, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn metrics_are_grouped_typed_and_escaped() {
        let series = [
            (Labels::metric("node_b", [("path", "C:\\ \"x\"\n")]), 1.5),
            (Labels::metric("node_a_total", [("", ""); 0]), 6.02e9),
            (Labels::metric("node_b", [("path", "/")]), f64::NAN),
            (Labels::metric("node_vmstat_x", [("", ""); 0]), f64::INFINITY),
        ];
        let mut text = String::new();
        write(series.iter().map(|(labels, value)| (labels, *value)), &mut text).unwrap();
        expect![[r##"
            # TYPE node_a_total counter
            node_a_total 6020000000
            # TYPE node_b gauge
            node_b{path="/"} NaN
            node_b{path="C:\\ \"x\"\n"} 1.5
            # TYPE node_vmstat_x untyped
            node_vmstat_x +Inf
        "##]]
        .assert_eq(&text);
    }
}
