//! Entities: the records of a type. Who may touch which is in every query.

mod cache;
mod draft;
mod limits;
mod list;
mod model;
mod pick;
mod routes;
mod scope;
mod store;
mod write;

pub use cache::EntityCache;
pub use model::Entity;
pub use routes::routes;
pub use write::Entities;
