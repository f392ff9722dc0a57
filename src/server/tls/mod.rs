//! Encryption by the server itself: a certificate from files or from an authority, exchanged while running.

mod acme;
mod authority;
mod files;
mod kept;
mod redirect;

use super::App;
use crate::{
    config,
    error::{Code, Error, Result},
};
use acme::Acme;
use arc_swap::ArcSwap;
use redirect::Challenges;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{net::SocketAddr, sync::Arc};
use tokio::task::JoinHandle;

/// The certificate that holds now.
#[derive(Debug)]
struct Holder(ArcSwap<CertifiedKey>);

impl Holder {
    fn new(first: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(first)))
    }

    fn exchange(&self, next: CertifiedKey) {
        self.0.store(Arc::new(next));
    }
}

impl ResolvesServerCert for Holder {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Where the certificate comes from.
enum Source {
    Files(files::Files),
    Authority(Box<Acme>),
}

/// What is needed to listen with encryption.
pub(super) struct Tls {
    holder: Arc<Holder>,
    source: Source,
    challenges: Challenges,
}

/// What runs beside the server for it.
pub(super) struct Beside {
    pub tasks: Vec<JoinHandle<()>>,
    pub redirect: Option<redirect::Redirect>,
}

impl Tls {
    /// None where the server does not encrypt by itself.
    pub fn open(app: &App) -> Result<Option<Self>> {
        let config = app.config.load();
        let challenges = Challenges::default();
        let (holder, source) = match (&config.tls.cert, &config.tls.key) {
            (Some(chain), Some(key)) => {
                let files = files::Files { chain: chain.clone(), key: key.clone() };
                let first = files.read().map_err(|why| Error::new(Code::Unavailable, why))?;
                (Holder::new(first), Source::Files(files))
            }
            _ if config.tls.acme_domains.is_empty() => return Ok(None),
            _ => {
                let acme = Acme::open(app, challenges.clone())?;
                (Holder::new(acme.first()?), Source::Authority(Box::new(acme)))
            }
        };
        Ok(Some(Self { holder, source, challenges }))
    }

    /// For the listener; it adds the protocols that it speaks.
    pub fn server_config(&self) -> Result<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(Error::internal)?;
        Ok(builder.with_no_client_auth().with_cert_resolver(self.holder.clone()))
    }

    /// Answers plain HTTP, and keeps the certificate fresh. `address` is where encrypted requests are answered.
    pub fn run_beside(self, app: &App, address: SocketAddr) -> Result<Beside> {
        let config = app.config.load();
        let redirect = config.tls.redirect_listen.map(|listen| {
            redirect::start(listen, address.port(), config.server.public_url.as_deref(), self.challenges)
        });
        let redirect = redirect.transpose()?;
        let holder = self.holder;
        let task = match self.source {
            Source::Files(files) => tokio::spawn(files.follow(holder)),
            Source::Authority(acme) => tokio::spawn(acme.keep(holder)),
        };
        Ok(Beside { tasks: vec![task], redirect })
    }
}

/// Where people reach a server that encrypts by itself and listens here.
pub(super) fn address(tls: &config::Tls, listening: SocketAddr) -> String {
    match (tls.acme_domains.first(), listening.port()) {
        (Some(name), 443) => format!("https://{name}"),
        (Some(name), port) => format!("https://{name}:{port}"),
        (None, _) => format!("https://{listening}"),
    }
}
