//! The interface over HTTP: statuses, limits, the page, other origins, and the subscription.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use actix_web::{
    App,
    http::{StatusCode, header},
    middleware, test, web,
};
use common::World;
use indexer::{http, metrics::Metrics};
use prometheus::Registry;
use serde_json::{Value, json};

macro_rules! app {
    ($world:expr) => {
        test::init_service(
            App::new()
                .app_data(web::Data::new($world.api.clone()))
                .app_data(web::Data::new(Metrics::register(&Registry::new()).unwrap()))
                .configure(http::configure)
                .wrap(middleware::from_fn(http::cors::allow_any_origin)),
        )
        .await
    };
}

macro_rules! post {
    ($app:expr, $body:expr) => {{
        let request = test::TestRequest::post()
            .uri("/graphql?queryName=x")
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .set_payload($body);
        let answer = test::call_service(&$app, request.to_request()).await;
        let status = answer.status();
        let body: Value = serde_json::from_slice(&test::read_body(answer).await).unwrap();
        (status, body)
    }};
}

#[actix_web::test]
async fn errors_are_never_a_200() {
    let world = World::whole().await;
    let app = app!(world);
    let (status, body) = post!(app, json!({ "operationName": null, "variables": {}, "query": "{ squidStatus { height hash finalizedHeight finalizedHash } }" }).to_string());
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["data"]["squidStatus"]["height"], 7);
    assert_eq!(body["data"]["squidStatus"]["finalizedHeight"], 7);
    assert_eq!(
        body["data"]["squidStatus"]["hash"],
        body["data"]["squidStatus"]["finalizedHash"]
    );
    for (body, part) in [
        (json!({ "query": "{ nothing }" }).to_string(), "nothing"),
        (
            json!({ "query": "{ storageDataObjects(where: { size_gt: \"x\" }) { id } }" })
                .to_string(),
            "x",
        ),
        ("{".to_owned(), "JSON"),
        (
            "[{\"query\": \"{ squidStatus { height } }\"}]".to_owned(),
            "batches",
        ),
    ] {
        let (status, answer) = post!(app, body.clone());
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(
            answer["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains(part),
            "{answer}"
        );
    }
}

#[actix_web::test]
async fn without_a_block_there_is_no_answer_yet() {
    let world = World::empty().await;
    let app = app!(world);
    for query in [
        "{ storageBuckets { id } }",
        "{ squidStatus { height } }",
        "{ eventById(id: \"0\") { id } }",
        "{ eventsConnection(orderBy: id_ASC) { totalCount } }",
    ] {
        let (status, body) = post!(app, json!({ "query": query }).to_string());
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{query}");
        assert!(
            body["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains("no block"),
            "{body}"
        );
    }
    // Tools may still look at the schema.
    assert_eq!(
        post!(
            app,
            json!({ "query": "{ __schema { queryType { name } } }" }).to_string()
        )
        .0,
        StatusCode::OK
    );
}

#[actix_web::test]
async fn ten_thousand_ids_are_one_request() {
    let world = World::whole().await;
    let app = app!(world);
    let ids: Vec<String> = (0..40_000)
        .map(|id| format!("{id:020}"))
        .chain(["7".to_owned()])
        .collect();
    let query = "query ($ids: [String!]) { events(where: { data: { isTypeOf_eq: \"DataObjectDeletedEventData\", dataObjectId_in: $ids } }) { id } }";
    let body = json!({ "query": query, "variables": { "ids": ids } }).to_string();
    assert!(body.len() > 900_000, "{}", body.len());
    let (status, body) = post!(app, body);
    assert_eq!(
        (status, body["data"]["events"].as_array().unwrap().len()),
        (StatusCode::OK, 1)
    );
    let (status, body) = post!(app, " ".repeat(http::BODY_BYTES_MAX + 1));
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body}");
}

#[actix_web::test]
async fn a_slow_query_is_given_up() {
    let world = World::whole().await;
    // All readers are taken, so that the query cannot be answered.
    let mut taken = Vec::new();
    for _ in 0..common::READERS {
        taken.push(world.store.snapshot().await.unwrap());
    }
    let (_sender, progress) = tokio::sync::watch::channel(Default::default());
    let timeout = Duration::from_millis(50);
    let api = indexer::graphql::Api::new(world.store.clone(), progress, timeout).unwrap();
    let query = || async_graphql::Request::new("{ storageBags { id } }");
    let answer = api.answer(query()).await;
    assert_eq!(
        indexer::graphql::errors::status(&answer),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(answer.errors[0].message.contains("50 ms"), "{answer:?}");
    drop(taken);
}

#[actix_web::test]
async fn browsers_get_a_page_and_other_origins_may_ask() {
    let world = World::whole().await;
    let app = app!(world);
    let page = test::TestRequest::get()
        .uri("/graphql")
        .insert_header((header::ACCEPT, "text/html"));
    let page = test::call_and_read_body(&app, page.to_request()).await;
    assert!(String::from_utf8_lossy(&page).contains("GraphiQL"));
    let query = test::TestRequest::get().uri("/graphql?query=%7BsquidVersion%7Bversion%7D%7D");
    let answer = test::call_service(&app, query.to_request()).await;
    assert_eq!(answer.status(), StatusCode::OK);

    let preflight = test::TestRequest::default()
        .method(actix_web::http::Method::OPTIONS)
        .uri("/graphql")
        .insert_header((header::ORIGIN, "https://app.example"))
        .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"))
        .insert_header((
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "content-type,queryname,x-client-loc",
        ));
    let answer = test::call_service(&app, preflight.to_request()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let header = |name: header::HeaderName| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    assert_eq!(
        header(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        Some("https://app.example")
    );
    assert_eq!(
        header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS),
        Some("true")
    );
    assert_eq!(
        header(header::ACCESS_CONTROL_ALLOW_HEADERS),
        Some("content-type,queryname,x-client-loc")
    );

    let elsewhere = test::call_service(
        &app,
        test::TestRequest::get().uri("/elsewhere").to_request(),
    )
    .await;
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_subscription_tells_each_height() {
    use futures::StreamExt;
    let world = World::whole().await;
    let request =
        async_graphql::Request::new("subscription { processorState { lastProcessedBlock } }");
    let mut heights = world.api.stream(request, None).map(|answer| {
        serde_json::to_value(answer).unwrap()["data"]["processorState"]["lastProcessedBlock"]
            .clone()
    });
    assert_eq!(heights.next().await, Some(json!(7)));
    world.progress.send_modify(|progress| {
        if let Some(at) = &mut progress.applied {
            at.number = 8;
        }
    });
    assert_eq!(heights.next().await, Some(json!(8)));
}
