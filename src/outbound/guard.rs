//! Judges hosts and what they resolve to, for each connection anew.

use super::{
    address::special,
    failure::{Failure, Refused},
    target::Named,
};
use crate::config::Peer;
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Where names become addresses.
pub trait Names: Send + Sync {
    fn look_up(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// What the system's resolver says.
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

#[derive(Clone)]
pub(super) struct Guard {
    pub allow: Arc<ArcSwap<Vec<Peer>>>,
    pub names: Arc<dyn Names>,
    pub patience: Duration,
}

impl Guard {
    /// Judges what can be judged without asking anybody.
    pub fn judge(&self, host: Named<'_>, port: u16) -> Result<(), Refused> {
        match host {
            Named::Address(address) => self.judge_address(&address.to_string(), address, port),
            Named::Name(name) if is_local(name) && !self.is_allowed_host(name, port) => {
                Err(refused(name, "this machine itself"))
            }
            Named::Name(_) => Ok(()),
        }
    }

    /// The addresses to connect to. One that must not be called spoils them all: an honest host has none such.
    pub async fn resolve(&self, host: Named<'_>, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        self.judge(host, port)?;
        let name = match host {
            Named::Address(address) => return Ok(vec![(address, port).into()]),
            Named::Name(name) => name,
        };
        let unresolved = || Failure::Unresolved(name.to_owned());
        let found = tokio::time::timeout(self.patience, self.names.look_up(name)).await;
        let found = found.map_err(|_| unresolved())?.map_err(|_| unresolved())?;
        if found.is_empty() {
            return Err(unresolved());
        }
        if !self.is_allowed_host(name, port) {
            found.iter().try_for_each(|address| self.judge_address(name, *address, port))?;
        }
        Ok(found.into_iter().map(|address| (address, port).into()).collect())
    }

    fn judge_address(&self, called: &str, address: IpAddr, port: u16) -> Result<(), Refused> {
        match special(address) {
            Some(kind) if !self.allow.load().iter().any(|peer| peer.covers(address, port)) => {
                Err(refused(called, kind.words()))
            }
            _ => Ok(()),
        }
    }

    fn is_allowed_host(&self, name: &str, port: u16) -> bool {
        self.allow.load().iter().any(|peer| peer.is_host(name, port))
    }
}

/// Names that mean this machine wherever they are asked for (RFC 6761).
fn is_local(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

fn refused(called: &str, what: &str) -> Refused {
    Refused(format!("{called} is not called, since it is {what}. Where it should be, list it under outbound.allow."))
}
