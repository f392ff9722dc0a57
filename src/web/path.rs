//! `At<T>`: what stands in the path. A malformed id is a 404, like one that does not exist.

use crate::error::Error;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Path};
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};

/// `At<Id>`, or `At<(String, Id)>` for two segments.
#[derive(Debug)]
pub struct At<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for At<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = Path::<T>::from_request(request, payload).into_inner();
        ready(path.map(|path| Self(path.into_inner())).map_err(|_| Error::not_found()))
    }
}
