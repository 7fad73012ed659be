//! What the copies of every planned backup are worth: the policy, the inventory's sites and the stored looks put together.
//! Leaves to others: the judgement itself (`rules::backup_truth`).

use std::collections::HashMap;

use agent_model::Millis;
use collector_inventory::BackupJob;
use rules::backup_policy::PlannedBackup;
use rules::backup_truth::{BackupTruth, Look, judge};

use crate::province::Province;

/// In the order of the policy. A host that has no place in `inventory.yml` stands at no site.
pub(crate) fn truths<'a>(
    province: &'a Province,
    jobs: &[BackupJob],
    now_ms: Millis,
) -> Vec<(&'a PlannedBackup, BackupTruth)> {
    let site = |host| province.inventory.place(host, now_ms).map(|place| place.site.as_str());
    let mut by_name: HashMap<&str, Vec<&BackupJob>> = HashMap::new();
    for job in jobs {
        by_name.entry(&job.job).or_default().push(job);
    }
    let judged = province.backups.jobs.iter().map(|planned| {
        let named = by_name.get(planned.backup.as_str()).into_iter().flatten();
        let told = named.filter(|job| planned.is_told_by(&job.host, &job.job));
        let looks: Vec<Look<'_>> = told
            .flat_map(|job| {
                job.copies.iter().map(|stored| Look {
                    host: &job.host,
                    site: site(&job.host),
                    copy: &stored.copy,
                    error_ms: stored.error_ms,
                })
            })
            .collect();
        (planned, judge(&province.backups, planned, site(&planned.host), &looks, now_ms))
    });
    judged.collect()
}
