//! What the edge knows of a request before anyone asks who is calling.

use std::{cell::Cell, net::IpAddr, sync::Arc, time::Instant};

#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// The caller's own when it is well formed, else a new one.
    pub id: Arc<str>,
    /// The client's address, through trusted proxies.
    pub ip: Option<IpAddr>,
    /// Asked for without the version in the path.
    pub unversioned: bool,
    pub started: Instant,
    /// Where the request is counted, once a route has taken it.
    pub place: Cell<Option<u16>>,
}
