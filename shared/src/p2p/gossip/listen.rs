//! Where peers are awaited. libp2p opens its TCP ports so that others of the same user may open them as
//! well (`SO_REUSEPORT`, which it needs to dial from the port it listens on); two nodes on one port would
//! then each get a part of the connections, and neither would say so. So a port is tried first without that.

use std::{io, net::SocketAddr};

use crate::p2p::swarm::NodeBehaviour;
use libp2p::{Multiaddr, Swarm, TransportError, core::transport::ListenerId, multiaddr::Protocol};
use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket, sockopt};

/// It cannot be listened there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program, or another line of the same list, has the port.
    #[error(
        "cannot listen for peers on {address}: the port is taken; choose another one in p2p.listen (--p2p-listen), or stop what uses it: ss -ltnp 'sport = :{port}'"
    )]
    Taken {
        /// The address.
        address: Multiaddr,
        /// Its port.
        port: u16,
    },
    /// The address is not of a kind that is spoken here.
    #[error(
        "cannot listen for peers on {address}: addresses of p2p.listen are like /ip4/0.0.0.0/tcp/3336 or /ip6/::/tcp/3336"
    )]
    Kind {
        /// The address.
        address: Multiaddr,
    },
    /// The system refuses.
    #[error("cannot listen for peers on {address}: {cause}; correct p2p.listen")]
    System {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Listens there, if nobody else does. Two nodes that start within the same millisecond are not kept apart.
pub fn listen(
    swarm: &mut Swarm<NodeBehaviour>,
    address: &Multiaddr,
) -> Result<ListenerId, ListenError> {
    let address = address.clone();
    let Some(at) = tcp_address(&address) else {
        return Err(ListenError::Kind { address });
    };
    if let Err(cause) = try_alone(at) {
        return Err(refused(address, at, cause));
    }
    swarm
        .listen_on(address.clone())
        .map_err(|error| match error {
            TransportError::MultiaddrNotSupported(address) => ListenError::Kind { address },
            TransportError::Other(cause) => refused(address, at, cause),
        })
}

fn refused(address: Multiaddr, at: SocketAddr, cause: io::Error) -> ListenError {
    match cause.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken {
            address,
            port: at.port(),
        },
        _ => ListenError::System { address, cause },
    }
}

/// The address of `/ip4/…/tcp/…` and `/ip6/…/tcp/…`; there is no other transport.
pub fn tcp_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match (parts.next()?, parts.next()) {
        (Protocol::Tcp(port), None) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// Takes the address as libp2p would, but for oneself alone, and lets go of it again. What is left of
/// connections of an earlier run is no obstacle.
fn try_alone(at: SocketAddr) -> io::Result<()> {
    let family = match at {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket(family, SocketType::STREAM, Some(ipproto::TCP))?;
    if at.is_ipv6() {
        // Else the address of all interfaces would be that of IPv4 as well.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    Ok(bind(&socket, &at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_addresses_are_read_from_multiaddresses() {
        for (text, address) in [
            ("/ip4/0.0.0.0/tcp/3336", Some("0.0.0.0:3336")),
            ("/ip6/::1/tcp/1", Some("[::1]:1")),
            ("/ip4/0.0.0.0/udp/1/quic-v1", None),
            ("/ip4/0.0.0.0/tcp/1/ws", None),
            ("/dns4/x/tcp/1", None),
        ] {
            let read = tcp_address(&text.parse().unwrap());
            assert_eq!(read, address.map(|a| a.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_one_has_on_ipv4_is_free_on_ipv6() {
        let Ok(taken) = std::net::TcpListener::bind("0.0.0.0:0") else {
            panic!("there is IPv4");
        };
        let port = taken.local_addr().unwrap().port();
        let refused = try_alone(SocketAddr::new([0; 4].into(), port)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        // Where there is no IPv6 this says so in another way.
        let six = try_alone(SocketAddr::new([0u16; 8].into(), port));
        assert!(!six.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
    }
}
