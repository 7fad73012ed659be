//! One report as bytes. Decoding has two steps, because columns can be read only beside their schemas,
//! and a collector must be able to say which schema it lacks before it stores anything.

use std::sync::Arc;

use agent_model::{Column, Epoch, HostId, Millis, Report, ReportKey, Schema, SchemaId, Stream};
use bytes::Bytes;
use prost::Message;

use crate::error::{WireError, invalid, limit};
use crate::limits::{RECORDS_MAX, REPORT_BYTES_MAX};
use crate::{column, proto, records, schema};

/// Finds a schema by its id: the agent's own, or those a collector has stored for a host.
pub trait SchemaSource {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>>;
}

/// A report whose envelope fields and records are checked, and whose columns still wait for their schemas.
#[derive(Debug)]
pub struct RawReport {
    host: HostId,
    key: ReportKey,
    created_ms: Millis,
    schemas: Vec<(SchemaId, Arc<Schema>)>,
    message: proto::Report,
}

/// Encodes a report. Each column's schema must be attached or in `known`; a column whose schema is in
/// neither, or whose length differs from it, is a mistake of the caller.
pub fn encode_report(report: &Report, known: &dyn SchemaSource) -> Result<Bytes, WireError> {
    let attached: Vec<_> = report.schemas.iter().map(|schema| (schema.id(), schema)).collect();
    let mut columns = Vec::with_capacity(report.columns.len());
    for column in &report.columns {
        let own = attached.iter().find(|(id, _)| *id == column.schema);
        let values = match own {
            Some((_, schema)) => encode_column(schema, column)?,
            None => {
                let schema = known.schema(&column.schema);
                let schema = schema.ok_or(WireError::SchemaUnknown(column.schema))?;
                encode_column(&schema, column)?
            }
        };
        columns.push(proto::Column {
            schema: Bytes::copy_from_slice(&column.schema.0),
            timestamp_ms: column.timestamp_ms,
            values: values.into(),
        });
    }
    let Epoch(epoch) = report.key.epoch;
    let message = proto::Report {
        host: report.host.to_string(),
        epoch,
        stream: report.key.stream as u32,
        sequence: report.key.sequence,
        created_ms: report.created_ms,
        schemas: report.schemas.iter().map(schema::to_proto).collect(),
        columns,
        ..records::to_proto(report)
    };
    Ok(message.encode_to_vec().into())
}

fn encode_column(schema: &Schema, column: &Column) -> Result<Vec<u8>, WireError> {
    if schema.base.len() != column.values.len() || schema.base.len() != schema.series.len() {
        return Err(invalid("a column", "its length is not that of its schema"));
    }
    Ok(column::encode(&schema.base, &column.values))
}

impl RawReport {
    /// Checks everything but the columns' values.
    pub fn decode(bytes: Bytes) -> Result<Self, WireError> {
        limit("bytes of a report", bytes.len(), REPORT_BYTES_MAX)?;
        let mut message = proto::Report::decode(bytes)
            .map_err(|source| WireError::Protobuf { what: "report", source })?;
        let host = HostId::new(&message.host)
            .map_err(|error| invalid("the host of a report", error.to_string()))?;
        let stream = Stream::ALL.into_iter().find(|stream| *stream as u32 == message.stream);
        let stream =
            stream.ok_or_else(|| invalid("a report's stream", message.stream.to_string()))?;
        if message.sequence == 0 {
            return Err(invalid("a report's sequence", "it is counted from 1"));
        }
        let key = ReportKey { epoch: Epoch(message.epoch), stream, sequence: message.sequence };
        limit("schemas of a report", message.schemas.len(), RECORDS_MAX)?;
        limit("columns of a report", message.columns.len(), RECORDS_MAX)?;
        records::check_limits(&message)?;
        let mut schemas = Vec::with_capacity(message.schemas.len());
        for schema in std::mem::take(&mut message.schemas) {
            let schema = Arc::new(schema::from_proto(&schema)?);
            schemas.push((schema.id(), schema));
        }
        for column in &message.columns {
            schema_id(column)?;
        }
        Ok(Self { host, key, created_ms: message.created_ms, schemas, message })
    }

    pub fn host(&self) -> &HostId {
        &self.host
    }

    pub fn key(&self) -> ReportKey {
        self.key
    }

    pub fn created_ms(&self) -> Millis {
        self.created_ms
    }

    /// The schemas that its columns are of, each once.
    pub fn used_schemas(&self) -> Vec<SchemaId> {
        let ids = self.message.columns.iter().filter_map(|column| schema_id(column).ok());
        let mut used: Vec<_> = ids.collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The schemas that came with it.
    pub fn schemas(&self) -> &[(SchemaId, Arc<Schema>)] {
        &self.schemas
    }

    /// The schemas of its columns that neither came with it nor are known.
    pub fn missing_schemas(&self, known: &dyn SchemaSource) -> Vec<SchemaId> {
        let mut missing = self.used_schemas();
        missing.retain(|id| self.attached(id).is_none() && known.schema(id).is_none());
        missing
    }

    /// The whole report, with the columns' values.
    pub fn into_report(self, known: &dyn SchemaSource) -> Result<Report, WireError> {
        let mut columns = Vec::with_capacity(self.message.columns.len());
        for column in &self.message.columns {
            let id = schema_id(column)?;
            let schema = self.attached(&id).or_else(|| known.schema(&id));
            let schema = schema.ok_or(WireError::SchemaUnknown(id))?;
            let values = column::decode(&schema.base, &column.values)?;
            columns.push(Column { schema: id, timestamp_ms: column.timestamp_ms, values });
        }
        let mut report = Report::empty(self.host, self.key, self.created_ms);
        report.schemas = self.schemas.iter().map(|(_, schema)| schema.as_ref().clone()).collect();
        report.columns = columns;
        records::from_proto(self.message, &mut report)?;
        Ok(report)
    }

    fn attached(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        self.schemas.iter().find(|(own, _)| own == id).map(|(_, schema)| Arc::clone(schema))
    }
}

fn schema_id(column: &proto::Column) -> Result<SchemaId, WireError> {
    let bytes = column.schema.as_ref().try_into();
    bytes.map(SchemaId).map_err(|_| invalid("a column's schema id", "it has not 32 bytes"))
}
