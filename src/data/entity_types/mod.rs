//! Entity types: the schema of their data, the sensitivity of its fields, aliases and indexes.

mod action;
mod compatibility;
mod mask;
mod model;
mod patterns;
mod registry;
mod routes;
mod schema;
mod store;

pub use action::{ChangeEntityType, NewEntityType, change, create, delete, plan};
pub use mask::Mask;
pub use model::{EntityType, FieldOptions};
pub use registry::EntityTypes;
pub use routes::routes;
