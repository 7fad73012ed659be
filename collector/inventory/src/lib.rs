//! People's data in SQL: hosts, identities, backups, probes, gaps, services, drills, users, audit.
