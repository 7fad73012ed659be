//! Drills that were run: the plan as it stood at the start, and an append-only log of everything that happened.
//! What the entries mean is the drill state machine's business (`rules`): it is rebuilt from them after a restart.

use agent_model::Millis;

use crate::error::sql;
use crate::values::{from_sql, to_sql};
use crate::{Inventory, InventoryError};

/// A drill without its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    pub drill: u64,
    /// The plan's id.
    pub plan: String,
    /// The plan file as it was read at the start: minutes written years later show what was run.
    pub plan_text: String,
    pub started_by: String,
    pub started_ms: Millis,
    /// `None` while it runs.
    pub finished_ms: Option<Millis>,
    /// `running`, then what the state machine ended with.
    pub state: String,
}

/// One thing that happened in a drill.
#[derive(Clone, Debug, PartialEq, Eq, Default, sqlx::FromRow)]
pub struct DrillEntry {
    pub time_ms: Millis,
    /// The person, or the collector itself.
    pub who: String,
    /// The step's id; empty for the drill as a whole.
    pub step: String,
    /// `started`, `finished`, `confirmed`, `aborted` …
    pub what: String,
    pub outcome: String,
    pub detail: String,
    /// What was measured or seen: a probe's answer, a query's value.
    pub evidence: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    drill: i64,
    plan: String,
    plan_text: String,
    started_by: String,
    started_ms: i64,
    finished_ms: Option<i64>,
    state: String,
}

impl Inventory {
    /// Notes a drill as running and returns its number.
    pub async fn drill_start(
        &self,
        plan: &str,
        plan_text: &str,
        started_by: &str,
        now_ms: Millis,
    ) -> Result<u64, InventoryError> {
        let drill: i64 = sqlx::query_scalar(
            "INSERT INTO drills (drill, plan, plan_text, started_by, started_ms, state)
             SELECT COALESCE(MAX(drill), 0) + 1, $1, $2, $3, $4, 'running' FROM drills
             RETURNING drill",
        )
        .bind(plan)
        .bind(plan_text)
        .bind(started_by)
        .bind(now_ms)
        .fetch_one(&self.writer)
        .await
        .map_err(sql("start a drill"))?;
        Ok(from_sql(drill))
    }

    /// Appends to the log of a running drill; `false` when there is no such drill or it has finished.
    pub async fn drill_append(
        &self,
        drill: u64,
        entry: &DrillEntry,
    ) -> Result<bool, InventoryError> {
        let done = sqlx::query(
            "INSERT INTO drill_log
                 (drill, number, step, time_ms, who, what, outcome, detail, evidence)
             SELECT $1, (SELECT COALESCE(MAX(number), 0) + 1 FROM drill_log WHERE drill = $1),
                 $2, $3, $4, $5, $6, $7, $8
             FROM drills WHERE drill = $1 AND finished_ms IS NULL",
        )
        .bind(to_sql(drill))
        .bind(&entry.step)
        .bind(entry.time_ms)
        .bind(&entry.who)
        .bind(&entry.what)
        .bind(&entry.outcome)
        .bind(&entry.detail)
        .bind(&entry.evidence)
        .execute(&self.writer)
        .await
        .map_err(sql("append to the log of a drill"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Closes the log; `false` when there is no such drill or it has finished.
    pub async fn drill_finish(
        &self,
        drill: u64,
        state: &str,
        now_ms: Millis,
    ) -> Result<bool, InventoryError> {
        let done = sqlx::query(
            "UPDATE drills SET state = $1, finished_ms = $2
             WHERE drill = $3 AND finished_ms IS NULL",
        )
        .bind(state)
        .bind(now_ms)
        .bind(to_sql(drill))
        .execute(&self.writer)
        .await
        .map_err(sql("finish a drill"))?;
        Ok(done.rows_affected() == 1)
    }

    /// The newest drills first, running ones among them.
    pub async fn drills(&self, limit: u32) -> Result<Vec<Drill>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM drills ORDER BY drill DESC LIMIT $1")
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(sql("list drills"))?;
        Ok(rows.into_iter().map(Row::ready).collect())
    }

    /// A drill and its log in the order it happened.
    pub async fn drill(
        &self,
        drill: u64,
    ) -> Result<Option<(Drill, Vec<DrillEntry>)>, InventoryError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM drills WHERE drill = $1")
            .bind(to_sql(drill))
            .fetch_optional(&self.readers)
            .await
            .map_err(sql("look up a drill"))?;
        let Some(row) = row else { return Ok(None) };
        let entries: Vec<DrillEntry> =
            sqlx::query_as("SELECT * FROM drill_log WHERE drill = $1 ORDER BY number")
                .bind(to_sql(drill))
                .fetch_all(&self.readers)
                .await
                .map_err(sql("read the log of a drill"))?;
        Ok(Some((row.ready(), entries)))
    }
}

impl Row {
    fn ready(self) -> Drill {
        Drill {
            drill: from_sql(self.drill),
            plan: self.plan,
            plan_text: self.plan_text,
            started_by: self.started_by,
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
            state: self.state,
        }
    }
}

#[cfg(test)]
mod tests;
