//! Entities: the records of a type.
