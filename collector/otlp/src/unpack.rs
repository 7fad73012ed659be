//! gzip (RFC 1952), within bounds: the size that a body says it has is checked first and may not be passed.

use std::io::Read;

use crate::{OtlpError, limits};

/// The bytes that a body unpacks to, as it says itself; an error when they are too many.
pub fn message_bytes(body: &[u8], gzip: bool) -> Result<usize, OtlpError> {
    let bytes = if gzip {
        let (_, size) = body.split_last_chunk::<4>().ok_or(OtlpError::Gzip(None))?;
        usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX)
    } else {
        body.len()
    };
    if bytes > limits::MESSAGE_BYTES_MAX {
        return Err(OtlpError::MessageBytes { bytes });
    }
    Ok(bytes)
}

pub(crate) fn gzip(body: &[u8]) -> Result<Vec<u8>, OtlpError> {
    let bytes = message_bytes(body, true)?;
    let mut message = Vec::with_capacity(bytes);
    // One byte more shows a body that lied.
    let mut unpacked = flate2::bufread::GzDecoder::new(body).take(bytes as u64 + 1);
    unpacked.read_to_end(&mut message).map_err(|error| OtlpError::Gzip(Some(error)))?;
    // What stands behind the first member would be passed over in silence.
    let whole = message.len() == bytes && unpacked.into_inner().into_inner().is_empty();
    if whole { Ok(message) } else { Err(OtlpError::Gzip(None)) }
}
