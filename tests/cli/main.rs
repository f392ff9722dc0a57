//! The program as a shell sees it: what it says where, and its exit status.

mod place;

mod accounts;
mod api_keys;
mod backup;
mod beside;
mod blueprint;
mod decisions;
mod doctor;
mod elevations;
mod entities;
mod jobs;
mod documents;
mod install;
mod mail;
mod migrations;
mod personal;
mod secrets;
mod shutdown;
#[path = "../support/sink.rs"]
mod sink;
mod start;
mod tls;
