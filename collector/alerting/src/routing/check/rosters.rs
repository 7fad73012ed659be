//! Checks of people and rosters, and of receivers that are whoever is on duty: each person can be reached, each roster
//! names somebody, and nobody is reached through another roster.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::Millis;
use agent_yaml::{At, Text};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::roster::{Person, Roster, Rotation, Shift};
use super::super::{Integration, Receiver, Turn, raw};
use super::{Check, Names, intervals};

/// Whoever can be on duty in a province, many times over; each is a receiver of each roster.
const PEOPLE_MAX: usize = 200;

/// Turns change at most this often: they are looked at every minute.
const TURN_MIN_MS: Millis = 3_600_000;

/// Where the people are that this is made for.
const ZONE: &str = "Asia/Ho_Chi_Minh";

/// How times are written: by the clock on the wall.
const FORM: &str = "%Y-%m-%d %H:%M";

pub(super) fn people(
    check: &mut Check<'_>,
    file: &raw::File,
    names: &Names<'_>,
    receivers: &[Receiver],
) -> Vec<Person> {
    if let Some(beyond) = file.people.get(PEOPLE_MAX) {
        check.problem(&beyond.name.place, format!("there are at most {PEOPLE_MAX} `people`"));
    }
    let mut people: Vec<Person> = Vec::new();
    for raw in &file.people {
        let name = &raw.name.value;
        if people.iter().any(|known| known.name.as_ref() == name) {
            check.problem(&raw.name.place, format!("{name:?} is there twice"));
        }
        let receiver = &raw.receiver.value;
        let own = file.receivers.iter().find(|known| known.name.value == *receiver);
        if !names.receivers.contains(receiver.as_str()) {
            check.problem(&raw.receiver.place, format!("there is no receiver {receiver:?}"));
        } else if own.is_some_and(|own| !own.on_call_configs.is_empty()) {
            let message =
                format!("{receiver:?} is whoever is on duty, which is no way to one person");
            check.problem(&raw.receiver.place, message);
        }
        let ways = receivers.iter().find(|one| one.name.as_ref() == receiver);
        people.push(Person {
            name: Arc::from(name.as_str()),
            receiver: Arc::from(receiver.as_str()),
            is_reachable: ways.is_some_and(|one| !one.integrations.is_empty()),
        });
    }
    people
}

pub(super) fn rosters(
    check: &mut Check<'_>,
    file: &raw::File,
    names: &Names<'_>,
    people: &[Person],
) -> Vec<Roster> {
    let mut rosters: Vec<Roster> = Vec::new();
    for raw in &file.rosters {
        let name = &raw.name.value;
        if rosters.iter().any(|known| known.name.as_ref() == name) {
            check.problem(&raw.name.place, format!("roster {name:?} is there twice"));
        }
        if raw.rotations.is_empty() && raw.shifts.is_empty() {
            check.problem(&raw.name.place, "a roster needs `rotations` or `shifts`");
        }
        let zone = match &raw.time_zone {
            Some(given) => intervals::zone(check, given),
            None => TimeZone::get(ZONE).unwrap_or(TimeZone::UTC),
        };
        let rotations = raw.rotations.iter().map(|one| rotation(check, one, names, people));
        let rotations = rotations.collect();
        let shifts = raw.shifts.iter().map(|one| shift(check, one, &zone, people)).collect();
        rosters.push(Roster { name: Arc::from(name.as_str()), zone, shifts, rotations });
    }
    rosters
}

fn rotation(
    check: &mut Check<'_>,
    raw: &At<raw::Rotation>,
    names: &Names<'_>,
    people: &[Person],
) -> Rotation {
    let given = &raw.value;
    if given.people.is_empty() {
        check.problem(&raw.place, "a rotation needs `people`");
    }
    let every_ms = given.every.value.as_millis();
    if every_ms < TURN_MIN_MS {
        check.problem(&given.every.place, "turns change at most once an hour");
    }
    Rotation {
        people: given.people.iter().map(|name| known(check, name, people)).collect(),
        starts: wall_time(check, &given.starts),
        every_ms,
        during: check.intervals(&given.during, names),
    }
}

fn shift(check: &mut Check<'_>, raw: &At<raw::Shift>, zone: &TimeZone, people: &[Person]) -> Shift {
    let given = &raw.value;
    let mut moment = |text: &At<Text>| {
        let at = wall_time(check, text).to_zoned(zone.clone());
        at.map_or(0, |at| at.timestamp().as_millisecond())
    };
    let (from_ms, until_ms) = (moment(&given.from), moment(&given.until));
    if until_ms <= from_ms {
        check.problem(&given.until.place, "a shift must end after it begins");
    }
    Shift { person: known(check, &given.person, people), from_ms, until_ms }
}

fn known(check: &mut Check<'_>, name: &At<String>, people: &[Person]) -> Arc<str> {
    if !people.iter().any(|person| person.name.as_ref() == name.value) {
        let message = format!("{:?} is not among the `people`", name.value);
        check.problem(&name.place, message);
    }
    Arc::from(name.value.as_str())
}

fn wall_time(check: &mut Check<'_>, text: &At<Text>) -> DateTime {
    DateTime::strptime(FORM, &text.value.0).unwrap_or_else(|_| {
        let message =
            format!("{:?} is no time; write for example \"2026-11-30 08:00\"", text.value.0);
        check.problem(&text.place, message);
        DateTime::ZERO
    })
}

/// Gives the receivers that are whoever is on duty everybody's ways of being reached.
pub(super) fn on_call(
    check: &mut Check<'_>,
    file: &raw::File,
    receivers: &mut [Receiver],
    rosters: &[Roster],
    people: &[Person],
) {
    let ways: BTreeMap<Arc<str>, Vec<Integration>> = receivers
        .iter()
        .map(|receiver| (Arc::clone(&receiver.name), receiver.integrations.clone()))
        .collect();
    for (raw, receiver) in file.receivers.iter().zip(receivers) {
        for given in &raw.on_call_configs {
            let wanted = &given.value.roster;
            let Some(roster) = rosters.iter().find(|one| one.name.as_ref() == wanted.value) else {
                check.problem(&wanted.place, format!("there is no roster {:?}", wanted.value));
                continue;
            };
            for person in people {
                let own = ways.get(&person.receiver).map_or(&[][..], Vec::as_slice);
                if own.is_empty() && roster.people().contains(&person.name) {
                    let message = format!("{:?} can be reached in no way", person.name);
                    check.problem(&wanted.place, message);
                }
                let turn =
                    Turn { roster: Arc::clone(&roster.name), person: Arc::clone(&person.name) };
                receiver.integrations.extend(own.iter().map(|way| Integration {
                    name: format!("{}@{}/{}", way.name, roster.name, person.name).into(),
                    turn: Some(turn.clone()),
                    ..way.clone()
                }));
            }
        }
    }
}
