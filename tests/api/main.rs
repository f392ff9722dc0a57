//! Through the front door: the real application, its API, and the people who use it.

mod api_keys;
mod audit;
mod batch;
mod browser;
mod challenge;
mod decisions;
mod edge;
mod elevations;
mod entities;
mod entity_types;
mod escalation;
mod every_route;
mod hidden;
mod history;
mod idempotency;
mod import;
mod inspection;
mod kill_switch;
mod limits;
mod login;
mod mail;
mod queries;
mod roles;
mod search;
mod second_factor;
mod sessions;
mod settings;
#[path = "../support/sink.rs"]
mod sink;
mod stories;
mod support;
mod unique;
mod tokens;
mod users;
mod webhooks;
