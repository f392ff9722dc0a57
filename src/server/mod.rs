//! The running server: what it is made of, the layers a request passes, and how it starts and stops.

mod address;
mod app;
mod connections;
mod control;
mod csrf;
mod dependencies;
mod edge;
mod forward_auth;
mod frames;
mod gate;
mod inspect;
mod headers;
mod health;
mod idempotency;
mod mail;
mod metrics;
mod overview;
mod report;
mod observe;
pub mod openapi;
mod presented;
pub mod routes;
mod serve;
mod terminal;
mod tls;

pub use app::App;
pub use control::{Control, Request, RunCommand, SOCKET, Said, through_short_path};
pub use frames::send_frames;
pub use serve::{Server, run, start};
pub use terminal::{Terminal, read_line};
