//! The requests of one batch to their target: several at once, each series by one way only, each request until it is
//! taken or refused for good.
//! Promises: the samples of a series arrive in their order; one bad sample does not take its neighbours with it (a refused
//! request is halved, within a bound). Leaves to others: what is in a batch, and how far the target has come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use collector_remote_write::{OutwardSeries, encode};
use futures_util::future::join_all;

use super::back_off;
use super::config::Target;
use super::progress::Progress;
use super::request::{Answer, Http};
use crate::clock;

/// Halvings of refused requests in one batch and shard: enough for some bad samples among thousands, and a receiver that
/// refuses everything is not asked ten thousand times.
const HALVINGS_MAX: u32 = 100;

/// What goes into one request.
pub(super) type Piece = Vec<OutwardSeries>;

/// Takes a batch to its target.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) target: Arc<Target>,
    pub(super) http: Http,
    pub(super) progress: Arc<Progress>,
    /// Samples of the batch that are taken or refused.
    pub(super) done: Arc<AtomicU64>,
}

impl Delivery {
    /// Resolves when every piece is taken or refused; that may be days.
    pub(super) async fn run(self, shards: Vec<Vec<Piece>>) {
        join_all(shards.into_iter().map(|pieces| self.shard(pieces))).await;
    }

    async fn shard(&self, pieces: Vec<Piece>) {
        let mut pieces = VecDeque::from(pieces);
        let mut halvings = 0;
        while let Some(piece) = pieces.pop_front() {
            let samples = count(&piece);
            let (why, smaller) = match self.send(&piece, samples).await {
                Ok(()) => continue,
                Err(refused) => refused,
            };
            if smaller && samples > 1 && halvings < HALVINGS_MAX {
                halvings += 1;
                let (first, second) = halves(piece);
                // In their order, because of the series that stands in both.
                pieces.push_front(second);
                pieces.push_front(first);
                continue;
            }
            self.done.fetch_add(samples, Relaxed);
            let refusals = self.progress.note_refused(samples, why, clock::now_ms());
            if !smaller {
                // It is not about these samples but about us: the next ones are not thrown after them at once.
                tokio::time::sleep(back_off::wait(refusals, None, back_off::random())).await;
            }
        }
    }

    /// Resolves when it is taken, or with why it never will be.
    async fn send(&self, piece: &Piece, samples: u64) -> Result<(), (String, bool)> {
        let body = encode(piece, self.target.version);
        let body = Bytes::from(body.map_err(|error| (crate::describe(&error), true))?);
        let mut failures = 0;
        loop {
            match self.http.send(body.clone(), samples).await {
                Answer::Taken(written) => {
                    self.done.fetch_add(samples, Relaxed);
                    self.progress.note_taken(written, clock::now_ms());
                    if written < samples {
                        let why = format!("it wrote {written} of {samples} samples of a request");
                        self.progress.note_refused(samples - written, why, clock::now_ms());
                    }
                    return Ok(());
                }
                Answer::Later { why, after } => {
                    failures += 1;
                    self.progress.note_failing(why, clock::now_ms());
                    tokio::time::sleep(back_off::wait(failures, after, back_off::random())).await;
                }
                Answer::Refused { why, smaller } => return Err((why, smaller)),
            }
        }
    }
}

pub(super) fn count(piece: &Piece) -> u64 {
    piece.iter().map(|series| series.samples.len() as u64).sum()
}

/// The first half of the samples and the rest; a series may stand in both.
fn halves(piece: Piece) -> (Piece, Piece) {
    let half = count(&piece) / 2;
    let (mut first, mut second, mut taken) = (Piece::new(), Piece::new(), 0);
    for mut series in piece {
        let room = usize::try_from(half - taken).unwrap_or(usize::MAX);
        if room == 0 {
            second.push(series);
            continue;
        }
        if series.samples.len() > room {
            let samples = series.samples.split_off(room);
            second.push(OutwardSeries { labels: series.labels.clone(), samples });
        }
        taken += series.samples.len() as u64;
        first.push(series);
    }
    (first, second)
}
