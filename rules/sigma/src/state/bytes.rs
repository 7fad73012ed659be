//! The state as bytes, for the store that saves it with the detections it led to.
//! One byte of version, then protobuf. Counters are not saved: they tell of this process.

use std::collections::VecDeque;

use agent_model::EventId;
use prost::Message;

use super::{CorrelationCounters, CorrelationState, Entry, Group, GroupId};

/// Raised whenever old bytes would be misread. Other versions are refused: the caller then starts from the
/// empty state, and what was half counted is counted anew.
const VERSION: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("the saved correlation state is empty; even a fresh one has its version")]
    Empty,
    #[error("the saved correlation state has version {0}; this program reads version {VERSION}")]
    Version(u8),
    #[error("the saved correlation state is damaged: {0}")]
    Damaged(&'static str),
    #[error("the saved correlation state cannot be read")]
    Undecodable(#[from] prost::DecodeError),
}

#[derive(Clone, PartialEq, Message)]
struct SavedState {
    #[prost(uint64, tag = "1")]
    arrivals: u64,
    #[prost(message, repeated, tag = "2")]
    groups: Vec<SavedGroup>,
}

#[derive(Clone, PartialEq, Message)]
struct SavedGroup {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint64, tag = "2")]
    touched: u64,
    #[prost(sint64, optional, tag = "3")]
    fired_ms: Option<i64>,
    #[prost(sint64, tag = "4")]
    expires_ms: i64,
    #[prost(message, repeated, tag = "5")]
    entries: Vec<SavedEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct SavedEntry {
    #[prost(sint64, tag = "1")]
    time_ms: i64,
    #[prost(uint64, tag = "2")]
    arrival: u64,
    #[prost(uint32, tag = "3")]
    slot: u32,
    #[prost(fixed64, tag = "4")]
    value: u64,
    /// Ids of 16 bytes, one after the other.
    #[prost(bytes = "vec", tag = "5")]
    event_ids: Vec<u8>,
    #[prost(uint64, tag = "6")]
    event_count: u64,
}

impl CorrelationState {
    pub fn to_bytes(&self) -> Vec<u8> {
        let groups = self.groups.iter().map(|(id, group)| save_group(id, group)).collect();
        let saved = SavedState { arrivals: self.arrivals, groups };
        let mut bytes = vec![VERSION];
        bytes.extend(saved.encode_to_vec());
        bytes
    }

    /// The state that [`CorrelationState::to_bytes`] wrote; from here on it goes on as if never interrupted.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let (version, rest) = bytes.split_first().ok_or(StateError::Empty)?;
        if *version != VERSION {
            return Err(StateError::Version(*version));
        }
        let saved = SavedState::decode(rest)?;
        let mut state = Self { arrivals: saved.arrivals, ..Self::default() };
        for saved in saved.groups {
            let (id, group) = restore_group(saved)?;
            if group.touched > state.arrivals || state.touches.insert(group.touched, id).is_some() {
                return Err(StateError::Damaged("the order of arrival contradicts itself"));
            }
            state.events += group.events;
            if state.groups.insert(id, group).is_some() {
                return Err(StateError::Damaged("a group stands twice"));
            }
        }
        state.make_room();
        state.counters = CorrelationCounters::default();
        Ok(state)
    }
}

fn save_group(id: &GroupId, group: &Group) -> SavedGroup {
    let entries = group.entries.iter().map(|entry| SavedEntry {
        time_ms: entry.time_ms,
        arrival: entry.arrival,
        slot: u32::from(entry.slot),
        value: entry.value,
        event_ids: entry.event_ids.iter().flat_map(|EventId(id)| *id).collect(),
        event_count: entry.event_count,
    });
    SavedGroup {
        id: id.to_vec(),
        touched: group.touched,
        fired_ms: group.fired_ms,
        expires_ms: group.expires_ms,
        entries: entries.collect(),
    }
}

fn restore_group(saved: SavedGroup) -> Result<(GroupId, Group), StateError> {
    let id = GroupId::try_from(saved.id.as_slice())
        .map_err(|_| StateError::Damaged("a group's name has not 16 bytes"))?;
    let entries: VecDeque<Entry> =
        saved.entries.into_iter().map(restore_entry).collect::<Result<_, _>>()?;
    let group = Group {
        events: entries.iter().map(|entry| entry.event_ids.len()).sum(),
        entries,
        fired_ms: saved.fired_ms,
        touched: saved.touched,
        expires_ms: saved.expires_ms,
    };
    // The counting relies on the order of time.
    if !group.entries.iter().is_sorted_by_key(|entry| entry.time_ms) {
        return Err(StateError::Damaged("a group's events are not in order of time"));
    }
    Ok((id, group))
}

fn restore_entry(saved: SavedEntry) -> Result<Entry, StateError> {
    let slot = u16::try_from(saved.slot).map_err(|_| StateError::Damaged("a slot is too large"))?;
    let (ids, rest) = saved.event_ids.as_chunks::<16>();
    if !rest.is_empty() || ids.is_empty() {
        return Err(StateError::Damaged("an event's id has not 16 bytes"));
    }
    Ok(Entry {
        time_ms: saved.time_ms,
        arrival: saved.arrival,
        slot,
        value: saved.value,
        event_ids: ids.iter().map(|id| EventId(*id)).collect(),
        event_count: saved.event_count,
    })
}
