//! The team's data: entity types, the entities of each, and files.

pub mod pointer;
mod canonical;
mod sealed;
pub mod entity_types;
pub mod relationship_types;
pub mod entities;
pub mod files;
pub mod blueprint;
