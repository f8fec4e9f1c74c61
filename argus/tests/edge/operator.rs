//! The operator API: the public port closed and opened, what is served changed, the node ended; and
//! nobody without the secret can do it.

use std::time::SystemTime;

use argus::operator::token::{self, Bound};
use futures::FutureExt;
use serde_json::{Value, json};
use shared::config::Secret;

use crate::support::{Edge, Manner, Origin, Setup, content};

const SECRET: &str = "a secret of the operator";

fn secret() -> Secret {
    Secret::new(SECRET)
}

/// A request with this token; status and body.
async fn post(edge: &Edge, path: &str, body: Option<&str>, token: Option<&str>) -> (u16, String) {
    let address = edge.node.operator_address().unwrap();
    let mut request = edge.client.post(format!("http://{address}{path}"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.body(body.to_owned());
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A request as an operator makes it.
async fn ask(edge: &Edge, path: &str, body: Value) -> (u16, String) {
    let bound = Bound {
        url: path,
        body: Some(&body),
    };
    let token = token::sign(&secret(), bound, SystemTime::now()).unwrap();
    post(edge, path, Some(&body.to_string()), Some(&token)).await
}

#[actix_web::test]
async fn what_is_no_command_is_said() {
    let origin = Origin::start(Manner::Honest, &[]);
    let (_setup, edge) = edge_with_operator(&[], &origin).await;
    let (status, text) = ask(&edge, "/api/v1/stop", json!({})).await;
    assert_eq!(status, 404);
    assert!(
        text.contains("'/api/v1/stop'") && text.contains("stop-api"),
        "{text}"
    );
    let address = edge.node.operator_address().unwrap();
    let got = edge.client.get(format!("http://{address}/api/v1/stop-api"));
    let got = got.send().await.unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(got.headers()["allow"], "POST");
}

async fn edge_with_operator(objects: &[(u64, Vec<u8>)], origin: &Origin) -> (Setup, Edge) {
    let mut setup = Setup::new(&[origin], objects);
    setup.operator_secret = Some(secret());
    let edge = setup.start().await;
    (setup, edge)
}

#[actix_web::test]
async fn the_public_port_is_closed_and_opened_where_it_was() {
    let objects = [(1, content(1, 100_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let (_setup, edge) = edge_with_operator(&objects, &origin).await;
    assert_eq!(edge.get(1).await.body, objects[0].1);

    assert_eq!(
        ask(&edge, "/api/v1/stop-api", json!({})).await,
        (200, String::new())
    );
    let refused = edge.ask("GET", 1, &[]).await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    let (status, message) = ask(&edge, "/api/v1/stop-api", json!({})).await;
    assert_eq!(status, 409, "{message}");
    assert!(message.contains("closed already"), "{message}");

    assert_eq!(ask(&edge, "/api/v1/start-api", json!({})).await.0, 200);
    assert_eq!(edge.get(1).await.body, objects[0].1);
    assert_eq!(ask(&edge, "/api/v1/start-api", json!({})).await.0, 409);
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn buckets_and_worker_change_what_is_served_and_kept() {
    let objects = [(1, content(1, 100_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let (_setup, edge) = edge_with_operator(&objects, &origin).await;
    edge.get(1).await;
    edge.until_hit(1).await;

    // A bucket of somebody else: our worker serves nothing in it.
    let buckets = json!({ "buckets": ["0:1"] });
    assert_eq!(ask(&edge, "/api/v1/set-buckets", buckets).await.0, 200);
    assert_eq!(edge.get(1).await.status, 421);
    while edge.status().await["objectsInCache"] != 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&edge, "/api/v1/set-buckets", json!({})).await.0, 200);
    assert_eq!(edge.get(1).await.status, 200);

    assert_eq!(
        ask(&edge, "/api/v1/set-worker", json!({ "workerId": 2 }))
            .await
            .0,
        200
    );
    assert_eq!(edge.status().await["workerId"], 2);
    assert_eq!(edge.get(1).await.status, 421);

    for (path, body, names) in [
        ("/api/v1/set-worker", json!({ "workerId": "two" }), "two"),
        ("/api/v1/set-worker", json!({}), "workerId"),
        ("/api/v1/set-buckets", json!({ "buckets": ["0-1"] }), "0-1"),
        ("/api/v1/set-buckets", json!({ "bucket": [] }), "bucket"),
    ] {
        let (status, message) = ask(&edge, path, body).await;
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(names), "{message}");
    }
    assert_eq!(edge.status().await["workerId"], 2, "nothing changed");
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn the_node_is_asked_to_stop_once() {
    let objects = [(1, content(1, 10))];
    let origin = Origin::start(Manner::Honest, &objects);
    let (_setup, edge) = edge_with_operator(&objects, &origin).await;
    let asked = edge.node.shutdown_asked();
    assert!(edge.node.shutdown_asked().now_or_never().is_none());
    assert_eq!(ask(&edge, "/api/v1/shutdown", json!({})).await.0, 200);
    asked.await;
    assert_eq!(ask(&edge, "/api/v1/shutdown", json!({})).await.0, 409);
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn nobody_without_the_secret_changes_anything() {
    let objects = [(1, content(1, 10))];
    let origin = Origin::start(Manner::Honest, &objects);
    let (_setup, edge) = edge_with_operator(&objects, &origin).await;
    let path = "/api/v1/stop-api";
    let signed = |secret: &str, url| {
        let bound = Bound { url, body: None };
        token::sign(&Secret::new(secret), bound, SystemTime::now()).unwrap()
    };
    for (token, names) in [
        (None, "Authorization"),
        (Some("a.b.c".to_owned()), "not valid"),
        (Some(signed("another secret, as long", path)), "not valid"),
        (Some(signed(SECRET, "/api/v1/start-api")), "start-api"),
    ] {
        let (status, message) = post(&edge, path, None, token.as_deref()).await;
        assert_eq!(status, 401, "{message}");
        assert!(message.contains(names), "{message}");
    }
    let token = signed(SECRET, path);
    let (status, message) = post(&edge, path, Some(r#"{"more":1}"#), Some(&token)).await;
    assert_eq!(status, 401, "{message}");
    let (status, _) = post(&edge, path, Some("{"), Some(&token)).await;
    assert_eq!(status, 400);
    assert_eq!(edge.get(1).await.status, 200, "the port is open still");
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn without_an_address_there_is_no_operator_api() {
    let objects = [(1, content(1, 10))];
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    assert_eq!(edge.node.operator_address(), None);
    edge.node.stop().await;
    origin.stop().await;
}
