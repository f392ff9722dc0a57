//! `At<T>`: what stands in the path. A malformed id is a 404, like one that does not exist.

use crate::{error::Error, ids::Id};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Path};
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};

/// `At<Id>`, or `At<(String, Id)>` for two segments.
#[derive(Debug)]
pub struct At<T>(pub T);

/// For handlers that take a body: what is wrong with it is said before an id that is none.
impl At<String> {
    pub fn id(&self) -> Result<Id, Error> {
        self.0.parse().map_err(|_| Error::not_found())
    }
}

impl At<(String, String)> {
    pub fn id(self) -> Result<(String, Id), Error> {
        let (above, id) = self.0;
        Ok((above, id.parse().map_err(|_| Error::not_found())?))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for At<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = Path::<T>::from_request(request, payload).into_inner();
        ready(path.map(|path| Self(path.into_inner())).map_err(|_| Error::not_found()))
    }
}
