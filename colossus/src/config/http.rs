//! `[http]`: the public interface.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use shared::serve::server::{HttpLimits, tls::TlsFiles};

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the public interface; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key: HTTPS with HTTP/2. Absent: plain HTTP/1.1.
    pub tls: Option<TlsFiles>,
    /// Limits of the server.
    pub limits: HttpLimits,
    /// Serve objects to everybody as soon as they are stored, not only when they are accepted.
    pub serve_pending: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 3333)),
            tls: None,
            limits: HttpLimits::default(),
            serve_pending: false,
        }
    }
}
