//! Schemas as bytes: every distinct string once, the series as indexes into them.

use std::collections::HashMap;
use std::sync::Arc;

use agent_model::{Labels, Schema};
use bytes::Bytes;
use prost::Message;

use crate::error::{WireError, invalid, limit};
use crate::limits::{LABEL_BYTES_MAX, LABELS_MAX, REPORT_BYTES_MAX, SERIES_MAX};
use crate::proto;

/// A schema alone, as a store keeps it.
pub fn encode_schema(schema: &Schema) -> Vec<u8> {
    to_proto(schema).encode_to_vec()
}

pub fn decode_schema(bytes: &[u8]) -> Result<Schema, WireError> {
    limit("bytes of a schema", bytes.len(), REPORT_BYTES_MAX)?;
    let schema = proto::Schema::decode(bytes)
        .map_err(|source| WireError::Protobuf { what: "schema", source })?;
    from_proto(&schema)
}

pub(crate) fn to_proto(schema: &Schema) -> proto::Schema {
    let mut strings: Vec<String> = Vec::new();
    let mut index_of: HashMap<Arc<str>, u32> = HashMap::new();
    let mut index = |text: &Arc<str>| {
        *index_of.entry(Arc::clone(text)).or_insert_with(|| {
            strings.push(text.to_string());
            u32::try_from(strings.len() - 1).unwrap_or(u32::MAX)
        })
    };
    let mut label_counts = Vec::with_capacity(schema.series.len());
    let mut labels = Vec::with_capacity(schema.series.len() * 4);
    for series in &schema.series {
        label_counts.push(u32::try_from(series.len()).unwrap_or(u32::MAX));
        for label in series.iter() {
            labels.push(index(&label.name));
            labels.push(index(&label.value));
        }
    }
    let base: Vec<u8> =
        schema.base.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
    let (job, instance) = (schema.job.clone(), schema.instance.clone());
    proto::Schema { job, strings, label_counts, labels, base: base.into(), instance }
}

pub(crate) fn from_proto(schema: &proto::Schema) -> Result<Schema, WireError> {
    let wrong = |reason: &str| invalid("a schema", reason);
    limit("series of a schema", schema.label_counts.len(), SERIES_MAX)?;
    limit("bytes of a job name", schema.job.len(), LABEL_BYTES_MAX)?;
    limit("bytes of an instance", schema.instance.len(), LABEL_BYTES_MAX)?;
    if schema.base.len() != schema.label_counts.len() * 8 {
        return Err(wrong("it has not one base value per series"));
    }
    let mut strings: Vec<Arc<str>> = Vec::with_capacity(schema.strings.len());
    for text in &schema.strings {
        limit("bytes of a label name or value", text.len(), LABEL_BYTES_MAX)?;
        strings.push(text.as_str().into());
    }
    let mut rest = schema.labels.as_slice();
    let mut series = Vec::with_capacity(schema.label_counts.len());
    for &count in &schema.label_counts {
        let count = count as usize;
        limit("labels of a series", count, LABELS_MAX)?;
        let (mine, others) =
            rest.split_at_checked(count * 2).ok_or_else(|| wrong("its labels are cut"))?;
        rest = others;
        let text = |index: u32| strings.get(index as usize).cloned();
        let pairs: Option<Vec<_>> =
            mine.chunks_exact(2).map(|pair| Some((text(pair[0])?, text(pair[1])?))).collect();
        series.push(Labels::new(pairs.ok_or_else(|| wrong("a label points at no string"))?));
    }
    if !rest.is_empty() {
        return Err(wrong("labels are left over"));
    }
    let (job, instance) = (schema.job.clone(), schema.instance.clone());
    Ok(Schema { job, instance, series, base: floats(&schema.base) })
}

fn floats(bytes: &Bytes) -> Vec<f64> {
    let eights = bytes.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok());
    eights.map(|eight| f64::from_bits(u64::from_le_bytes(eight))).collect()
}
