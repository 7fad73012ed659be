//! What the agent's own metrics are: kinds as node_exporter has them, and a short help of our own.
//! Promises: every name that a source can give has a description; what has a name of the kernel's says where it comes from.
//! Leaves to others: telling it.

use std::borrow::Cow;

use agent_model::MetricKind;

/// Kind and help of a metric by its name; none for a name that is not ours.
pub fn of(name: &str) -> Option<(MetricKind, Cow<'static, str>)> {
    let listed =
        LISTED.iter().find(|(listed, _)| *listed == name).map(|(_, help)| Cow::from(*help));
    let help = listed.or_else(|| of_kernel(name))?;
    // Some of them only grow and some do not; the kernel does not say which.
    let is_open = name.starts_with("node_netstat_") || name.starts_with("node_vmstat_");
    let kind = match name {
        _ if is_open => MetricKind::Unknown,
        _ if name.ends_with("_total") => MetricKind::Counter,
        _ => MetricKind::Gauge,
    };
    Some((kind, help))
}

/// Families that are as large as the kernel makes them.
fn of_kernel(name: &str) -> Option<Cow<'static, str>> {
    let families = [
        ("node_memory_", "Memory by /proc/meminfo"),
        ("node_netstat_", "Network statistic of /proc/net/netstat, snmp or snmp6"),
        ("node_vmstat_", "Count of the memory manager, by /proc/vmstat"),
        ("node_sockstat_", "Sockets by /proc/net/sockstat or sockstat6"),
        ("node_network_receive_", "Received by a network device, by /proc/net/dev"),
        ("node_network_transmit_", "Sent by a network device, by /proc/net/dev"),
        ("node_network_", "Property of a network device, by /sys/class/net"),
        ("node_nf_conntrack_stat_", "Count of connection tracking, by /proc/net/stat/nf_conntrack"),
        ("node_hwmon_", "Hardware sensor, by /sys/class/hwmon"),
    ];
    let (family, help) = families.into_iter().find(|(family, _)| name.starts_with(family))?;
    let rest = name.strip_prefix(family)?.trim_end_matches("_total");
    Some(format!("{help}: {rest}.").into())
}

/// What has a help of its own.
const LISTED: &[(&str, &str)] = &[
    ("node_bonding_active", "Links of a bonded device that are up."),
    ("node_bonding_slaves", "Links that a bonded device is configured with."),
    ("node_boot_time_seconds", "When the host started, in Unix time."),
    ("node_context_switches_total", "Switches from one task to another, of all processors."),
    ("node_cooling_device_cur_state", "How strongly a cooling device works now."),
    ("node_cooling_device_max_state", "How strongly a cooling device can work."),
    ("node_cpu_guest_seconds_total", "Time of a processor for guests, by mode."),
    ("node_cpu_seconds_total", "Time of a processor, by mode."),
    ("node_disk_device_mapper_info", "What a mapped block device is; always 1."),
    ("node_disk_discard_time_seconds_total", "Time spent on discards of a disk."),
    ("node_disk_discarded_sectors_total", "Sectors of a disk that were discarded."),
    ("node_disk_discards_completed_total", "Discards of a disk that are done."),
    ("node_disk_discards_merged_total", "Discards of a disk that were merged into another."),
    ("node_disk_filesystem_info", "Which file system a disk holds; always 1."),
    ("node_disk_flush_requests_time_seconds_total", "Time spent on flushes of a disk."),
    ("node_disk_flush_requests_total", "Flushes of a disk that are done."),
    ("node_disk_info", "What a disk is; always 1."),
    ("node_disk_io_now", "Requests to a disk that are under way."),
    ("node_disk_io_time_seconds_total", "Time in which a disk was busy."),
    ("node_disk_io_time_weighted_seconds_total", "Time of a disk, once for each request waiting."),
    ("node_disk_read_bytes_total", "Bytes read from a disk."),
    ("node_disk_read_time_seconds_total", "Time spent on reads of a disk."),
    ("node_disk_reads_completed_total", "Reads of a disk that are done."),
    ("node_disk_reads_merged_total", "Reads of a disk that were merged into another."),
    ("node_disk_write_time_seconds_total", "Time spent on writes to a disk."),
    ("node_disk_writes_completed_total", "Writes to a disk that are done."),
    ("node_disk_writes_merged_total", "Writes to a disk that were merged into another."),
    ("node_disk_written_bytes_total", "Bytes written to a disk."),
    ("node_entropy_available_bits", "Randomness that the kernel holds."),
    ("node_entropy_pool_size_bits", "Randomness that the kernel can hold."),
    ("node_filefd_allocated", "Files that are open on the host."),
    ("node_filefd_maximum", "Files that may be open on the host."),
    ("node_filesystem_avail_bytes", "Room on a file system for ordinary users."),
    ("node_filesystem_device_error", "Whether a file system did not answer."),
    ("node_filesystem_files", "Files that a file system can hold."),
    ("node_filesystem_files_free", "Files that a file system can still hold."),
    ("node_filesystem_free_bytes", "Room on a file system, with what is kept for root."),
    ("node_filesystem_readonly", "Whether a file system cannot be written."),
    ("node_filesystem_size_bytes", "Size of a file system."),
    ("node_forks_total", "Processes and threads that were started."),
    ("node_intr_total", "Interrupts that were served."),
    ("node_load1", "Tasks that run or wait, as an average of one minute."),
    ("node_load5", "Tasks that run or wait, as an average of five minutes."),
    ("node_load15", "Tasks that run or wait, as an average of fifteen minutes."),
    ("node_md_blocks", "Blocks of a RAID array."),
    ("node_md_blocks_synced", "Blocks of a RAID array that are in step."),
    ("node_md_disks", "Disks of a RAID array, by state."),
    ("node_md_disks_required", "Disks that a RAID array is made of."),
    ("node_md_state", "The state of a RAID array, by name."),
    ("node_network_up", "Whether a network device is operational."),
    ("node_nf_conntrack_entries", "Connections that are followed."),
    ("node_nf_conntrack_entries_limit", "Connections that can be followed."),
    ("node_os_info", "Which system the host runs; always 1."),
    ("node_os_version", "Version of the system, as a number."),
    ("node_pressure_cpu_waiting_seconds_total", "Time in which tasks waited for a processor."),
    ("node_pressure_io_stalled_seconds_total", "Time in which all tasks waited for disks."),
    ("node_pressure_io_waiting_seconds_total", "Time in which some task waited for a disk."),
    ("node_pressure_memory_stalled_seconds_total", "Time in which all tasks waited for memory."),
    ("node_pressure_memory_waiting_seconds_total", "Time in which some task waited for memory."),
    ("node_procs_blocked", "Tasks that wait for a disk."),
    ("node_procs_running", "Tasks that run or could run."),
    ("node_scrape_collector_duration_seconds", "How long a metric source took to read."),
    ("node_scrape_collector_success", "Whether a metric source could be read."),
    ("node_thermal_zone_temp", "Temperature of a thermal zone, in degrees Celsius."),
    ("node_time_clocksource_available_info", "Clock sources that the kernel could use; always 1."),
    ("node_time_clocksource_current_info", "The clock source that the kernel uses; always 1."),
    ("node_time_seconds", "The host's clock, in Unix time."),
    ("node_time_zone_offset_seconds", "How far the host's time zone is from UTC."),
    ("node_uname_info", "Kernel and machine, as uname tells them; always 1."),
    ("process_cpu_seconds_total", "Processor time of this process."),
    ("process_resident_memory_bytes", "Memory of this process."),
    ("process_start_time_seconds", "When this process started, in Unix time."),
    ("haidang_agent_build_info", "The agent's version; always 1."),
    ("haidang_agent_clock_offset_seconds", "The host's clock minus the collector's."),
    ("haidang_agent_connected", "Whether a collector answers."),
    ("haidang_agent_drop_box_rejected_total", "Files of the drop box that were rejected."),
    ("haidang_agent_drop_box_taken_total", "Files of the drop box that were taken."),
    ("haidang_agent_dropped_reports_total", "Reports that were dropped, by reason."),
    ("haidang_agent_enrolments_total", "Attempts to enrol, by outcome."),
    ("haidang_agent_evidence_retries_total", "Times that evidence waited for the disk."),
    ("haidang_agent_exporter_described_series_total", "Series of an exporter in new schemas."),
    ("haidang_agent_exporter_duplicate_samples_total", "Samples of series that stood twice."),
    ("haidang_agent_exporter_failures_total", "Scrapes that gave nothing, by reason."),
    ("haidang_agent_exporter_ignored_timestamps_total", "Samples whose own time was not used."),
    ("haidang_agent_exporter_metadata_cut_total", "Help texts cut, and metrics not described."),
    ("haidang_agent_exporter_scrapes_total", "Scrapes of an exporter."),
    ("haidang_agent_exporter_skipped_scrapes_total", "Scrapes that were left out."),
    ("haidang_agent_failed_appends_total", "Reports that could not be spooled."),
    ("haidang_agent_failed_upkeep_total", "Failures of the spool's upkeep."),
    ("haidang_agent_last_acknowledged_timestamp_seconds", "When a collector last took a report."),
    ("haidang_agent_pending_gaps", "Gaps that wait to be told."),
    ("haidang_agent_readings_total", "Readings of all metric sources."),
    ("haidang_agent_refusals_total", "Refusals by a collector, by reason."),
    ("haidang_agent_send_failures_total", "Requests to a collector that failed."),
    ("haidang_agent_sent_bytes_total", "Bytes sent to a collector."),
    ("haidang_agent_sent_reports_total", "Reports that a collector took."),
    ("haidang_agent_spool_bytes", "Size of the spool."),
    ("haidang_agent_spool_bytes_max", "Size that the spool may have."),
    ("haidang_agent_spooled_reports_total", "Reports that were spooled."),
    ("haidang_agent_surplus_samples_total", "Samples beyond the bound of a source or job."),
    ("haidang_agent_ticks_missed_total", "Readings that were left out."),
    ("haidang_agent_waiting_reports", "Reports that wait for a collector, by stream."),
    (
        "haidang_file_integrity_directories_unwatched",
        "Directories that are only looked at now and then.",
    ),
    ("haidang_file_integrity_files", "Files that are watched for changes."),
    ("haidang_file_integrity_files_skipped", "Files that are beyond the bounds of watching."),
    (
        "haidang_file_integrity_swept_timestamp_seconds",
        "When all watched files were last looked at.",
    ),
    ("haidang_file_integrity_unreadable", "Watched files that cannot be read."),
    ("haidang_file_integrity_watch_overflows_total", "Times that the kernel dropped changes."),
    ("haidang_log_lines_cut_total", "Lines of a log that were too long."),
    ("haidang_log_lines_total", "Lines of a log that were read."),
    ("haidang_log_notices_total", "Notices about a log, for people."),
    ("haidang_log_readable", "Whether a log can be read."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_host_is_described_once() {
        let names = include_str!("../../fixtures/metric-names.txt");
        let missing: Vec<_> = names.lines().filter(|name| of(name).is_none()).collect();
        assert!(names.lines().count() > 200 && missing.is_empty(), "{missing:?}");
        let mut listed: Vec<_> = LISTED.iter().map(|(name, _)| name).collect();
        listed.sort_unstable();
        assert!(listed.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn kinds_are_those_of_node_exporter() {
        let shown = |name| of(name).map(|(kind, help)| format!("{} {help}", kind.name()));
        let total = "counter Received by a network device, by /proc/net/dev: bytes.";
        assert_eq!(shown("node_network_receive_bytes_total").as_deref(), Some(total));
        let open = "unknown Count of the memory manager, by /proc/vmstat: pgfault.";
        assert_eq!(shown("node_vmstat_pgfault").as_deref(), Some(open));
        let memory = "gauge Memory by /proc/meminfo: MemFree_bytes.";
        assert_eq!(shown("node_memory_MemFree_bytes").as_deref(), Some(memory));
        assert_eq!(of("pg_up"), None);
    }
}
