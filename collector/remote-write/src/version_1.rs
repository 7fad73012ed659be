//! `prometheus.WriteRequest`: each series with its labels written out.

use crate::protobuf::{Fields, Value, sample};
use crate::{Push, RemoteWriteError};

pub(crate) fn read(mut push: Push, message: &[u8]) -> Result<Push, RemoteWriteError> {
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => series(&mut push, value.bytes()?)?,
            3 => metadata(&mut push, value.bytes()?)?,
            _ => {}
        }
    }
    Ok(push)
}

fn series(push: &mut Push, bytes: &[u8]) -> Result<(), RemoteWriteError> {
    let mut begun = push.begin()?;
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => {
                let (name, text) = label(value.bytes()?)?;
                push.add_label(&mut begun, name, text)?;
            }
            2 => push.add_sample(sample(value.bytes()?)?)?,
            3 => push.left_out.exemplars += 1,
            4 => begun.histograms += 1,
            _ => {}
        }
    }
    push.end(&begun);
    Ok(())
}

/// `MetricMetadata`: a type's number, the family's name, help and unit.
fn metadata(push: &mut Push, bytes: &[u8]) -> Result<(), RemoteWriteError> {
    let (mut kind, mut name, mut help, mut unit) = (0, &[][..], &[][..], &[][..]);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Varint(number)) => kind = number,
            (2, value) => name = value.bytes()?,
            (4, value) => help = value.bytes()?,
            (5, value) => unit = value.bytes()?,
            (1, _) => return Err(RemoteWriteError::Malformed("a metric's type is no number")),
            _ => {}
        }
    }
    push.describe(name, kind, help, unit)
}

fn label(bytes: &[u8]) -> Result<(&[u8], &[u8]), RemoteWriteError> {
    let (mut name, mut text): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => name = bytes,
            (2, Value::Bytes(bytes)) => text = bytes,
            (1 | 2, _) => return Err(RemoteWriteError::Malformed("a label is no text")),
            _ => {}
        }
    }
    Ok((name, text))
}
