//! The team's data: entity types and the entities of each.

pub mod entity_types;
pub mod entities;
pub mod pointer;
