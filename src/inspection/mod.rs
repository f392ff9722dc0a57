//! Request inspection: a detector for what looks like an attack, beside parameterised SQL and encoded output,
//! never instead of them. It observes or refuses, and never changes a value.

mod detect;
mod inspect;

pub use crate::config::InspectionMode as Mode;
pub use detect::{Class, inspect as class_of, is_operator};
pub use inspect::{Count, Inspection};
