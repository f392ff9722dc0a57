//! The team's data: entity types and the entities of each.

pub mod pointer;
mod canonical;
mod sealed;
pub mod entity_types;
pub mod relationship_types;
pub mod entities;
pub mod blueprint;
