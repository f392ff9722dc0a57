//! Entities: the records of a type. Who may touch which is in every query.

mod aggregate;
mod batch;
mod cache;
mod draft;
mod events;
mod export;
mod history;
mod import;
mod limits;
mod list;
mod model;
mod pick;
mod relationships;
mod retention;
mod routes;
mod scope;
mod search;
mod standing;
mod show;
mod store;
mod upsert;
mod write;

pub use batch::ClosedTypes;
pub use cache::EntityCache;
pub use events::EntityEvents;
pub use export::Export;
pub use import::{Format, Import, Mode, Report, RowError};
pub use model::Entity;
pub use routes::routes;
pub use standing::Standing;
pub use write::Entities;
