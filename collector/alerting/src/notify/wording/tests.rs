//! What people read in a notification.
