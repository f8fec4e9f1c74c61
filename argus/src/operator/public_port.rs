//! The public server, opened and closed while the node runs.

use std::{io, net::SocketAddr};

use actix_web::dev::{Server, ServerHandle};
use tokio::sync::Mutex;

/// Binds an address and makes a server of it. Port 0 takes a free one; the address in force is
/// returned.
pub type Bind = Box<dyn Fn(SocketAddr) -> io::Result<(SocketAddr, Server)> + Send + Sync>;

/// The port is in that state already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public port is {0} already")]
pub struct Already(&'static str);

/// Why the port was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is open.
    #[error(transparent)]
    Already(#[from] Already),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {cause}; is another process using the port?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// The public port: open or closed.
pub struct PublicPort {
    address: SocketAddr,
    bind: Bind,
    /// The server, while the port is open. The lock orders those who open and close.
    server: Mutex<Option<ServerHandle>>,
}

impl PublicPort {
    /// Opens the port for the first time. Needs an actix system, whose thread carries the server.
    pub fn open_at(address: SocketAddr, bind: Bind) -> Result<Self, OpenError> {
        let (address, server) = listen(&bind, address)?;
        Ok(Self {
            address,
            bind,
            server: Mutex::new(Some(server)),
        })
    }

    /// Where the port is, open or closed.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the port again.
    pub async fn open(&self) -> Result<(), OpenError> {
        let mut server = self.server.lock().await;
        if server.is_some() {
            return Err(Already("open").into());
        }
        *server = Some(listen(&self.bind, self.address)?.1);
        Ok(())
    }

    /// Closes the port: takes no more requests and lets those under way have their time.
    pub async fn close(&self) -> Result<(), Already> {
        let mut server = self.server.lock().await;
        let open = server.take().ok_or(Already("closed"))?;
        open.stop(true).await;
        Ok(())
    }
}

fn listen(bind: &Bind, address: SocketAddr) -> Result<(SocketAddr, ServerHandle), OpenError> {
    let (address, server) = bind(address).map_err(|cause| OpenError::Listen { address, cause })?;
    let handle = server.handle();
    // On the system's own thread: the operator's worker, which may ask for this, ends before.
    actix_web::rt::System::current()
        .arbiter()
        .spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the public server ended");
            }
        });
    Ok((address, handle))
}
