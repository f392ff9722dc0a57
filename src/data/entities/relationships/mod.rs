//! Relationships: what leads from one entity to another. Whoever may not know of an end does not know of them.

mod expand;
mod follow;
mod list;
mod model;
mod routes;
mod sight;
mod store;
mod write;

pub(super) use expand::Expansion;
pub(super) use follow::{follow, is_held};
pub(super) use model::shows_data;
pub(super) use routes::routes;
