//! What the public server says besides bytes: timings, refusals, readiness while it stops.

use shared::config::TimeSpan;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Manner, Origin, Setup, content};

#[actix_web::test]
async fn scripts_are_told_how_long_it_took() {
    let objects = [(1, content(1, 100_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    let timing = edge.get(1).await.header("server-timing").to_owned();
    let duration = timing.strip_prefix("cache;desc=miss, fill;dur=");
    let duration: f64 = duration
        .unwrap_or_else(|| panic!("{timing}"))
        .parse()
        .unwrap();
    assert!(duration > 0.0);
    edge.until_hit(1).await;
    let got = edge.get(1).await;
    assert_eq!(got.header("server-timing"), "cache;desc=hit");
    for header in [
        "content-range",
        "etag",
        "x-cache",
        "server-timing",
        "retry-after",
    ] {
        let exposed = got.header("access-control-expose-headers");
        assert!(exposed.contains(header), "{header} is missing in {exposed}");
    }
    edge.node.stop().await;
}

#[actix_web::test]
async fn a_client_beyond_its_rate_is_refused_where_scripts_can_read_it() {
    let objects = [(1, content(1, 1_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.change = |config| {
        config.http.limits.requests_per_second = std::num::NonZeroU32::new(1);
        config.http.limits.request_burst = std::num::NonZeroU32::new(1);
    };
    let edge = setup.start().await;
    let mut got = edge.get(1).await;
    while got.status != 429 {
        got = edge.get(1).await;
    }
    assert_eq!(got.header("retry-after"), "1");
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert!(
        got.message().contains("too-many-requests"),
        "{}",
        got.message()
    );
    edge.node.stop().await;
}

#[actix_web::test]
async fn a_stopping_edge_says_so_and_finishes_what_it_began() {
    let objects = [(1, content(1, 3_000_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.change = |config| {
        config.http.limits.drain_delay = TimeSpan::from_secs(1);
        config.http.limits.shutdown_timeout = TimeSpan::from_secs(20);
    };
    let edge = setup.start().await;
    edge.get(1).await;
    edge.until_hit(1).await;
    assert_eq!(edge.admin("/readyz").await.0, 200);
    let mut reader = TcpStream::connect(edge.node.address()).await.unwrap();
    let request = "GET /api/v1/assets/1 HTTP/1.1\r\nhost: test\r\n\r\n";
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut first = vec![0; 1000];
    reader.read_exact(&mut first).await.unwrap();

    let (admin, client) = (edge.node.admin_address(), edge.client.clone());
    let unready = async move {
        let url = format!("http://{admin}/readyz");
        loop {
            let answer = client.get(&url).send().await.unwrap();
            if answer.status() == 503 {
                break answer.text().await.unwrap();
            }
        }
    };
    let stopping = edge.node.stop();
    let reading = async {
        let told = unready.await;
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
        (told, first.len() + rest.len())
    };
    let ((), (told, received)) = futures::join!(stopping, reading);
    assert!(told.contains("the node is stopping"), "{told}");
    assert!(received > 3_000_000, "only {received} bytes came");
}
