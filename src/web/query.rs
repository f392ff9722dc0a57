//! `Params<T>`: the query string, typed; unknown, repeated and wrong parameters are named.

use super::body::field_names;
use crate::error::{Error, Faults, Result};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};

#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> Params<T> {
    /// For handlers that look at the query only where there is one.
    pub fn read(request: &HttpRequest) -> Result<Self> {
        parse(request.query_string()).map(Self)
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Params<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T> {
    let mut faults = Faults::default();
    let known = field_names::<T>().unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&&*name) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("There is no parameter `{name}` here; there are {known}.");
            faults.push(format!("/{name}"), "unknown_parameter", message);
        } else if seen.iter().any(|other| *other == name) {
            faults.push(format!("/{name}"), "repeated", format!("The parameter `{name}` stands twice."));
        }
        seen.push(name.into_owned());
    }
    faults.into_result()?;
    let pairs = form_urlencoded::parse(query.as_bytes());
    let parts = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(parts).map_err(|cause| {
        let name = cause.path().to_string();
        Error::invalid_at(
            format!("/{name}"),
            "invalid",
            format!("The parameter `{name}` is not valid: {}.", cause.inner()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    struct Query {
        limit: Option<u32>,
        name: Option<String>,
    }

    #[test]
    fn parameters_are_typed_and_named() {
        let query: Query = parse("limit=5&name=a%20b").unwrap();
        assert_eq!((query.limit, query.name.as_deref()), (Some(5), Some("a b")));
        for bad in ["limit=-1", "limit=x", "limits=1", "name=a&name=b", "limit=18446744073709551616"] {
            let error = parse::<Query>(bad).unwrap_err();
            assert!(!error.faults()[0].pointer.is_empty(), "{bad}: {error:?}");
        }
    }
}
