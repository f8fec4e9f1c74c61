//! Which client a request comes from: the peer's address, or what trusted proxies in front of the node
//! say of it. Pure.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A network, as in 10.0.0.0/8; a single address is one, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a network; examples: 10.0.0.0/8, fd00::/8, 192.0.2.1")]
pub struct NotANetwork(String);

impl Network {
    /// Does the address lie within it?
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let text = text.trim();
        let network = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| NotANetwork(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

/// What makes a client one client: its IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(IpAddr);

impl ClientKey {
    /// The sender of a request: what trusted proxies say, else the address of the connection. All
    /// requests without one, as in tests, are of one client.
    pub fn of(request: &HttpRequest, trusted: &[Network]) -> Self {
        let unknown = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let peer = request.peer_addr().map_or(unknown, |peer| peer.ip());
        client_address(peer, request.headers(), trusted).into()
    }

    /// Its address, or that of its network.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for ClientKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(Ipv6Addr::from_bits(network).into())
            }
            address => Self(address),
        }
    }
}

/// The client's address. Only proxies of these networks are believed; of what they hand on, the
/// rightmost address that is not one of theirs counts, since everything left of it may be invented.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|it| it.contains(*address));
    if trusted.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let mut nearest = peer;
    for named in handed_on(headers).into_iter().rev() {
        let Some(address) = named else { break };
        nearest = address;
        if !is_trusted(&address) {
            break;
        }
    }
    nearest
}

/// The addresses that proxies named, the client's first; `None` where one named something else.
fn handed_on(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = |name| headers.get_all(name).filter_map(|line| line.to_str().ok());
    let forwarded: Vec<_> = lines(header::FORWARDED)
        .flat_map(|line| line.split(','))
        .map(|element| {
            let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
            let (_, node) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case("for"))?;
            address_of(node)
        })
        .collect();
    if !forwarded.is_empty() {
        return forwarded;
    }
    lines(header::X_FORWARDED_FOR)
        .flat_map(|line| line.split(','))
        .map(address_of)
        .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `"[2001:db8::1]:80"`, `2001:db8::1`.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::{
        http::header::{HeaderName, HeaderValue},
        test::TestRequest,
    };

    use super::*;

    #[test]
    fn a_request_is_its_connections_or_what_the_proxy_says() {
        let request = TestRequest::default()
            .peer_addr("10.0.0.1:5".parse().unwrap())
            .insert_header((header::X_FORWARDED_FOR, "192.0.2.9, 2001:db8::7"))
            .to_http_request();
        let key = |address: &str| ClientKey::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(ClientKey::of(&request, &[]), key("10.0.0.1"));
        let proxy = ["10.0.0.1".parse().unwrap()];
        assert_eq!(ClientKey::of(&request, &proxy), key("2001:db8::ffff"));
    }

    #[test]
    fn proxies_are_believed_only_if_they_are_trusted() {
        let trusted: Vec<Network> = ["10.0.0.0/8", "fd00::/8"]
            .map(|it| it.parse().unwrap())
            .into();
        let xff = "x-forwarded-for";
        for (peer, name, value, client) in [
            ("203.0.113.9", xff, "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", xff, "198.51.100.1", "198.51.100.1"),
            ("::ffff:10.0.0.1", xff, "198.51.100.1", "198.51.100.1"),
            ("fd00::1", xff, "2001:db8::7", "2001:db8::7"),
            // The client invents what stands left of what the proxy saw.
            ("10.0.0.1", xff, "192.0.2.1, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", xff, "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", xff, "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", xff, "198.51.100.1:8080", "198.51.100.1"),
            ("10.0.0.1", xff, "unknown", "10.0.0.1"),
            ("10.0.0.1", xff, "198.51.100.1, junk, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", xff, "", "10.0.0.1"),
            ("10.0.0.1", "x-other", "198.51.100.1", "10.0.0.1"),
            ("10.0.0.1", "forwarded", "for=198.51.100.1", "198.51.100.1"),
            (
                "10.0.0.1",
                "forwarded",
                "by=x;For=\"[2001:db8::1]:80\";proto=https, for=10.0.0.9",
                "2001:db8::1",
            ),
            ("10.0.0.1", "forwarded", "for=_hidden", "10.0.0.1"),
            ("10.0.0.1", "forwarded", "proto=https", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_static(value);
            headers.insert(HeaderName::from_static(name), value.clone());
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            let wanted: IpAddr = client.parse().unwrap();
            assert_eq!(found, wanted, "{peer} {name}: {value:?}");
            assert_eq!(
                client_address(peer.parse().unwrap(), &headers, &[]),
                peer.parse::<IpAddr>().unwrap()
            );
        }
    }

    #[test]
    fn networks_are_read_and_nonsense_is_named() {
        for (text, printed) in [("10.0.0.0/8", "10.0.0.0/8"), ("192.0.2.1", "192.0.2.1/32")] {
            assert_eq!(String::from(text.parse::<Network>().unwrap()), printed);
        }
        let error = "10.0.0.0/99".parse::<Network>().unwrap_err();
        assert!(error.to_string().contains("10.0.0.0/99"), "{error}");
    }

    #[test]
    fn a_customer_is_an_ipv4_address_or_a_64() {
        let key = |text: &str| ClientKey::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::9"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
