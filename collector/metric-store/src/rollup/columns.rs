//! Roll-ups as bytes: the values of one chunk, column by column. The times of the last samples are the chunk's times.
//!
//! `offset and length of the times of the first samples | columns`. A column is `0, length, bytes` (see
//! `chunk::values`), or one more than the place of an earlier column that is the same: a quiet gauge costs little more
//! than one value.

use agent_model::Rollup;

use crate::MetricStoreError;
use crate::chunk::{Decoded, values, varint};
use crate::part::block::Place;

const COLUMNS: usize = 10;

/// From here on pco pays: a day of roll-ups is written once and stays for a month at least.
const PCO_ROLLUPS_MIN: usize = 128;

type Columns = [Vec<f64>; COLUMNS];

pub(crate) fn encode(rows: &[Rollup], first_times: Place) -> Result<Vec<u8>, MetricStoreError> {
    let mut out = Vec::new();
    varint::put(&mut out, first_times.offset);
    varint::put(&mut out, u64::from(first_times.bytes));
    let columns = split(rows);
    for (at, column) in columns.iter().enumerate() {
        let same = columns[..at].iter().position(|earlier| alike(earlier, column));
        if let Some(earlier) = same {
            varint::put(&mut out, earlier as u64 + 1);
            continue;
        }
        let bytes = values::encode_lasting(column, PCO_ROLLUPS_MIN)?;
        varint::put(&mut out, 0);
        varint::put(&mut out, bytes.len() as u64);
        out.extend_from_slice(&bytes);
    }
    Ok(out)
}

fn alike(one: &[f64], other: &[f64]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.to_bits() == other.to_bits())
}

fn split(rows: &[Rollup]) -> Columns {
    let mut columns: Columns = std::array::from_fn(|_| Vec::with_capacity(rows.len()));
    for row in rows {
        // A window has at most 300,000 times, so this is small and exact; 0 stands for no marker.
        let ended = row.ended_ms.map_or(0.0, |ended_ms| (ended_ms - row.last_ms + 1) as f64);
        let counts = [row.count, row.resets, row.changes].map(|count| count as f64);
        let fields = [
            row.first, row.last, row.min, row.max, row.sum, counts[0], row.lost, counts[1],
            counts[2], ended,
        ];
        for (column, field) in columns.iter_mut().zip(fields) {
            column.push(field);
        }
    }
    columns
}

/// Where the times of the first samples lie; what is left of `bytes` is for [`decode`].
pub(crate) fn first_times(bytes: &mut &[u8]) -> Decoded<Place> {
    let offset = varint::take(bytes)?;
    let length = u32::try_from(varint::take(bytes)?).map_err(|_| "times are too long")?;
    Ok(Place { offset, bytes: length })
}

/// Adds the roll-ups of a chunk to `out`.
pub(crate) fn decode(
    mut bytes: &[u8],
    first_times: &[i64],
    last_times: &[i64],
    out: &mut Vec<Rollup>,
) -> Decoded<()> {
    let bytes = &mut bytes;
    let count = last_times.len();
    if first_times.len() != count {
        return Err("times differ");
    }
    let mut columns: Columns = Default::default();
    for at in 0..COLUMNS {
        columns[at] = match varint::take_length(bytes)? {
            0 => {
                let length = varint::take_length(bytes)?;
                let mut column = vec![0.0; count];
                values::decode(varint::take_bytes(bytes, length)?, &mut column)?;
                column
            }
            earlier if earlier <= at => columns[earlier - 1].clone(),
            _ => return Err("a column is like one that follows"),
        };
    }
    for row in 0..count {
        let last_ms = last_times[row];
        let ended = whole(columns[9][row])?;
        let ended_ms = ended.checked_sub(1).map(|after| last_ms.saturating_add_unsigned(after));
        out.push(Rollup {
            first_ms: first_times[row],
            last_ms,
            first: columns[0][row],
            last: columns[1][row],
            min: columns[2][row],
            max: columns[3][row],
            sum: columns[4][row],
            count: whole(columns[5][row])?,
            lost: columns[6][row],
            resets: whole(columns[7][row])?,
            changes: whole(columns[8][row])?,
            ended_ms,
        });
    }
    Ok(())
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and within 32 bits before"
)]
fn whole(value: f64) -> Decoded<u64> {
    let fits = (0.0..4_294_967_296.0).contains(&value) && value.trunc() == value;
    if fits { Ok(value as u64) } else { Err("a count is none") }
}

#[cfg(test)]
mod tests {
    use agent_model::{Sample, stale_marker};
    use proptest::prelude::*;

    use super::*;
    use crate::rollup::fold::fold;

    const PLACE: Place = Place { offset: 1 << 33, bytes: 77 };

    fn check(rows: &[Rollup]) -> usize {
        let bytes = encode(rows, PLACE).unwrap();
        let first: Vec<i64> = rows.iter().map(|row| row.first_ms).collect();
        let last: Vec<i64> = rows.iter().map(|row| row.last_ms).collect();
        let mut rest = bytes.as_slice();
        assert_eq!(first_times(&mut rest).unwrap(), PLACE);
        let mut found = Vec::new();
        decode(rest, &first, &last, &mut found).unwrap();
        // As text, in which NaN equals itself; the bits of values are `chunk::values`' promise.
        assert_eq!(format!("{found:?}"), format!("{rows:?}"));
        bytes.len()
    }

    #[test]
    fn a_quiet_gauge_costs_little_more_than_one_value() {
        let sample = |at: i64| Sample { timestamp_ms: at * 15_000, value: 0.5 };
        let samples: Vec<_> = (1..=20_000).map(sample).collect();
        let mut rows = Vec::new();
        fold(&samples, &mut rows);
        assert_eq!(rows.len(), 1000);
        assert!(check(&rows) < 60);
    }

    proptest! {
        #[test]
        fn rows_come_back(
            values in proptest::collection::vec(
                prop_oneof![any::<f64>(), (0i32..9).prop_map(f64::from), Just(stale_marker())], 1..99),
            step in 1i64..200_000,
        ) {
            let sample = |(at, value)| Sample { timestamp_ms: at * step, value };
            let samples: Vec<_> = (0..).zip(values).map(sample).collect();
            let mut rows = Vec::new();
            fold(&samples, &mut rows);
            check(&rows);
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            decode(&bytes, &[1, 2, 3], &[4, 5, 6], &mut Vec::new()).ok();
            decode(&bytes, &[1], &[4, 5, 6], &mut Vec::new()).ok();
        }
    }
}
