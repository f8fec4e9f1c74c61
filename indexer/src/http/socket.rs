//! Subscriptions over a WebSocket: `graphql-transport-ws`, and the older `graphql-ws`.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use async_graphql::{
    Data, Executor, Request, Response,
    http::{WebSocket, WebSocketProtocols, WsMessage},
};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use shared::api::{ApiError, ErrorKind};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;

use crate::{graphql::Api, metrics::Metrics};

/// WebSockets open at once.
const SOCKETS_MAX: i64 = 1_000;
/// Largest message of a client.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Messages of one client that may wait.
const MESSAGES_WAITING_MAX: usize = 16;
/// How often we ask whether the client is there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A client that says nothing for so long, not even to a ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// Queries and subscriptions of a socket, under the same rules as those of requests.
#[derive(Clone)]
struct ApiExecutor(Api);

impl Executor for ApiExecutor {
    async fn execute(&self, request: Request) -> Response {
        self.0.answer(request).await
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        self.0.stream(request, session)
    }
}

/// Counts a socket as long as it lives.
struct Counted(Metrics);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sockets.dec();
    }
}

/// Answers the upgrade; the conversation goes on by itself.
pub fn open(
    request: &HttpRequest,
    body: web::Payload,
    api: Api,
    metrics: Metrics,
) -> Result<HttpResponse, actix_web::Error> {
    let offered = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok());
    let protocol = offered
        .flat_map(|value| value.split(','))
        .find_map(|name| name.trim().parse::<WebSocketProtocols>().ok());
    let protocol = protocol.ok_or_else(|| {
        ApiError::new(
            ErrorKind::InvalidRequest,
            "the WebSocket must offer the sub-protocol graphql-transport-ws",
        )
    })?;
    if metrics.sockets.get() >= SOCKETS_MAX {
        metrics.sockets_refused.inc();
        return Err(ApiError::new(
            ErrorKind::Overloaded,
            format!("{SOCKETS_MAX} WebSockets are open already"),
        )
        .retry_after(30)
        .into());
    }
    let (mut response, session, messages) = actix_ws::handle(request, body)?;
    let name = header::HeaderValue::from_static(protocol.sec_websocket_protocol());
    response
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    metrics.sockets.inc();
    let counted = Counted(metrics);
    actix_web::rt::spawn(async move {
        converse(
            session,
            messages.max_frame_size(MESSAGE_BYTES_MAX),
            protocol,
            api,
        )
        .await;
        drop(counted);
    });
    Ok(response)
}

async fn converse(
    mut session: Session,
    mut messages: MessageStream,
    protocol: WebSocketProtocols,
    api: Api,
) {
    let (requests, waiting) = mpsc::channel::<Bytes>(MESSAGES_WAITING_MAX);
    let mut answers = std::pin::pin!(WebSocket::new(
        ApiExecutor(api),
        ReceiverStream::new(waiting),
        protocol
    ));
    let mut ping = tokio::time::interval(PING_EVERY);
    let mut heard = Instant::now();
    let reason = loop {
        tokio::select! {
            message = messages.recv() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        if requests.try_send(text.into_bytes()).is_err() {
                            break Some(CloseReason { code: CloseCode::Policy, description: Some("too many messages at once".into()) });
                        }
                    }
                    Some(Ok(Message::Ping(bytes))) => {
                        if session.pong(&bytes).await.is_err() {
                            return;
                        }
                    }
                    Some(Ok(Message::Pong(_) | Message::Nop)) => {}
                    Some(Ok(Message::Close(reason))) => break reason,
                    Some(Ok(Message::Binary(_) | Message::Continuation(_))) => break Some(CloseCode::Unsupported.into()),
                    Some(Err(_)) => break Some(CloseCode::Protocol.into()),
                    None => return,
                }
            }
            answer = answers.next() => match answer {
                Some(WsMessage::Text(text)) => {
                    if session.text(text).await.is_err() {
                        return;
                    }
                }
                Some(WsMessage::Close(code, description)) => {
                    break Some(CloseReason { code: CloseCode::Other(code), description: Some(description) });
                }
                None => break Some(CloseCode::Normal.into()),
            },
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE_MAX || session.ping(b"").await.is_err() {
                    break None;
                }
            }
        }
    };
    // The client may have left already.
    let _closed = session.close(reason).await;
}
