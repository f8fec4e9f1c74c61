//! The gateway over HTTP, in front of an indexer that speaks real GraphQL over HTTP.

// Helpers of tests are tests as well.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use support::{Setup, gateway, indexer::Indexer, local};

#[actix_web::test]
async fn views_follows_and_urls_stand_in_the_indexers_answers() {
    let setup = Setup::start(|_| {}).await;
    let (status, view) = setup.ask("mutation { addVideoView(videoId: \"1\") { added viewsNum videoId viewId __typename } }").await;
    assert_eq!(status, 200, "{view}");
    let view = &view["data"]["addVideoView"];
    assert_eq!(
        (&view["added"], &view["viewsNum"], &view["videoId"]),
        (&json!(true), &json!(1), &json!("1"))
    );
    assert_eq!(view["__typename"], "AddVideoViewResult");
    let (_, again) = setup
        .ask("mutation { addVideoView(videoId: \"1\") { added viewId viewsNum } }")
        .await;
    assert_eq!(
        again["data"]["addVideoView"],
        json!({"added": false, "viewId": view["viewId"], "viewsNum": 1})
    );

    let response = setup.post(json!({
        "query": "mutation Follow($id: String!) { first: followChannel(channelId: $id) { follows added followId } second: followChannel(channelId: $id) { added } }",
        "variables": {"id": "7"}, "operationName": "Follow",
    }));
    let follow: Value = response.await.json().await.unwrap();
    assert_eq!(
        (
            &follow["data"]["first"]["follows"],
            &follow["data"]["first"]["added"]
        ),
        (&json!(1), &json!(true))
    );
    assert_eq!(follow["data"]["second"], json!({"added": false}));

    let query = "{ videos { views: viewsNum title ...C media { resolvedUrls } } } fragment C on Video { channel { followsNum videoViewsNum } }";
    let request = setup
        .http
        .post(setup.url())
        .header("x-client-loc", "50, 8")
        .header("x-asset-urls-limit", "1");
    let response = request
        .json(&json!({ "query": query }))
        .send()
        .await
        .unwrap();
    let expected = concat!(
        r#"{"data":{"videos":["#,
        r#"{"views":1,"title":"Film 1","channel":{"followsNum":1,"videoViewsNum":1},"media":{"resolvedUrls":["http://north.example/api/v1/assets/101"]}},"#,
        r#"{"views":0,"title":"Film 2","channel":{"followsNum":1,"videoViewsNum":1},"media":{"resolvedUrls":["http://north.example/api/v1/assets/102"]}}"#,
        r#"]}}"#,
    );
    assert_eq!(response.text().await.unwrap(), expected);

    let (_, end) = setup
        .ask("mutation { unfollowChannel(channelId: \"7\") { removed follows channelId } }")
        .await;
    assert_eq!(
        end["data"]["unfollowChannel"],
        json!({"removed": true, "follows": 0, "channelId": "7"})
    );
    setup.stop().await;
}

#[actix_web::test]
async fn what_is_unknown_is_refused_with_its_id() {
    let setup = Setup::start(|_| {}).await;
    for (mutation, status, word) in [
        ("addVideoView(videoId: \"99\") { added }", 404, "'99'"),
        ("followChannel(channelId: \"98\") { added }", 404, "'98'"),
        (
            "unfollowChannel(channelId: \"97\") { removed }",
            404,
            "'97'",
        ),
        ("addVideoView(videoId: \"x1\") { added }", 400, "'x1'"),
        ("addVideoView { added }", 400, "videoId"),
        ("addVideoView(videoId: \"1\")", 400, "AddVideoViewResult"),
        ("deleteEverything { done }", 400, "deleteEverything"),
    ] {
        let (got, answer) = setup.ask(&format!("mutation {{ {mutation} }}")).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert_eq!(got.as_u16(), status, "{message}");
        assert!(message.contains(word), "{message}");
        assert_eq!(answer.get("data"), None);
    }
    setup.stop().await;
}

#[actix_web::test]
async fn garbage_is_refused_with_a_reason() {
    let setup = Setup::start(|_| {}).await;
    let asked_before = setup.indexer.asked.load(Ordering::SeqCst);
    for body in [
        "",
        "{",
        "[]",
        "{\"query\": 7}",
        "{\"query\": \"{ videos {\"}",
        "{\"query\": \"subscription { a }\"}",
    ] {
        let request = setup
            .http
            .post(setup.url())
            .header("content-type", "application/json")
            .body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert!(!answer["errors"][0]["message"].as_str().unwrap().is_empty());
    }
    let form = setup
        .http
        .post(setup.url())
        .header("content-type", "text/plain")
        .body("{\"query\": \"{ videos { id } }\"}");
    assert_eq!(form.send().await.unwrap().status(), 400);
    let long = format!(
        "{{\"query\": \"{}\"}}",
        " ".repeat(::gateway::http::BODY_BYTES_MAX)
    );
    let long = setup
        .http
        .post(setup.url())
        .header("content-type", "application/json")
        .body(long);
    assert_eq!(long.send().await.unwrap().status(), 413);
    assert_eq!(
        setup.http.put(setup.url()).send().await.unwrap().status(),
        405
    );
    // Only the gateway's own reading of schema and edges went on meanwhile, never a client's query.
    assert!(setup.indexer.asked.load(Ordering::SeqCst) >= asked_before);
    // What the indexer does not understand is the client's fault, with the indexer's words.
    for query in ["{ nonsense }", "{ videos { viewsNum nonsense } }"] {
        let (status, answer) = setup.ask(query).await;
        assert_eq!(status, 400, "{answer}");
        assert!(
            answer["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains("nonsense"),
            "{answer}"
        );
    }
    // What it failed to find is not an empty answer.
    let (status, answer) = setup.ask("{ broken }").await;
    assert_eq!(status, 502, "{answer}");
    setup.stop().await;
}

#[actix_web::test]
async fn without_the_indexer_nothing_looks_empty_and_it_is_found_when_it_comes() {
    let setup = Setup::start(|_| {}).await;
    setup.indexer.server.stop(false).await;
    for query in [
        "{ videos { id } }",
        "{ videos { viewsNum } }",
        "mutation { followChannel(channelId: \"7\") { added } }",
    ] {
        let (status, answer) = setup.ask(query).await;
        assert_eq!(status, 502, "{answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains(&setup.indexer.address.to_string()),
            "{message}"
        );
        assert_eq!(answer.get("data"), None);
    }
    // Introspection needs no indexer once its schema is known.
    assert_eq!(
        setup.ask("{ __schema { queryType { name } } }").await.0,
        200
    );
    let ready = format!("http://{}/readyz", setup.gateway.admin_address());
    assert_eq!(setup.http.get(&ready).send().await.unwrap().status(), 503);
    let back = Indexer::start(setup.indexer.address);
    while setup.http.get(&ready).send().await.unwrap().status() != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(setup.ask("{ videos { id viewsNum } }").await.0, 200);
    setup.gateway.stop().await;
    back.server.stop(false).await;
}

#[actix_web::test]
async fn it_starts_without_the_indexer_and_says_that_it_is_not_ready() {
    // A port that nobody listens on: it was free a moment ago.
    let nobody = std::net::TcpListener::bind(local())
        .unwrap()
        .local_addr()
        .unwrap();
    let (gateway, _data) = gateway(nobody, |_| {}).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/graphql", gateway.address());
    let response = http
        .post(url)
        .json(&json!({"query": "{ videos { id } }"}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(response.text().await.unwrap().contains(&nobody.to_string()));
    let ready = http
        .get(format!("http://{}/readyz", gateway.admin_address()))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 503);
    gateway.stop().await;
}

#[actix_web::test]
async fn an_indexer_without_a_block_is_no_reason_to_be_ready() {
    let indexer = Indexer::start_without_blocks(local());
    let (gateway, _data) = gateway(indexer.address, |config| {
        // Its schema is read again and again, and well, all the time.
        config.indexer.schema_refresh.0 = std::time::Duration::from_millis(10);
    })
    .await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let readyz = format!("http://{}/readyz", gateway.admin_address());
    // From the moment it was asked for data until long after its schema is known.
    let mut answers = 0;
    while answers < 20 {
        let answer = http.get(&readyz).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        answers += usize::from(answer.text().await.unwrap().contains("no block"));
    }
    gateway.stop().await;
    indexer.server.stop(false).await;
}

#[actix_web::test]
async fn one_client_cannot_ask_without_end() {
    let setup = Setup::start(|config| {
        config.rate.mutations_burst = 2.0;
        config.rate.mutations_per_second = 0.001;
        config.rate.requests_burst = 4.0;
        config.rate.requests_per_second = 0.001;
        config.http.proxies = 1;
    })
    .await;
    let ask = |client: &'static str, query: &'static str| {
        let request = setup
            .http
            .post(setup.url())
            .header("x-forwarded-for", client);
        async move {
            request
                .json(&json!({ "query": query }))
                .send()
                .await
                .unwrap()
        }
    };
    let mutation = "mutation { followChannel(channelId: \"7\") { added } }";
    for expected in [200, 200, 429] {
        assert_eq!(ask("192.0.2.1", mutation).await.status(), expected);
    }
    assert_eq!(ask("192.0.2.1", "{ videos { id } }").await.status(), 200);
    let refused = ask("192.0.2.1", "{ videos { id } }").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let other: Value = ask("192.0.2.2", mutation).await.json().await.unwrap();
    assert_eq!(other["data"]["followChannel"]["added"], true);
    setup.stop().await;
}

#[actix_web::test]
async fn apps_on_other_origins_may_ask_with_credentials() {
    let setup = Setup::start(|_| {}).await;
    let preflight = setup
        .http
        .request(reqwest::Method::OPTIONS, setup.url())
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "content-type,queryname,x-client-loc",
        );
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    let allowed = preflight.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    for header in [
        "content-type",
        "queryname",
        "x-client-loc",
        "x-asset-urls-limit",
    ] {
        assert!(allowed.contains(header), "{allowed}");
    }
    let request = setup
        .http
        .post(setup.url())
        .header("origin", "https://app.example")
        .json(&json!({"query": "{ videos { id } }"}));
    for response in [preflight, request.send().await.unwrap()] {
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            "https://app.example"
        );
        assert_eq!(
            response.headers()["access-control-allow-credentials"],
            "true"
        );
        assert!(
            response.headers().get_all("vary").iter().any(|value| value
                .to_str()
                .unwrap()
                .to_lowercase()
                .contains("origin"))
        );
    }
    setup.stop().await;
}

#[actix_web::test]
async fn people_get_a_page_and_tools_the_stitched_schema() {
    let setup = Setup::start(|_| {}).await;
    let page = setup
        .http
        .get(setup.url())
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(
        setup
            .http
            .get(setup.url())
            .header("accept", "application/json")
            .send()
            .await
            .unwrap()
            .status(),
        405
    );
    let (_, answer) = setup.ask("query I { __type(name: \"Channel\") { fields { name } } __schema { types { ...T } mutationType { name } } } fragment T on __Type { name kind }").await;
    assert_eq!(
        answer["data"]["__type"]["fields"],
        json!([{"name": "id"}, {"name": "followsNum"}, {"name": "videoViewsNum"}])
    );
    assert_eq!(
        answer["data"]["__schema"]["mutationType"]["name"],
        "Mutation"
    );
    let types = answer["data"]["__schema"]["types"].as_array().unwrap();
    for name in [
        "Video",
        "Mutation",
        "ChannelFollowResult",
        "DistributionBucket",
        "Boolean",
    ] {
        assert_eq!(
            types.iter().filter(|one| one["name"] == name).count(),
            1,
            "{name}"
        );
    }
    setup.stop().await;
}
