//! Ports: the preferred one if it is free, else any free one.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
};

/// How ports are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPolicy {
    /// The preferred port, or any free one if it is taken.
    PreferOrFree,
    /// The preferred port or an error.
    Exactly,
}

/// A port that is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody else listens there.
    #[error(
        "port {port} for {part} is taken by another program: stop it, or leave out --exact-ports to use a free port"
    )]
    Taken {
        /// Who wanted it.
        part: String,
        /// The port.
        port: u16,
    },
    /// The system gives no port at all.
    #[error("no free port for {part}: {source}")]
    NoneFree {
        /// Who wanted it.
        part: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Hands out each port once.
#[derive(Debug)]
pub struct Ports {
    policy: PortPolicy,
    given: BTreeSet<u16>,
}

impl Ports {
    /// Nothing handed out yet.
    pub fn new(policy: PortPolicy) -> Self {
        Self {
            policy,
            given: BTreeSet::new(),
        }
    }

    /// A loopback TCP port on which nobody listens now. Between this look and the part's own bind
    /// somebody may still take it; the part then says so itself.
    pub fn take(&mut self, part: &str, preferred: u16) -> Result<u16, PortError> {
        let port = if !self.given.contains(&preferred) && bind(preferred).is_ok() {
            preferred
        } else if self.policy == PortPolicy::Exactly {
            return Err(PortError::Taken {
                part: part.to_owned(),
                port: preferred,
            });
        } else {
            self.any_free(part)?
        };
        self.given.insert(port);
        Ok(port)
    }

    fn any_free(&self, part: &str) -> Result<u16, PortError> {
        loop {
            let port = bind(0).map_err(|source| PortError::NoneFree {
                part: part.to_owned(),
                source,
            })?;
            if !self.given.contains(&port) {
                return Ok(port);
            }
        }
    }
}

fn bind(port: u16) -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced_or_refused_by_name() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = holder.local_addr().unwrap().port();

        let mut ports = Ports::new(PortPolicy::PreferOrFree);
        let other = ports.take("chain", taken).unwrap();
        assert_ne!(other, taken);
        assert_ne!(
            ports.take("indexer", other).unwrap(),
            other,
            "no port is given twice"
        );

        let refused = Ports::new(PortPolicy::Exactly)
            .take("chain", taken)
            .unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains(&taken.to_string()) && text.contains("chain"),
            "{text}"
        );
    }
}
