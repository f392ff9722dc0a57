//! The program as a shell sees it: what it says where, and its exit status.

mod place;

mod accounts;
mod api_keys;
mod backup;
mod beside;
mod blueprint;
mod container;
mod decisions;
mod doctor;
mod elevations;
mod entities;
#[path = "../support/held_store.rs"]
mod held_store;
mod jobs;
mod documents;
mod install;
mod mail;
mod migrations;
#[path = "../support/older.rs"]
mod older;
mod personal;
mod secrets;
mod shutdown;
#[path = "../support/sink.rs"]
mod sink;
mod start;
mod tls;
