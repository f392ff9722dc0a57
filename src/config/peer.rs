//! Who may be called although they are not on the public internet.

use super::setting::Setting;
use ipnet::IpNet;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};
use toml::Value;

/// A host, an address or a network, with one port or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    host: PeerHost,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PeerHost {
    /// Whatever it resolves to. Lower case, no final dot.
    Name(String),
    Network(IpNet),
}

impl Peer {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(network) = text.parse() {
            return Some(Self { host: PeerHost::Network(network), port: None });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(Self { host: PeerHost::Network(address.ip().into()), port: Some(address.port()) });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self { host: PeerHost::Network(address.into()), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
            None => (text, None),
        };
        let host = match url::Host::parse(host).ok()? {
            url::Host::Domain(name) => PeerHost::Name(bare_name(&name).to_owned()),
            url::Host::Ipv4(address) => PeerHost::Network(IpAddr::from(address).into()),
            url::Host::Ipv6(address) => PeerHost::Network(IpAddr::from(address).into()),
        };
        let legal = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let good = !matches!(&host, PeerHost::Name(name) if name.is_empty() || !name.chars().all(legal));
        good.then_some(Self { host, port })
    }

    /// Whether it names this host, to be called at this port. The name is in lower case.
    pub fn is_host(&self, name: &str, port: u16) -> bool {
        self.port.is_none_or(|own| own == port) && matches!(&self.host, PeerHost::Name(own) if own == bare_name(name))
    }

    /// Whether this address and port belong to it.
    pub fn covers(&self, address: IpAddr, port: u16) -> bool {
        let canonical = address.to_canonical();
        self.port.is_none_or(|own| own == port)
            && matches!(&self.host, PeerHost::Network(own) if own.contains(&canonical) || own.contains(&address))
    }
}

fn bare_name(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            PeerHost::Name(name) => name.clone(),
            PeerHost::Network(network) if network.prefix_len() < network.max_prefix_len() => network.to_string(),
            PeerHost::Network(network) => match (network.addr(), self.port) {
                (IpAddr::V6(address), Some(_)) => format!("[{address}]"),
                (address, _) => address.to_string(),
            },
        };
        match self.port {
            Some(port) => write!(f, "{host}:{port}"),
            None => f.write_str(&host),
        }
    }
}

impl Setting for Peer {
    fn form() -> String {
        "a host, an address (both also with a port) or a network, such as hooks.internal:8080, 10.0.0.5 or 10.0.0.0/8"
            .into()
    }

    fn read(value: &Value) -> Option<Self> {
        Self::parse(value.as_str()?.trim())
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_read_back_as_they_are_written() {
        for text in
            ["hooks.internal", "hooks.internal:8080", "10.0.0.5", "10.0.0.5:80", "10.0.0.0/8", "::1", "[::1]:25"]
        {
            assert_eq!(Peer::parse(text).map(|peer| peer.to_string()).as_deref(), Some(text));
        }
        for bad in
            ["", "*", "a b", "host:0", "host:99999", "http://host", "10.0.0.0/40", "user@host", "*.internal", "host/x"]
        {
            assert!(Peer::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_port_narrows() {
        let peer = |text| Peer::parse(text).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(peer("10.0.0.5:80").covers(ip("10.0.0.5"), 80) && !peer("10.0.0.5:80").covers(ip("10.0.0.5"), 81));
        assert!(peer("10.0.0.0/8").covers(ip("::ffff:10.1.2.3"), 9) && !peer("10.0.0.0/8").covers(ip("11.0.0.1"), 9));
        assert!(
            peer("Hooks.Internal").is_host("hooks.internal.", 1)
                && !peer("hooks.internal:2").is_host("hooks.internal", 1)
        );
    }
}
