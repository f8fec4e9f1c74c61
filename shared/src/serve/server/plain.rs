//! Servers without TLS: actix-web's own way from a socket to an application, put together by hand because
//! its `HttpServer` takes no other sockets than its own, and ours have a [lane](crate::serve::lane).

use std::{fmt, io, net::TcpListener};

use actix_http::{HttpService, Request, Response};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service,
    map_config,
};
use actix_web::{
    body::MessageBody,
    dev::{AppConfig, Server},
    rt::net::TcpStream,
};

use super::{Door, HttpLimits};
use crate::serve::lane::{self, Lane, LaneSocket};

/// A server of this application on a listening socket, ready to run.
pub(super) fn serve<F, I, S, B>(
    limits: &HttpLimits,
    door: Door,
    listener: TcpListener,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let builder = Server::build()
        .workers(limits.workers())
        .max_concurrent_connections(limits.connections_per_worker_max())
        .worker_max_blocking_threads(limits.blocking_threads_max)
        .shutdown_timeout(limits.shutdown_timeout.0.as_secs())
        .disable_signals();
    let (limits, stopping) = (limits.clone(), builder.graceful_shutdown_signal());
    let service = move || {
        let app = app().into_factory();
        let app = app.map_err(|error| error.into().error_response());
        let app = map_config(app, |()| AppConfig::default());
        let app = apply_fn_factory(app, lane::answer);
        let (door, stopping) = (door.clone(), stopping.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(limits.keep_alive.0)
            .client_request_timeout(limits.header_timeout.0)
            .client_disconnect_timeout(limits.disconnect_timeout.0)
            .local_addr(address)
            .on_connect_ext(move |socket: &LaneSocket<TcpStream>, kept| {
                door.on_connect(socket.socket(), kept);
                kept.insert::<Lane>(socket.lane());
            })
            .h1(app);
        fn_service(async |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            // It fails for a client that has gone again, which the first read finds out.
            let _ = stream.set_nodelay(true);
            Ok((LaneSocket::new(stream), peer))
        })
        .and_then(http)
    };
    Ok(builder.listen("public", listener, service)?.run())
}
