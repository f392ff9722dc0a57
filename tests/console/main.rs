//! The console as people use it: the real server, and Chromium driven through it.

mod access_matrix;
mod account;
mod api_keys;
mod audit;
mod backups;
mod browser;
mod budget;
mod decisions;
mod docs;
mod doctor;
mod elevations;
mod entities;
mod entity_types;
mod files;
#[path = "../support/held_store.rs"]
mod held_store;
mod import;
mod jobs;
mod kill_switch;
mod live;
mod mail;
mod observations;
mod overview;
mod pages;
mod personal;
mod roles;
mod search;
mod secrets;
mod second_factor;
mod set_up;
mod settings;
mod sign_in;
#[path = "../support/sink.rs"]
mod sink;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod users;
mod webhooks;

#[path = "../api/support/receiver.rs"]
#[expect(dead_code, reason = "the tests of the API look closer at what is received")]
mod receiver;
