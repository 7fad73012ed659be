//! Routing files read, and mistakes in them told.
