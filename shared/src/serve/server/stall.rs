//! Ends TLS connections on which a client has taken nothing of a body for too long. The kernel's own
//! time-out, which plain connections have (see [`HttpLimits::write_stall_timeout`]), does not see a
//! client that takes every packet and opens no window of HTTP/2: flow control there is above TCP.
//!
//! [`HttpLimits::write_stall_timeout`]: super::HttpLimits::write_stall_timeout

use std::{
    any::Any,
    cell::Cell,
    os::fd::OwnedFd,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    body::{BodySize, MessageBody},
    dev::{Extensions, ServiceResponse},
    rt::net::TcpStream,
};
use bytes::Bytes;
use prometheus::{IntCounter, Registry};
use rustix::net::Shutdown;
use tokio::time::{Duration, Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

/// How long clients may take nothing, and how many have lost their connection for it.
#[derive(Clone)]
pub(super) struct Stalls {
    after: Duration,
    ended: IntCounter,
}

/// The socket under a TLS connection, to end it from the side. Kept with the connection.
#[derive(Clone)]
struct Wire {
    socket: Arc<OwnedFd>,
    stalls: Stalls,
}

impl Stalls {
    /// A registry takes one of these.
    pub(super) fn new(after: Duration, registry: &Registry) -> Result<Self, prometheus::Error> {
        let ended = IntCounter::new(
            "http_server_stalled_total",
            "TLS connections ended because the client took nothing of an answer for too long",
        )?;
        registry.register(Box::new(ended.clone()))?;
        Ok(Self { after, ended })
    }

    /// Notes the socket of a TLS connection in what is kept with it.
    pub(super) fn on_connect(&self, connection: &dyn Any, kept: &mut Extensions) {
        let Some(tls) = connection.downcast_ref::<TlsStream<TcpStream>>() else {
            return;
        };
        match rustix::io::fcntl_dupfd_cloexec(tls.get_ref().0, 0) {
            Ok(socket) => {
                kept.insert(Wire {
                    socket: Arc::new(socket),
                    stalls: self.clone(),
                });
            }
            Err(error) => tracing::warn!(%error, "a slow client of TLS cannot be watched"),
        }
    }
}

/// The answer with its body watched, if it goes out by TLS.
pub(super) fn watch<B: MessageBody>(answer: ServiceResponse<B>) -> ServiceResponse<Watched<B>> {
    let wire = answer.request().conn_data::<Wire>().cloned();
    answer.map_body(|_, body| {
        let has_bytes = !matches!(body.size(), BodySize::None | BodySize::Sized(0));
        let watch = wire.filter(|_| has_bytes).map(|wire| {
            let taken: Taken = Rc::default();
            let watching = wire.end_when_stalled(taken.clone());
            let watching = AbortOnDropHandle::new(actix_web::rt::spawn(watching));
            (taken, watching)
        });
        Watched { body, watch }
    })
}

/// Since when a piece has been on its way to the client. `None` while one is awaited from the body,
/// which is not the client's fault.
type Taken = Rc<Cell<Option<Instant>>>;

impl Wire {
    async fn end_when_stalled(self, handed: Taken) {
        let after = self.stalls.after;
        loop {
            let waited = handed.get().map_or(Duration::ZERO, |since| since.elapsed());
            if waited >= after {
                break;
            }
            sleep(after - waited).await;
        }
        self.stalls.ended.inc();
        tracing::debug!(
            after_ms = after.as_millis(),
            "a client of TLS takes nothing"
        );
        // It may be gone already.
        let _ = rustix::net::shutdown(&*self.socket, Shutdown::Both);
    }
}

pin_project_lite::pin_project! {
    /// A body that is asked for its next piece when the client has taken the one before, or its
    /// connection ends.
    pub struct Watched<B> {
        #[pin]
        body: B,
        watch: Option<(Taken, AbortOnDropHandle<()>)>,
    }
}

impl<B: MessageBody> MessageBody for Watched<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if let Some((taken, _)) = this.watch {
            taken.set(None);
        }
        let piece = ready!(this.body.poll_next(cx));
        if let Some((taken, _)) = this.watch {
            taken.set(Some(Instant::now()));
        }
        Poll::Ready(piece)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        match self.watch {
            Some(_) => Err(self),
            None => {
                let bytes = self.body.try_into_bytes();
                bytes.map_err(|body| Self { body, watch: None })
            }
        }
    }
}
