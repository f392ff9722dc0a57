//! Who did something, for the audit log: a person, a key, the command line, or the system itself.

use crate::ids::Id;
use serde::Serialize;
use std::{net::IpAddr, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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
}

impl Actor {
    pub fn new(kind: ActorKind, id: Option<Id>, label: impl Into<Arc<str>>) -> Self {
        Self { kind, id, label: label.into(), ip: None, request_id: None }
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

    pub fn from_request(mut self, ip: Option<IpAddr>, request_id: Option<Arc<str>>) -> Self {
        self.ip = ip;
        self.request_id = request_id;
        self
    }
}
