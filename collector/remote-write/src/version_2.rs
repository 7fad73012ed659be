//! `io.prometheus.write.v2.Request`: labels are places in a table of texts.
//! The table may stand behind the series that refer to it, so it is read first.

use crate::protobuf::{Fields, Value, sample};
use crate::{Push, RemoteWriteError, limits};

pub(crate) fn read(mut push: Push, message: &[u8]) -> Result<Push, RemoteWriteError> {
    let symbols = symbols(message)?;
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        if number == 5 {
            series(&mut push, &symbols, value.bytes()?)?;
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

fn series(push: &mut Push, symbols: &[&[u8]], bytes: &[u8]) -> Result<(), RemoteWriteError> {
    let mut begun = push.begin()?;
    let mut name: Option<&[u8]> = None;
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(packed)) => {
                let mut places = Fields(packed);
                while !places.0.is_empty() {
                    let text = symbol(symbols, places.varint()?)?;
                    match name.take() {
                        None => name = Some(text),
                        Some(name) => push.add_label(&mut begun, name, text)?,
                    }
                }
            }
            // A sender may also write each place as a field of its own.
            (1, Value::Varint(place)) => {
                let text = symbol(symbols, place)?;
                match name.take() {
                    None => name = Some(text),
                    Some(name) => push.add_label(&mut begun, name, text)?,
                }
            }
            (2, value) => push.add_sample(sample(value.bytes()?)?)?,
            (3, _) => begun.histograms += 1,
            (4, _) => push.left_out.exemplars += 1,
            (5, _) => push.left_out.metadata += 1,
            _ => {}
        }
    }
    if name.is_some() {
        return Err(RemoteWriteError::Malformed("a label has a name and no value"));
    }
    push.end(&begun);
    Ok(())
}

fn symbol<'a>(symbols: &[&'a [u8]], place: u64) -> Result<&'a [u8], RemoteWriteError> {
    let symbol = usize::try_from(place).ok().and_then(|place| symbols.get(place));
    symbol
        .copied()
        .ok_or(RemoteWriteError::Malformed("a label refers to a symbol that is not there"))
}
