//! Sigma detections and correlations over events, pure.
