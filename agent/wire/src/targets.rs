//! What is said of targets and their metrics as bytes. A kind of metric that this version does not know says nothing.

use agent_model::{
    HELP_BYTES_MAX, METRIC_NAME_BYTES_MAX, MetricKind, MetricMetadata, ScrapeTarget, ScrapeTargets,
    TargetMetadata, UNIT_BYTES_MAX,
};

use crate::error::{WireError, limit};
use crate::limits::{LABEL_BYTES_MAX, RECORDS_MAX, TEXT_BYTES_MAX};
use crate::proto;

/// Counts and text lengths, before anything is built.
pub(crate) fn check_limits(message: &proto::Report) -> Result<(), WireError> {
    let metrics = message.metadata.iter().map(|one| one.metrics.len()).sum();
    limit("descriptions of metrics in a report", metrics, RECORDS_MAX)?;
    limit("described targets of a report", message.metadata.len(), RECORDS_MAX)?;
    let targets = message.targets.iter().map(|some| some.targets.len()).sum();
    limit("scrape targets of a report", targets, RECORDS_MAX)?;
    limit("lists of scrape targets in a report", message.targets.len(), RECORDS_MAX)?;
    let label = |text: &str| limit("bytes of a label name or value", text.len(), LABEL_BYTES_MAX);
    for one in &message.metadata {
        label(&one.job).and_then(|()| label(&one.instance))?;
        for metric in &one.metrics {
            limit(
                "bytes of a described metric's name",
                metric.metric.len(),
                METRIC_NAME_BYTES_MAX,
            )?;
            limit("bytes of a help text", metric.help.len(), HELP_BYTES_MAX)?;
            limit("bytes of a unit", metric.unit.len(), UNIT_BYTES_MAX)?;
        }
    }
    for target in message.targets.iter().flat_map(|some| &some.targets) {
        label(&target.job).and_then(|()| label(&target.instance))?;
        limit("bytes of a text field", target.url.len(), TEXT_BYTES_MAX)?;
        limit("bytes of a text field", target.last_error.len(), TEXT_BYTES_MAX)?;
    }
    Ok(())
}

pub(crate) fn metadata_to_proto(one: &TargetMetadata) -> proto::TargetMetadata {
    let metric = |metric: &MetricMetadata| proto::MetricMetadata {
        metric: metric.metric.clone(),
        kind: metric.kind as u32,
        help: metric.help.clone(),
        unit: metric.unit.clone(),
    };
    let (job, instance) = (one.job.clone(), one.instance.clone());
    let metrics = one.metrics.iter().map(metric).collect();
    proto::TargetMetadata { job, instance, complete: one.complete, metrics }
}

pub(crate) fn metadata_from_proto(one: proto::TargetMetadata) -> TargetMetadata {
    let metric = |metric: proto::MetricMetadata| MetricMetadata {
        metric: metric.metric,
        kind: MetricKind::from_number(metric.kind.into()),
        help: metric.help,
        unit: metric.unit,
    };
    let metrics = one.metrics.into_iter().map(metric).collect();
    TargetMetadata { job: one.job, instance: one.instance, complete: one.complete, metrics }
}

pub(crate) fn targets_to_proto(some: &ScrapeTargets) -> proto::ScrapeTargets {
    let target = |target: &ScrapeTarget| proto::ScrapeTarget {
        job: target.job.clone(),
        instance: target.instance.clone(),
        url: target.url.clone(),
        interval_ms: target.interval_ms,
        timeout_ms: target.timeout_ms,
        last_error: target.last_error.clone(),
    };
    let targets = some.targets.iter().map(target).collect();
    proto::ScrapeTargets { complete: some.complete, targets }
}

pub(crate) fn targets_from_proto(some: proto::ScrapeTargets) -> ScrapeTargets {
    let target = |target: proto::ScrapeTarget| ScrapeTarget {
        job: target.job,
        instance: target.instance,
        url: target.url,
        interval_ms: target.interval_ms,
        timeout_ms: target.timeout_ms,
        last_error: target.last_error,
    };
    let targets = some.targets.into_iter().map(target).collect();
    ScrapeTargets { complete: some.complete, targets }
}
