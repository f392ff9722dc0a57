//! Which addresses are on the public internet. What the registries of special addresses (RFC 6890 and its
//! successors) set aside is not; an IPv4 address in IPv6 clothes is judged as what it stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Unspecified,
    Loopback,
    Private,
    LinkLocal,
    SharedCarrier,
    UniqueLocal,
    Multicast,
    Documentation,
    Benchmarking,
    Tunnel,
    Reserved,
}

impl Special {
    /// To follow "is".
    pub fn words(self) -> &'static str {
        match self {
            Self::Unspecified => "no address to call",
            Self::Loopback => "this machine itself (loopback)",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address, where clouds keep their metadata",
            Self::SharedCarrier => "an address inside a carrier's network",
            Self::UniqueLocal => "a unique-local address, which is private",
            Self::Multicast => "a multicast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Tunnel => "an address that a tunnel leads elsewhere",
            Self::Reserved => "a reserved address",
        }
    }
}

/// None for a public address.
pub fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    use Special::{
        Benchmarking, Documentation, LinkLocal, Loopback, Multicast, Private, Reserved, SharedCarrier, Unspecified,
    };
    match address.octets() {
        [0, 0, 0, 0] => Some(Unspecified),
        [127, ..] => Some(Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Private),
        [169, 254, ..] => Some(LinkLocal),
        [100, 64..=127, ..] => Some(SharedCarrier),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(Documentation),
        [198, 18..=19, ..] => Some(Benchmarking),
        [224..=239, ..] => Some(Multicast),
        [0 | 240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] => Some(Reserved),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    use Special::{Documentation, LinkLocal, Loopback, Multicast, Private, Reserved, Tunnel, UniqueLocal, Unspecified};
    let embedded = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Loopback),
        // Mapped, and by the well-known prefix of NAT64 (RFC 6052): what it stands for.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => special_v4(embedded(high, low)),
        // Compatible and translated (RFC 4291, 2765), both out of use: never public.
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low] => Some(special_v4(embedded(high, low)).unwrap_or(Reserved)),
        // 6to4: the address is the way out.
        [0x2002, high, low, ..] => Some(special_v4(embedded(high, low)).unwrap_or(Tunnel)),
        // Teredo keeps the address with its bits turned around.
        [0x2001, 0, _, _, _, _, high, low] => Some(special_v4(embedded(!high, !low)).unwrap_or(Tunnel)),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Documentation),
        [0x2001, 2, 0, ..] => Some(Special::Benchmarking),
        [0x2001, 0..=0x1ff, ..] => Some(Reserved),
        // ISATAP: the address that the network carries it to.
        [.., 0 | 0x200, 0x5efe, high, low] if special_v4(embedded(high, low)).is_some() => {
            special_v4(embedded(high, low))
        }
        [0x2000..=0x3fff, ..] => None,
        [0xfc00..=0xfdff, ..] => Some(UniqueLocal),
        [0xfe80..=0xfebf, ..] => Some(LinkLocal),
        [0xfec0..=0xfeff, ..] => Some(Private),
        [0xff00..=0xffff, ..] => Some(Multicast),
        _ => Some(Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Option<Special> {
        special(text.parse().unwrap())
    }

    #[test]
    fn the_public_internet_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "169.253.1.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::200e",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(judged(public), None, "{public}");
        }
    }

    #[test]
    fn what_is_set_aside_is_not() {
        use Special::*;
        for (address, kind) in [
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Reserved),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("169.254.169.254", LinkLocal),
            ("100.64.0.1", SharedCarrier),
            ("100.127.255.255", SharedCarrier),
            ("192.0.0.1", Reserved),
            ("192.0.2.1", Documentation),
            ("198.51.100.1", Documentation),
            ("203.0.113.9", Documentation),
            ("198.18.0.1", Benchmarking),
            ("198.19.255.255", Benchmarking),
            ("192.88.99.1", Reserved),
            ("224.0.0.1", Multicast),
            ("239.1.1.1", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.255", Reserved),
            ("::", Unspecified),
            ("::1", Loopback),
            ("fc00::1", UniqueLocal),
            ("fd00:ec2::254", UniqueLocal),
            ("fe80::1", LinkLocal),
            ("fec0::1", Private),
            ("ff02::1", Multicast),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("2001:2::1", Benchmarking),
            ("2001:10::1", Reserved),
            ("100::1", Reserved),
            ("64:ff9b:1::1", Reserved),
            ("5f00::1", Reserved),
        ] {
            assert_eq!(judged(address), Some(kind), "{address}");
        }
    }

    #[test]
    fn an_address_in_other_clothes_is_what_it_stands_for() {
        use Special::*;
        for (address, kind) in [
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:a9fe:a9fe", LinkLocal),
            ("::127.0.0.1", Loopback),
            ("::8.8.8.8", Reserved),
            ("::ffff:0:127.0.0.1", Loopback),
            ("64:ff9b::169.254.169.254", LinkLocal),
            ("64:ff9b::10.0.0.1", Private),
            ("2002:7f00:1::", Loopback),
            ("2002:a9fe:a9fe::1", LinkLocal),
            ("2002:808:808::1", Tunnel),
            // Teredo of 127.0.0.1 and of 8.8.8.8.
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", Loopback),
            ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", Tunnel),
            ("2a00:1::5efe:10.0.0.1", Private),
        ] {
            assert_eq!(judged(address), Some(kind), "{address}");
        }
    }
}
