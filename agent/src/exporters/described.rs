//! What a body says of its metrics: `# HELP`, `# TYPE` and `# UNIT`, as Prometheus reads them.
//! Promises: a family is told once, whatever order its lines have; texts keep within their bounds. Leaves to others: bodies that are
//! wrong (`exposition` has refused them), and when a body is read for this at all.

use std::borrow::Cow;
use std::collections::BTreeMap;

use agent_model::{MetricKind, MetricMetadata};

use super::exposition::{Format, family, word};

/// Families of one exporter that are described: ten times what a large one has.
pub(super) const METRICS_MAX: usize = 5_000;

/// What a body says, by the family's name, and how much of it was left out or cut.
pub(super) fn read(format: Format, body: &str) -> (Vec<MetricMetadata>, u64) {
    let mut said: BTreeMap<Cow<'_, str>, (MetricKind, Cow<'_, str>, &str)> = BTreeMap::new();
    let mut left_out = 0;
    for text in body.split('\n') {
        let Some((what, metric, rest)) = meta(text) else { continue };
        if said.len() >= METRICS_MAX && !said.contains_key(&metric) {
            left_out += 1;
            continue;
        }
        let one = said.entry(metric).or_default();
        match what {
            "HELP" => one.1 = unescaped(format, rest),
            "TYPE" => one.0 = MetricKind::from_name(rest.trim()).unwrap_or_default(),
            _ => one.2 = rest.trim(),
        }
    }
    let mut metrics = Vec::with_capacity(said.len());
    for (metric, (kind, help, unit)) in said {
        let bounded = MetricMetadata::bounded(&metric, kind, &help, unit);
        left_out += u64::from(bounded.as_ref().is_none_or(|(_, was_cut)| *was_cut));
        metrics.extend(bounded.map(|(metadata, _)| metadata));
    }
    (metrics, left_out)
}

/// The keyword, the metric and what is said of it.
fn meta(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (what, rest) = word(text.trim_start_matches([' ', '\t']).strip_prefix('#')?)?;
    if !matches!(what, "HELP" | "TYPE" | "UNIT") {
        return None;
    }
    let (metric, rest) = family(rest)?;
    // One blank parts the name from the text; others belong to the text.
    let rest = rest.strip_prefix([' ', '\t']).unwrap_or(rest);
    Some((what, metric, rest))
}

/// A help text without the format's escapes.
fn unescaped(format: Format, text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().filter(|_| letter == '\\');
        let meant = match next {
            Some('\\') => '\\',
            Some('n') => '\n',
            Some('"') if format == Format::OpenMetrics => '"',
            _ => {
                out.push(letter);
                continue;
            }
        };
        out.push(meant);
        letters.next();
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: Format, body: &str) -> Vec<String> {
        let (metrics, _) = read(format, body);
        let line = |one: MetricMetadata| {
            format!("{} {} {:?} {:?}", one.metric, one.kind.name(), one.help, one.unit)
        };
        metrics.into_iter().map(line).collect()
    }

    #[test]
    fn lines_about_a_family_are_read_in_any_order_and_with_their_escapes() {
        let body = "# HELP a  two blanks \\\\ and\\na line \\\"q\\\" \\x\n# TYPE a counter\na 1\n\
                    #TYPE b untyped\n  #  HELP\tb\n# a comment\n# TYPE c\n# UNIT d seconds\n# HELP \"e f\" Quoted.\n";
        let text = [
            r#"a counter " two blanks \\ and\na line \\\"q\\\" \\x" """#,
            r#"b unknown "" """#,
            r#"c unknown "" """#,
            r#"d unknown "" "seconds""#,
            r#"e f unknown "Quoted." """#,
        ];
        assert_eq!(shown(Format::Text, body), text);
        let open = shown(Format::OpenMetrics, body);
        assert_eq!(open[0], r#"a counter " two blanks \\ and\na line \"q\" \\x" """#);
    }

    #[test]
    fn families_have_a_bound_and_what_is_left_out_or_cut_is_counted() {
        let many = |count: usize| -> String {
            (0..count).map(|at| format!("# TYPE m{at} gauge\n# HELP m{at} x\n")).collect()
        };
        let (all, left_out) = read(Format::Text, &many(METRICS_MAX));
        assert_eq!((all.len(), left_out), (METRICS_MAX, 0));
        let (all, left_out) = read(Format::Text, &many(METRICS_MAX + 1));
        assert_eq!((all.len(), left_out), (METRICS_MAX, 2));
        let long = format!("# HELP m {}\n# TYPE {} gauge\n", "h".repeat(2_000), "n".repeat(600));
        let (all, left_out) = read(Format::Text, &long);
        assert_eq!((all.len(), left_out), (1, 2));
    }
}
