//! Settings: the part of the configuration that may change while the server runs, kept in the database.

mod action;
mod routes;
mod store;

pub use action::Settings;
pub use routes::routes;
