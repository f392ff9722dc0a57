//! Entity types: the schema of their data, the sensitivity of its fields, aliases and indexes.

mod action;
mod compatibility;
mod declared;
mod defaults;
mod formats;
mod indexing;
mod mask;
pub mod migration;
mod model;
mod names;
mod patterns;
mod personal;
mod registry;
mod routes;
mod schema;
mod sensitive;
mod steps;
mod store;
mod unique;

pub use action::{ChangeEntityType, FieldInput, NewEntityType, change, create, delete};
pub use declared::Cell;
pub use indexing::keep_indexed;
pub use mask::Mask;
pub use model::{Definition, EntityType, FieldOptions};
pub use personal::{Marking, digest_sql};
pub use registry::EntityTypes;
pub use routes::routes;
pub use unique::{UniqueField, claim};
