//! The one handle that calls out.

use super::{
    failure::{Failure, Refused, told},
    guard::{Guard, Names, SystemNames},
    target::{Named, Target},
};
use crate::{
    config::{self, Live},
    error::{Error, Result},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use moka::sync::Cache;
use reqwest::{
    Client, Method,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// What a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To resolve the host and connect.
    pub connect: Duration,
    /// In all, the answer included.
    pub whole: Duration,
    /// Bytes of an answer that are read.
    pub answer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), whole: Duration::from_secs(30), answer: 64 << 10 }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// As much as was read.
    pub body: Vec<u8>,
    /// There was more, or it did not come in time.
    pub cut: bool,
    pub took: Duration,
}

/// Calls out. Clones share it.
#[derive(Clone)]
pub struct Outbound {
    guard: Guard,
    limits: Limits,
    /// By port, since what may be connected to depends on it and the client's resolver only hears of names.
    clients: Cache<u16, Client>,
}

impl Outbound {
    pub fn new(config: &Live) -> Self {
        let outbound = Self::with(&config.load().outbound, Arc::new(SystemNames), Limits::default());
        let changed = outbound.clone();
        config.subscribe(move |config| {
            changed.guard.allow.store(Arc::new(config.outbound.allow.clone()));
            // Kept connections were judged by what held before.
            changed.clients.invalidate_all();
        });
        outbound
    }

    /// With a resolver and limits of one's own.
    pub fn with(settings: &config::Outbound, names: Arc<dyn Names>, limits: Limits) -> Self {
        let guard =
            Guard { allow: Arc::new(ArcSwap::from_pointee(settings.allow.clone())), names, patience: limits.connect };
        let clients = Cache::builder().max_capacity(16).time_to_idle(Duration::from_secs(120)).build();
        Self { guard, limits, clients }
    }

    /// The same with less time for a call.
    pub fn within(&self, whole: Duration) -> Self {
        let mut shorter = self.clone();
        shorter.limits.whole = whole.min(self.limits.whole);
        shorter
    }

    /// Refuses a target that must not be called, as far as can be told now: a host that does not resolve at the
    /// moment passes, and is judged again whenever it is connected to.
    pub async fn check(&self, target: &Target) -> Result<(), Refused> {
        match self.guard.resolve(target.host(), target.port()).await {
            Err(Failure::Refused(refused)) => Err(refused),
            _ => Ok(()),
        }
    }

    /// Addresses of a host that may be connected to at this port, for protocols other than HTTP. Connect to one of
    /// these: the name may resolve to something else the next time.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let mut parsed = None;
        let named = Named::parse(host, &mut parsed).map_err(Failure::from)?;
        Ok(self.guard.resolve(named, port).await?)
    }

    /// Whether something listens at a host and port; nothing is said to it.
    pub async fn reaches(&self, host: &str, port: u16) -> Result<()> {
        let addresses = self.resolve(host, port).await?;
        self.connects(&addresses).await
    }

    /// [`Outbound::reaches`] for a target.
    pub async fn reaches_target(&self, target: &Target) -> Result<()> {
        let addresses = self.guard.resolve(target.host(), target.port()).await?;
        self.connects(&addresses).await
    }

    async fn connects(&self, addresses: &[SocketAddr]) -> Result<()> {
        let connected = tokio::time::timeout(self.limits.connect, TcpStream::connect(addresses)).await;
        connected
            .map_err(Error::internal)?
            .map(drop)
            .map_err(|cause| Error::unavailable("Nothing answers.").caused_by(cause))
    }

    /// Posts to a target and reads its answer. A refused one, whatever its status, is an answer too.
    pub async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| Failure::Broken)?;
            all.insert(HeaderName::from_static(name), value);
        }
        self.call(Method::POST, target, all, body).await.map(|(_, answer)| answer)
    }

    /// Any call, and the headers of its answer.
    pub async fn call(
        &self,
        method: Method,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(HeaderMap, Answer), Failure> {
        let begun = Instant::now();
        self.guard.judge(target.host(), target.port())?;
        let client = self.client(target.port())?;
        let request = client.request(method, target.url().clone()).headers(headers).body(body);
        let mut response = tokio::time::timeout(self.limits.whole, request.send())
            .await
            .map_err(|_| Failure::TimedOut)?
            .map_err(|error| told(&error))?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let (mut read, mut cut) = (Vec::new(), false);
        let rest = async {
            loop {
                match response.chunk().await {
                    Ok(Some(chunk)) => {
                        let room = self.limits.answer - read.len();
                        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
                        if chunk.len() > room {
                            return true;
                        }
                    }
                    Ok(None) => return false,
                    Err(_) => return true,
                }
            }
        };
        let left = self.limits.whole.saturating_sub(begun.elapsed());
        cut |= tokio::time::timeout(left, rest).await.unwrap_or(true);
        Ok((headers, Answer { status, body: read, cut, took: begun.elapsed() }))
    }

    /// A client for longer exchanges with a target that may be called, such as a store elsewhere. It must not be kept:
    /// what may be called changes.
    pub(crate) fn exchange(&self, target: &Target) -> Result<Client, Failure> {
        self.guard.judge(target.host(), target.port())?;
        self.client(target.port())
    }

    fn client(&self, port: u16) -> Result<Client, Failure> {
        let build = || {
            Client::builder()
                .user_agent(concat!("Portcullis/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .redirect(Policy::none())
                .connect_timeout(self.limits.connect)
                .read_timeout(self.limits.whole)
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(2)
                .dns_resolver(Arc::new(Judged { guard: self.guard.clone(), port }))
                .build()
        };
        self.clients.try_get_with(port, build).map_err(|error| told(&error))
    }
}

/// Gives the client only addresses that may be called at this port.
struct Judged {
    guard: Guard,
    port: u16,
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, port) = (self.guard.clone(), self.port);
        Box::pin(async move {
            let addresses = guard.resolve(Named::Name(name.as_str()), port).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
