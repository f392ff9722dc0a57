//! Cursors: where a page ended, sealed together with the question it belongs to, so that a cursor under
//! another filter or sort, or one that we did not make, is refused.

use crate::{
    error::{Error, Result},
    storage::{Column, Param},
};
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const SEAL: usize = 16;
const LENGTH: usize = 16 * 1024;

/// The sort values of the last row of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position(pub(super) Vec<Value>);

impl Position {
    /// A position in a list with an order of its own, such as by sequence number.
    pub fn numbers(values: &[i64]) -> Self {
        Self(values.iter().map(|value| Value::Int(*value)).collect())
    }

    /// The values of [`Position::numbers`], when there are `N`.
    pub fn as_numbers<const N: usize>(&self) -> Option<[i64; N]> {
        let numbers = self.0.iter().map(|value| if let Value::Int(number) = value { Some(*number) } else { None });
        numbers.collect::<Option<Vec<_>>>()?.try_into().ok()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Value {
    Null,
    Int(i64),
    /// The bits, since a number must come back exactly as it was.
    Real(u64),
    Text(String),
}

impl From<Column<'_>> for Value {
    fn from(column: Column<'_>) -> Self {
        match column {
            Column::Null | Column::Blob(_) => Self::Null,
            Column::Int(value) => Self::Int(value),
            Column::Real(value) => Self::Real(value.to_bits()),
            Column::Text(value) => Self::Text(value.to_owned()),
        }
    }
}

impl Value {
    pub fn param(&self) -> Option<Param<'static>> {
        Some(match self {
            Self::Null => return None,
            Self::Int(value) => Param::Int(*value),
            Self::Real(bits) => Param::Real(f64::from_bits(*bits)),
            Self::Text(text) => Param::Owned(text.clone()),
        })
    }
}

/// Seals and opens cursors. Clones share the key.
#[derive(Clone)]
pub struct CursorKey(Arc<hmac::Key>);

impl CursorKey {
    pub fn new(secret: &[u8]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    fn tag(&self, question: &[&str], body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"cursor");
        for part in question {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(body);
        context.sign()
    }

    /// The cursor for a position in the answer to `question` (what is listed, filter, sort).
    pub fn seal(&self, question: &[&str], position: &Position) -> String {
        let body = serde_json::to_vec(position).unwrap_or_default();
        let tag = self.tag(question, &body);
        let mut sealed = tag.as_ref()[..SEAL].to_vec();
        sealed.extend_from_slice(&body);
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    pub fn open(&self, question: &[&str], cursor: &str) -> Result<Position> {
        let refused = || {
            let message = "This cursor belongs to another filter or sort, or was changed. Start again without it.";
            Error::invalid_at("/cursor", "invalid_cursor", message)
        };
        if cursor.len() > LENGTH {
            return Err(refused());
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let (seal, body) = sealed.split_at_checked(SEAL).ok_or_else(refused)?;
        let tag = self.tag(question, body);
        aws_lc_rs::constant_time::verify_slices_are_equal(&tag.as_ref()[..SEAL], seal).map_err(|_| refused())?;
        serde_json::from_slice(body).map_err(|_| refused())
    }
}
