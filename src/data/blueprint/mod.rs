//! Blueprints: roles, entity types and settings in a file, to be made and changed as it says.

mod plan;
mod read;
mod write;

pub use plan::Plan;
pub use write::export;
