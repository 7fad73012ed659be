//! The collector: ingest, evaluation, HTTP, wiring.
