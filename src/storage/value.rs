//! What goes into a statement and what comes out of a row, whatever the engine.

use crate::{clock::Time, ids::Id};

/// A value bound to a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Param<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Owned(String),
    Blob(&'a [u8]),
    Id(Id),
}

macro_rules! into_param {
    ($($from:ty => |$value:ident| $to:expr),* $(,)?) => {
        $(impl<'a> From<$from> for Param<'a> { fn from($value: $from) -> Self { $to } })*
    };
}

into_param! {
    i64 => |v| Self::Int(v),
    u32 => |v| Self::Int(i64::from(v)),
    usize => |v| Self::Int(i64::try_from(v).unwrap_or(i64::MAX)),
    bool => |v| Self::Int(i64::from(v)),
    f64 => |v| Self::Real(v),
    &'a str => |v| Self::Text(v),
    &'a String => |v| Self::Text(v),
    String => |v| Self::Owned(v),
    &'a [u8] => |v| Self::Blob(v),
    &'a Vec<u8> => |v| Self::Blob(v),
    Id => |v| Self::Id(v),
    Time => |v| Self::Int(v.0),
}

impl<T: Into<Self>> From<Option<T>> for Param<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A value as a row holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Column<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// A type that a column can be read as.
pub trait FromColumn: Sized {
    fn from_column(column: Column<'_>) -> Option<Self>;
}

macro_rules! from_column {
    ($($to:ty => $($pattern:pat => $value:expr),+;)*) => {
        $(impl FromColumn for $to {
            fn from_column(column: Column<'_>) -> Option<Self> {
                match column { $($pattern => $value,)+ _ => None }
            }
        })*
    };
}

from_column! {
    i64 => Column::Int(v) => Some(v);
    u64 => Column::Int(v) => u64::try_from(v).ok();
    u32 => Column::Int(v) => u32::try_from(v).ok();
    bool => Column::Int(v) => Some(v != 0);
    f64 => Column::Real(v) => Some(v), Column::Int(v) => Some(v as f64);
    String => Column::Text(v) => Some(v.to_owned());
    Vec<u8> => Column::Blob(v) => Some(v.to_vec());
    Id => Column::Text(v) => v.parse().ok();
    Time => Column::Int(v) => Some(Time(v));
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Null => Some(None),
            other => T::from_column(other).map(Some),
        }
    }
}
