//! The OpenAPI document against the edge: each path, method and status in it is called, and nothing that
//! is called is missing in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::chain::event::{ChainEvent, StorageEvent};

use crate::support::{
    Manner, Origin, Setup, content,
    edge::{OTHER_BAG, new_object},
};

fn document() -> Value {
    serde_json::from_str(argus::http::DOCUMENT).unwrap()
}

/// Every (method, path, status) of the document but `default`, with its answer.
fn documented(document: &Value) -> BTreeMap<(String, String, u16), Value> {
    let mut found = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                if let Ok(status) = status.parse() {
                    let key = (method.to_uppercase(), path.clone(), status);
                    found.insert(key, answer.clone());
                }
            }
        }
    }
    found
}

/// The fields that are required are there, and none that is not spoken of.
fn check_shape(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).expect(reference),
        None => schema,
    };
    for item in value.as_array().into_iter().flatten() {
        check_shape(document, &schema["items"], item, at);
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let fields = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(
            fields.contains_key(required.as_str().unwrap()),
            "{at}: {required}"
        );
    }
    for (name, value) in fields {
        let known = properties.get(name);
        let known = known.unwrap_or_else(|| panic!("{at}: {name} is not documented"));
        check_shape(document, known, value, &format!("{at}.{name}"));
    }
}

#[actix_web::test]
async fn every_documented_answer_is_given() {
    let objects = [
        (1, content(1, 1000)),
        (2, content(2, 1000)),
        (4, content(4, 40_000)),
    ];
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    setup
        .chain
        .push([ChainEvent::Storage(StorageEvent::ObjectsUploaded {
            bag: OTHER_BAG,
            objects: vec![new_object(3, b"elsewhere")],
            state_bloat_bond: 0,
        })]);
    let edge = setup.start().await;
    edge.get(4).await;
    edge.until_hit(4).await;
    let etag = edge
        .ask("HEAD", 1, &[])
        .await
        .unwrap()
        .header("etag")
        .to_owned();
    let (asset, outboard) = ("/api/v1/assets/{id}", "/api/v1/files/{id}/outboard");
    type Call<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], u16);
    let (same, other) = ([("if-none-match", &*etag)], [("if-match", "\"x\"")]);
    let calls: Vec<Call<'_>> = vec![
        ("GET", asset, "1", &[], 200),
        ("GET", asset, "1", &[("range", "bytes=0-1")], 206),
        ("GET", asset, "1", &same, 304),
        ("GET", asset, "x", &[], 400),
        ("GET", asset, "9", &[], 404),
        ("GET", asset, "1", &other, 412),
        ("GET", asset, "1", &[("range", "bytes=1000-")], 416),
        ("GET", asset, "3", &[], 421),
        (
            "GET",
            asset,
            "2",
            &[("cache-control", "only-if-cached")],
            504,
        ),
        ("HEAD", asset, "1", &[], 200),
        ("HEAD", asset, "x", &[], 400),
        ("HEAD", asset, "9", &[], 404),
        ("HEAD", asset, "3", &[], 421),
        ("GET", outboard, "4", &[], 200),
        ("GET", outboard, "4", &[("range", "bytes=0-31")], 206),
        ("GET", outboard, "x", &[], 400),
        ("GET", outboard, "9", &[], 404),
        ("GET", outboard, "4", &[("range", "bytes=9999-")], 416),
        ("GET", outboard, "3", &[], 421),
        ("GET", outboard, "2", &[], 504),
        ("GET", "/api/v1/status", "", &[], 200),
        ("GET", "/api/v1/buckets", "", &[], 200),
        ("GET", "/api/v1/openapi.json", "", &[], 200),
        ("GET", "/api/v1/docs", "", &[], 200),
        ("GET", "/api/v1/docs/rapidoc.js", "", &[], 200),
    ];
    let document = document();
    let mut documented = documented(&document);
    for (method, path, id, headers, status) in calls {
        let name = format!("{method} {path} {id} {status}");
        let url = format!("{}{}", edge.root, path.replace("{id}", id));
        let mut request = edge.client.request(method.parse().unwrap(), url);
        for (header, value) in headers {
            request = request.header(*header, *value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{name}");
        let wanted = documented.remove(&(method.to_owned(), path.to_owned(), status));
        let wanted = wanted.unwrap_or_else(|| panic!("{name} is not in the document"));
        let Some(content) = wanted["content"].as_object() else {
            assert!(
                answer.bytes().await.unwrap().is_empty(),
                "{name} has a body"
            );
            continue;
        };
        let media_type = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let (given, schema) = content.iter().next().unwrap();
        assert!(
            given == "*/*" || media_type.starts_with(given),
            "{name}: {media_type}"
        );
        if given == "application/json" {
            let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            check_shape(&document, &schema["schema"], &body, &name);
        }
    }
    let uncalled: Vec<_> = documented.keys().collect();
    assert!(uncalled.is_empty(), "never called: {uncalled:?}");
    edge.node.stop().await;
}

#[test]
fn every_route_is_documented() {
    use shared::{api, serve::openapi};
    let routes = [
        api::ASSET_ROUTE,
        api::OUTBOARD_ROUTE,
        api::STATUS_ROUTE,
        api::BUCKETS_ROUTE,
        openapi::DOCUMENT_ROUTE,
        openapi::PAGE_ROUTE,
        openapi::SCRIPT_ROUTE,
    ];
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(documented, BTreeSet::from(routes));
    let code = include_str!("../../src/http/mod.rs");
    let named = code.matches("_ROUTE)").count();
    assert_eq!(
        named, 4,
        "a route was added: document it, call it here, and name it above"
    );
}
