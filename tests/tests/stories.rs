//! Stories with the real binaries: each is one thing that a person would see happen. One binary, so that it links once.

mod stories {
    mod alertmanager;
    mod amtool;
    mod audit;
    mod backups;
    mod certificate;
    mod chats;
    mod copies;
    mod deleting;
    mod delivery;
    mod disk_full;
    mod drills;
    mod enrolment;
    mod exporters;
    mod filesystem;
    mod first_start;
    mod hosts;
    mod hung_up;
    mod installed;
    mod killed;
    mod links;
    mod live;
    mod metadata;
    mod otlp;
    mod outage;
    mod outward;
    mod overflow;
    mod page;
    mod passwords;
    mod people;
    mod permissions;
    mod posted_alerts;
    mod power_cut;
    mod prometheus_api;
    mod refused;
    mod reload;
    mod remote_write;
    mod rules;
    mod security;
    mod severity;
    mod smpp;
    mod snapshot;
    mod users;
    mod web_tls;
}
