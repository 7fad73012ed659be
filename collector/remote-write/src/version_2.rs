//! `io.prometheus.write.v2.Request`: labels are places in a table of texts.
//! The table may stand behind the series that refer to it, so it is read first. Each series says what its metric is; of all that say
//! the same one is read.

use std::collections::HashSet;

use agent_model::{Labels, MetricKind};

use crate::protobuf::{Fields, Value, sample};
use crate::{Begun, Push, RemoteWriteError, limits};

pub(crate) fn read(mut push: Push, message: &[u8]) -> Result<Push, RemoteWriteError> {
    let symbols = symbols(message)?;
    let mut described = Described::default();
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        if number == 5 {
            series(&mut push, &mut described, &symbols, value.bytes()?)?;
        }
    }
    Ok(push)
}

fn symbols(message: &[u8]) -> Result<Vec<&[u8]>, RemoteWriteError> {
    let mut symbols = Vec::new();
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        if number != 4 {
            continue;
        }
        if symbols.len() >= limits::SYMBOLS_MAX {
            return Err(RemoteWriteError::TooMany { what: "symbols", max: limits::SYMBOLS_MAX });
        }
        symbols.push(value.bytes()?);
    }
    match symbols.first() {
        Some(first) if !first.is_empty() => {
            Err(RemoteWriteError::Malformed("the first symbol is not the empty text"))
        }
        _ => Ok(symbols),
    }
}

/// What metrics were described as in this request, by their families: every series of one says the same.
type Described<'a> = HashSet<(&'a [u8], Metadata)>;

/// What a series says of its metric: a type's number, and places of help and unit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Metadata {
    kind: u64,
    help: u64,
    unit: u64,
}

impl Metadata {
    fn read(bytes: &[u8]) -> Result<Self, RemoteWriteError> {
        let mut metadata = Self::default();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(kind)) => metadata.kind = kind,
                (3, Value::Varint(place)) => metadata.help = place,
                (4, Value::Varint(place)) => metadata.unit = place,
                (1 | 3 | 4, _) => {
                    return Err(RemoteWriteError::Malformed("a metadata's field is no number"));
                }
                _ => {}
            }
        }
        Ok(metadata)
    }

    /// What a series of such a metric is a part of; the message names the series only.
    fn family(self, metric: &[u8]) -> &[u8] {
        let suffixes: &[&[u8]] = match MetricKind::from_number(self.kind) {
            MetricKind::Histogram => &[b"_bucket", b"_count", b"_sum"],
            MetricKind::GaugeHistogram => &[b"_bucket", b"_gcount", b"_gsum"],
            MetricKind::Summary => &[b"_count", b"_sum"],
            _ => &[],
        };
        suffixes.iter().find_map(|suffix| metric.strip_suffix(*suffix)).unwrap_or(metric)
    }

    /// A series that says nothing of its metric; senders that know nothing say it this way too.
    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

fn series<'a>(
    push: &mut Push,
    described: &mut Described<'a>,
    symbols: &[&'a [u8]],
    bytes: &[u8],
) -> Result<(), RemoteWriteError> {
    let mut begun = push.begin()?;
    let mut metadata = Metadata::default();
    let mut metric: &[u8] = &[];
    let mut name: Option<&[u8]> = None;
    let mut label = |push: &mut Push, begun: &mut Begun, place| -> Result<(), RemoteWriteError> {
        let text = symbol(symbols, place)?;
        match name.take() {
            None => name = Some(text),
            Some(name) => {
                if name == Labels::NAME.as_bytes() {
                    metric = text;
                }
                push.add_label(begun, name, text)?;
            }
        }
        Ok(())
    };
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(packed)) => {
                let mut places = Fields(packed);
                while !places.0.is_empty() {
                    label(push, &mut begun, places.varint()?)?;
                }
            }
            // A sender may also write each place as a field of its own.
            (1, Value::Varint(place)) => label(push, &mut begun, place)?,
            (2, value) => push.add_sample(sample(value.bytes()?)?)?,
            (3, _) => begun.histograms += 1,
            (4, _) => push.left_out.exemplars += 1,
            (5, value) => metadata = Metadata::read(value.bytes()?)?,
            _ => {}
        }
    }
    if name.is_some() {
        return Err(RemoteWriteError::Malformed("a label has a name and no value"));
    }
    push.end(&begun);
    let family = metadata.family(metric);
    if !metadata.is_empty() && described.insert((family, metadata)) {
        let (help, unit) = (symbol(symbols, metadata.help)?, symbol(symbols, metadata.unit)?);
        push.describe(family, metadata.kind, help, unit)?;
    }
    Ok(())
}

fn symbol<'a>(symbols: &[&'a [u8]], place: u64) -> Result<&'a [u8], RemoteWriteError> {
    let symbol = usize::try_from(place).ok().and_then(|place| symbols.get(place));
    symbol
        .copied()
        .ok_or(RemoteWriteError::Malformed("a series refers to a symbol that is not there"))
}
