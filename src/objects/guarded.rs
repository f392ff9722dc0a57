//! HTTP for the bucket, under the same guard as every other call: an endpoint that is not on the public internet has to
//! be listed under `outbound.allow`.

use crate::outbound::{Failure, Outbound, Target};
use async_trait::async_trait;
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
};
use std::fmt;

#[derive(Clone)]
pub(super) struct Guarded(pub Outbound);

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded")
    }
}

impl HttpConnector for Guarded {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Guarded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let refused = |failure: Failure| {
            tracing::warn!(%failure, "the store of files is not called");
            HttpError::new(HttpErrorKind::Request, failure)
        };
        let target = Target::parse(&request.uri().to_string()).map_err(|why| refused(why.into()))?;
        let client = self.0.exchange(&target).map_err(refused)?;
        HttpService::call(&client, request).await
    }
}
