//! What the sender is told, in the encoding of its request: `ExportMetricsServiceResponse`, or `google.rpc.Status` when nothing
//! was taken (opentelemetry.io/docs/specs/otlp/#otlphttp-response).

use prost::Message;
use serde_json::json;

use crate::Encoding;

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_data_points: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
}

impl Encoding {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// What was taken is on disk; `message` says what was not, and why.
    pub fn taken(self, points_refused: u64, message: Option<String>) -> Vec<u8> {
        let partial_success = message.map(|error_message| {
            let rejected_data_points = i64::try_from(points_refused).unwrap_or(i64::MAX);
            PartialSuccess { rejected_data_points, error_message }
        });
        match (self, partial_success) {
            (Self::Protobuf, partial_success) => Response { partial_success }.encode_to_vec(),
            (Self::Json, None) => b"{}".to_vec(),
            (Self::Json, Some(partial)) => json!({ "partialSuccess": {
                "rejectedDataPoints": partial.rejected_data_points.to_string(),
                "errorMessage": partial.error_message,
            }})
            .to_string()
            .into_bytes(),
        }
    }

    /// Why nothing was taken.
    pub fn refused(self, message: String) -> Vec<u8> {
        match self {
            Self::Protobuf => Status { message }.encode_to_vec(),
            Self::Json => json!({ "message": message }).to_string().into_bytes(),
        }
    }
}
