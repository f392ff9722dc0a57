//! The language of `?filter=` and `?sort=`, and of row rules: parsed, typed, and turned into SQL with
//! parameters. What a name means, and whether the caller may use it, is up to [`Fields`].

mod aggregate;
mod cursor;
mod expression;
mod lexer;
mod listing;
mod parser;
mod sort;
mod sql;

pub use aggregate::Aggregate;
pub use cursor::{CursorKey, Position};
pub use expression::{Comparison, Expression, Literal, Operand, Operator, Path};
pub use listing::{Listed, Listing};
pub use parser::parse;
pub use sort::{Order, SortKey, parse_sort};
pub use sql::{Field, Fields, Kind};

use crate::error::{Error, Fault};

/// What is wrong with a filter, and at which character (the first is 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {position})")]
pub struct SyntaxError {
    pub position: usize,
    pub message: String,
}

impl SyntaxError {
    pub(crate) fn new(position: usize, message: impl Into<String>) -> Self {
        Self { position, message: message.into() }
    }

    /// As a fault of the parameter or member at `pointer`.
    pub fn at(&self, pointer: &str) -> Fault {
        Fault { pointer: pointer.to_owned(), code: "invalid_filter".into(), message: self.to_string() }
    }
}

impl From<SyntaxError> for Error {
    fn from(error: SyntaxError) -> Self {
        Self::invalid(vec![error.at("/filter")])
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
