//! Addresses: subnets, transport tuples, and what counts as local to a machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address with the length of its network's prefix, as `ip addr` prints it: `10.0.1.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subnet {
    pub address: IpAddr,
    /// Bits, at most 32 for v4 and 128 for v6; larger values are read as the maximum.
    pub prefix: u8,
}

impl Subnet {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                shift == 32 || u32::from(a) >> shift == u32::from(b) >> shift
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                shift == 128 || u128::from(a) >> shift == u128::from(b) >> shift
            }
            _ => false,
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not ADDRESS/PREFIX")]
pub struct NotASubnet(String);

impl FromStr for Subnet {
    type Err = NotASubnet;

    fn from_str(text: &str) -> Result<Self, NotASubnet> {
        let wrong = || NotASubnet(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
    #[serde(other)]
    Unknown,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Unknown => "unknown",
        }
    }
}

/// An address and a port in 18 bytes, where `SocketAddr` takes 32 for flow labels and zones, which no report has. A v4
/// address is kept as the v6 one that stands for it, so that both are one here as in `canonical`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "SocketAddr", into = "SocketAddr")]
pub struct Packed {
    address: [u8; 16],
    port: u16,
}

impl Packed {
    pub fn get(self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }

    pub fn ip(self) -> IpAddr {
        canonical(Ipv6Addr::from(self.address).into())
    }

    pub fn port(self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for Packed {
    fn from(at: SocketAddr) -> Self {
        let address = match at.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { address: address.octets(), port: at.port() }
    }
}

impl From<Packed> for SocketAddr {
    fn from(packed: Packed) -> Self {
        packed.get()
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// The two ends of a conversation as one namespace sees them, from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tuple {
    pub from: SocketAddr,
    pub to: SocketAddr,
}

impl Tuple {
    pub fn reversed(self) -> Self {
        Self { from: self.to, to: self.from }
    }
}

/// A v4 address that a dual-stack socket shows as `::ffff:a.b.c.d` is that v4 address.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether the address means something inside one machine or link only, so that no other host can be meant by it.
pub fn is_confined(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4 == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(v6) => v6.is_loopback() || v6 == Ipv6Addr::UNSPECIFIED || (v6.segments()[0] & 0xffc0) == 0xfe80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subnet: &str, address: &str, inside: bool) {
        let subnet: Subnet = subnet.parse().unwrap();
        assert_eq!(subnet.contains(address.parse().unwrap()), inside, "{subnet} and {address}");
    }

    #[test]
    fn a_subnet_contains_the_addresses_under_its_prefix_only() {
        check("10.0.1.2/24", "10.0.1.255", true);
        check("10.0.1.2/24", "10.0.2.1", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("10.0.1.2/32", "10.0.1.3", false);
        check("fd00::/64", "fd00::1:2", true);
        check("fd00::/64", "fd00:0:0:1::", false);
        check("10.0.0.0/8", "::a00:1", false);
    }

    #[test]
    fn text_that_is_no_subnet_is_refused() {
        for text in ["10.0.0.1", "10.0.0.1/33", "x/8", "fd00::/129", "10.0.0.1/", ""] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_packed_is_what_was_put_in() {
        for text in ["10.0.0.1:80", "[fd00::1]:65535", "0.0.0.0:0", "[::]:0", "[::1]:53"] {
            let at: SocketAddr = text.parse().unwrap();
            assert_eq!(Packed::from(at).get(), at);
        }
        let (mapped, v4) = ("[::ffff:10.0.0.1]:80", "10.0.0.1:80");
        let [mapped, v4] = [mapped, v4].map(|text| Packed::from(text.parse::<SocketAddr>().unwrap()));
        assert_eq!(mapped, v4, "one address written in two ways");
        assert!(size_of::<Packed>() <= 18);
    }

    #[test]
    fn a_mapped_v4_address_is_the_v4_address() {
        assert_eq!(canonical("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
