//! A line to the chain that can be cut.

use anyhow::Result;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Forwards connections until it is cut or dropped.
pub struct Line {
    /// Where to connect to.
    pub url: String,
    forwarding: JoinHandle<()>,
}

impl Line {
    /// A line to this port.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("ws://{}", listener.local_addr()?);
        let forwarding = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await {
                        // Whoever ends it ends it.
                        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Ok(Self { url, forwarding })
    }

    /// Breaks all connections and takes no more.
    pub fn cut(&self) {
        self.forwarding.abort();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
    }
}
