//! Who did something, for the audit log: a person, a key, the command line, or the system itself.

use crate::ids::Id;
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    User,
    ApiKey,
    Cli,
    System,
    Anonymous,
}

/// Who asks for a change, from where, and in which request.
#[derive(Clone, Debug)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: Option<Id>,
    pub label: Arc<str>,
    pub ip: Option<IpAddr>,
    pub request_id: Option<Arc<str>>,
    /// The break-glass under which it was done.
    pub elevation: Option<Id>,
}

impl Actor {
    pub fn new(kind: ActorKind, id: Option<Id>, label: impl Into<Arc<str>>) -> Self {
        Self { kind, id, label: label.into(), ip: None, request_id: None, elevation: None }
    }

    /// The program itself, with the reason why it acts.
    pub fn system(reason: &'static str) -> Self {
        Self::new(ActorKind::System, None, reason)
    }

    /// Somebody with a shell on the machine.
    pub fn cli() -> Self {
        Self::new(ActorKind::Cli, None, "command line")
    }

    pub fn anonymous() -> Self {
        Self::new(ActorKind::Anonymous, None, "anonymous")
    }

    /// Marks what is done as belonging to an elevation.
    pub fn under(mut self, elevation: Id) -> Self {
        self.elevation = Some(elevation);
        self
    }

    pub fn from_request(mut self, ip: Option<IpAddr>, request_id: Option<Arc<str>>) -> Self {
        self.ip = ip;
        self.request_id = request_id;
        self
    }
}

/// The network that an address stands for where callers are told apart: an IPv4 address, also when it comes
/// as `::ffff:1.2.3.4`, is one; of IPv6 a /64 is one, since that is what a single customer gets (RFC 6177).
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_customer_are_one_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(network("1.2.3.4"), "1.2.3.4");
    }
}
