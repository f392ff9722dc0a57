//! Kinds of relationships: what they do when an end is deleted, and whether an entity can have one to itself.

mod action;
mod model;
mod routes;
mod store;

pub(crate) use action::check_name;
pub use action::{ChangeRelationshipType, NewRelationshipType, change, create};
pub use model::{OnDelete, RelationshipType};
pub use routes::routes;
pub use store::{CASCADING, all, find};
