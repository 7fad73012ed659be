//! Times of a chunk: the first, then changes of the step as runs. A regular series costs a few bytes whatever its length.
//! Long irregular ones go through pco when that is smaller.

use pco::standalone::simple_compress;

use super::{Decoded, PCO_SAMPLES_MIN, unpack, varint};
use crate::MetricStoreError;

const RUNS: u8 = 0;
const PCO: u8 = 1;

/// `times` in order, at least one.
pub(crate) fn encode(times: &[i64]) -> Result<Vec<u8>, MetricStoreError> {
    let runs = encode_runs(times);
    // A run code below a byte per sample cannot be beaten by much.
    if times.len() < PCO_SAMPLES_MIN || runs.len() < times.len() / 2 {
        return Ok(runs);
    }
    let packed = simple_compress(times, &pco::ChunkConfig::default())
        .map_err(|error| MetricStoreError::Encode { reason: error.to_string() })?;
    Ok(if packed.len() < runs.len() { [vec![PCO], packed].concat() } else { runs })
}

fn encode_runs(times: &[i64]) -> Vec<u8> {
    let mut out = vec![RUNS];
    let (mut previous, mut step) = (0i64, 0i64);
    let mut run: Option<(i64, u64)> = None;
    for time in times {
        let new_step = time.wrapping_sub(previous);
        let change = new_step.wrapping_sub(step);
        (previous, step) = (*time, new_step);
        match &mut run {
            Some((value, length)) if *value == change => *length += 1,
            _ => {
                put_run(&mut out, run);
                run = Some((change, 1));
            }
        }
    }
    put_run(&mut out, run);
    out
}

fn put_run(out: &mut Vec<u8>, run: Option<(i64, u64)>) {
    if let Some((change, length)) = run {
        varint::put_signed(out, change);
        varint::put(out, length);
    }
}

/// As many times as there is room in `out`, which is what the chunk's directory tells.
pub(crate) fn decode(bytes: &[u8], out: &mut [i64]) -> Decoded<()> {
    let (code, rest) = bytes.split_first().ok_or("times are empty")?;
    match *code {
        RUNS => decode_runs(rest, out),
        PCO => unpack(rest, out),
        _ => Err("times have an unknown code"),
    }
}

fn decode_runs(mut bytes: &[u8], mut out: &mut [i64]) -> Decoded<()> {
    let (mut time, mut step) = (0i64, 0i64);
    while !bytes.is_empty() {
        let change = varint::take_signed(&mut bytes)?;
        let length = varint::take_length(&mut bytes)?;
        let (run, rest) = out.split_at_mut_checked(length).ok_or("times are too many")?;
        for place in run {
            step = step.wrapping_add(change);
            time = time.wrapping_add(step);
            *place = time;
        }
        out = rest;
    }
    if out.is_empty() { Ok(()) } else { Err("times are too few") }
}
