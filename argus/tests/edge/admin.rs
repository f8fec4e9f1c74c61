//! What the operator asks of the cache on the admin port.

use argus::http::admin::{CacheStats, Warmth};

use crate::support::{Edge, Manner, Origin, Setup, content};

async fn admin(edge: &Edge, method: &str, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", edge.node.admin_address());
    let request = edge.client.request(method.parse().unwrap(), url);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn stats(edge: &Edge) -> CacheStats {
    let (status, text) = admin(edge, "GET", "/cache/stats").await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn warm(edge: &Edge, object: u64) -> Warmth {
    let (status, text) = admin(edge, "POST", &format!("/cache/warm?object={object}")).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn until_nothing_is_kept(edge: &Edge) {
    while stats(edge).await.objects != 0 {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn objects_are_fetched_before_anyone_asks_and_let_go_of() {
    let objects = [(1, content(1, 2_000_000)), (2, content(2, 100_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.cache_limit = 1 << 22;
    let edge = setup.start().await;
    let empty = stats(&edge).await;
    let expected = CacheStats {
        objects: 0,
        bytes: 0,
        bytes_max: 1 << 22,
        fills: 0,
        assets: 2,
    };
    assert_eq!(empty, expected);

    for id in [1, 2] {
        while warm(&edge, id).await != Warmth::Complete {
            tokio::task::yield_now().await;
        }
    }
    let sent = origin.data_bytes();
    let got = edge.get(1).await;
    assert_eq!(got.header("x-cache"), "hit");
    assert!(got.body == objects[0].1);
    assert_eq!(origin.data_bytes(), sent, "the origin was not asked again");
    let both = stats(&edge).await;
    assert!(both.objects == 2 && both.bytes >= 2_100_000, "{both:?}");

    let purged = admin(&edge, "POST", "/cache/purge?object=1").await;
    assert_eq!(purged, (204, String::new()));
    while stats(&edge).await.objects != 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(edge.get(2).await.header("x-cache"), "hit");
    assert_eq!(edge.get(1).await.header("x-cache"), "miss");
    edge.until_hit(1).await;

    assert_eq!(admin(&edge, "POST", "/cache/purge?all=true").await.0, 204);
    until_nothing_is_kept(&edge).await;
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn what_is_larger_than_the_cache_is_not_kept() {
    let objects = [(1, content(1, 2_000_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.object_max = Some(1_000_000);
    let edge = setup.start().await;
    assert_eq!(warm(&edge, 1).await, Warmth::NotKept);
    assert_eq!(stats(&edge).await.objects, 0);
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn what_cannot_be_is_refused_by_name() {
    let objects = [(1, content(1, 10))];
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    for (path, status, names) in [
        ("/cache/purge", 400, "?all=true"),
        ("/cache/purge?all=false", 400, "?all=true"),
        ("/cache/purge?object=1&all=true", 400, "?all=true"),
        ("/cache/purge?object=one", 400, "one"),
        ("/cache/purge?object=7", 404, "7"),
        ("/cache/warm", 400, "?object=<id>"),
        ("/cache/warm?object=01", 400, "01"),
        ("/cache/warm?object=7", 404, "7"),
    ] {
        let answer = admin(&edge, "POST", path).await;
        assert_eq!(answer.0, status, "{path}: {}", answer.1);
        assert!(answer.1.contains(names), "{path}: {}", answer.1);
    }
    edge.node.stop().await;
    origin.stop().await;
}
