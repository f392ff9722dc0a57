//! Calls to the authority, held to the rules for all calls outside.

use crate::outbound::{Outbound, Target};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::pin::Pin;

pub(super) struct Authority(pub Outbound);

type Answering = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl HttpClient for Authority {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answering {
        let outbound = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_or_else(|never| match never {}, Collected::to_bytes);
            let target = Target::parse(&head.uri.to_string()).map_err(|why| Error::Other(Box::new(why)))?;
            let called = outbound.call(head.method, &target, head.headers, body).await;
            let (headers, answer) = called.map_err(|why| Error::Other(Box::new(why)))?;
            let mut response = Response::builder().status(answer.status).body(Full::new(Bytes::from(answer.body)))?;
            *response.headers_mut() = headers;
            Ok(BytesResponse::from(response))
        })
    }
}
