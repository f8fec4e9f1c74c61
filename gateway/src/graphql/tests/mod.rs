//! Splitting and merging by tables; [`property`] has the property over random documents.

mod property;
mod world;

use serde_json::{Map, Value, json};
use shared::ids::{ChannelId, ObjectId, VideoId};

use super::{
    Schema,
    document::{Document, DocumentError},
    merge::Merge,
    split::{Split, split},
};
use world::{parse, schema, through_the_gateway};

#[test]
fn what_the_indexer_is_asked_and_what_the_client_gets() {
    let table = [
        (
            "{ videoById(id: \"5\") { viewsNum title } }",
            "query{videoById(id: \"5\" ){title gw_id: id } }",
            r#"{"videoById":{"viewsNum":1005,"title":"title of Video 5"}}"#,
        ),
        (
            "{ v: videoById(id: \"5\") { id views: viewsNum } }",
            "query{v: videoById(id: \"5\" ){id gw_id: id } }",
            r#"{"v":{"id":"5","views":1005}}"#,
        ),
        (
            "query Q { channels { followsNum } height }",
            "query Q{channels{gw_id: id } height }",
            r#"{"channels":[{"followsNum":2001},{"followsNum":2002}],"height":"height of Query 0"}"#,
        ),
        (
            "{ search { ... on Video { viewsNum } ... on Channel { videoViewsNum } } }",
            "query{search{... on Video{gw_id: id } ... on Channel{gw_id: id } gw_type: __typename } }",
            r#"{"search":[{"viewsNum":1008},{"videoViewsNum":3009}]}"#,
        ),
        (
            "{ channels { ...C } } fragment C on Channel { avatar { resolvedUrls } } fragment Unused on Video { title }",
            "query{channels{...C } }fragment C on Channel{avatar{gw_id: id gw_bag: storageBag{gw_id: id } } }",
            r#"{"channels":[{"avatar":{"resolvedUrls":["https://edge.example/201"]}},{"avatar":{"resolvedUrls":["https://edge.example/202"]}}]}"#,
        ),
        (
            "{ videosConnection { edges { node { viewsNum } cursor } } }",
            "query{videosConnection{edges{node{gw_id: id } cursor } } }",
            r#"{"videosConnection":{"edges":[{"node":{"viewsNum":1003},"cursor":"cursor of VideoEdge 3"},{"node":{"viewsNum":1004},"cursor":"cursor of VideoEdge 4"}]}}"#,
        ),
        (
            "{ grid { viewsNum } }",
            "query{grid{gw_id: id } }",
            r#"{"grid":[[{"viewsNum":1000},{"viewsNum":1001}],[],[{"viewsNum":1000}]]}"#,
        ),
        (
            "{ videoById(id: \"5\") { media { resolvedUrls } nothing { followsNum } viewsNum @skip(if: true) } }",
            "query{videoById(id: \"5\" ){media{gw_id: id gw_bag: storageBag{gw_id: id } } nothing{gw_id: id } gw_id: id } }",
            r#"{"videoById":{"media":null,"nothing":null}}"#,
        ),
    ];
    let schema = schema();
    for (client, indexer, expected) in table {
        let document = parse(client, json!({}));
        let (got, asked) = through_the_gateway(schema, &document);
        assert_eq!(asked.as_deref(), Some(indexer), "{client}");
        assert_eq!(got, expected, "{client}");
    }
}

#[test]
fn only_variables_that_are_used_are_passed_on() {
    let text = "query Q($id: String! $views: Boolean = true $where: [In!] = [{a: \"\\u0007\\\"x\", b: [1 null], c: E}] $unused: Int) {
        videoById(id: $id, where: {x: $where}) { viewsNum @include(if: $views) title }
    }";
    let document = parse(text, json!({"id": "5", "views": false, "unused": 3}));
    let Split::Changed(upstream) = split(schema(), &document).unwrap() else {
        panic!("changed")
    };
    assert_eq!(Value::Object(upstream.variables), json!({"id": "5"}));
    let again = parse(&upstream.query, json!({}));
    let names: Vec<_> = again
        .operation
        .variable_definitions
        .iter()
        .map(|one| one.node.name.node.as_str())
        .collect();
    assert_eq!(names, ["id", "where"]);
    let default = |document: &Document| {
        let mut definitions = document
            .operation
            .variable_definitions
            .iter()
            .map(|one| &one.node);
        definitions
            .find(|one| one.name.node == "where")
            .unwrap()
            .default_value
            .clone()
            .unwrap()
            .node
    };
    assert_eq!(default(&again), default(&document));
    assert_eq!(
        through_the_gateway(schema(), &document).0,
        r#"{"videoById":{"title":"title of Video 5"}}"#
    );
}

#[test]
fn a_query_without_gateway_fields_is_not_touched() {
    let schema = schema();
    for text in [
        "{ height }",
        "{ videos { title ...F } } fragment F on Video { id channel { id } }",
        "{ unknown { viewsNum } }",
    ] {
        assert!(
            matches!(split(schema, &parse(text, json!({}))), Ok(Split::Untouched)),
            "{text}"
        );
    }
}

#[test]
fn misuse_is_refused_with_a_reason() {
    for (text, reason) in [
        ("{ videos { viewsNum { a } } }", "Video.viewsNum"),
        ("{ videos { viewsNum(x: 1) } }", "Video.viewsNum"),
        ("{ videos { gw_id: viewsNum } }", "gw_id"),
    ] {
        let error = split(schema(), &parse(text, json!({})))
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{error}");
    }
    let parse = |text: &str, name| Document::parse(text, name, Map::new()).map(drop);
    assert!(matches!(parse("{ a", None), Err(DocumentError::Syntax(_))));
    assert!(matches!(
        parse("{ ...F }", None),
        Err(DocumentError::NoFragment(_))
    ));
    assert!(matches!(
        parse("query A { a } query B { b }", None),
        Err(DocumentError::Operation(_))
    ));
    assert!(matches!(
        parse("query A { a } query B { b }", Some("C")),
        Err(DocumentError::Operation(_))
    ));
    assert!(parse("query A { a } query B { b }", Some("B")).is_ok());
    assert_eq!(
        parse("{ a { ...F } } fragment F on A { a { ...F } }", None),
        Err(DocumentError::TooDeep)
    );
    assert_eq!(
        parse(&format!("{}{}", "{a".repeat(40), "}".repeat(40)), None),
        Err(DocumentError::TooDeep)
    );
    assert_eq!(
        parse(&format!("{{{}}}", "a ".repeat(2001)), None),
        Err(DocumentError::TooLarge)
    );
}

/// Many small fragments that use each other would be a huge document when opened.
#[test]
fn fragments_are_counted_where_they_are_used() {
    let mut text = "{ ...F0 }".to_owned();
    for n in 0..12 {
        text += &format!(
            " fragment F{n} on Query {{ ...F{0} ...F{0} ...F{0} }}",
            n + 1
        );
    }
    text += " fragment F12 on Query { height }";
    assert_eq!(
        Document::parse(&text, None, Map::new()).map(drop),
        Err(DocumentError::TooLarge)
    );
}

#[test]
fn introspection_shows_the_stitched_schema() {
    let schema = schema();
    let text = "{ t: __type(name: \"Video\") { name fields { name type { kind name ofType { name } } } }
        __schema { mutationType { fields { name args { name } type { ofType { name fields { name } } } } } queryType { __typename name } } }";
    let document = parse(text, json!({}));
    assert!(matches!(split(schema, &document), Ok(Split::Own)));
    let got: Value = serde_json::from_str(&through_the_gateway(schema, &document).0).unwrap();
    let fields: Vec<&str> = got["t"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["id", "title", "channel", "media", "viewsNum"]); // `nothing` is deprecated
    let mutation = &got["__schema"]["mutationType"]["fields"][0];
    assert_eq!(
        (&mutation["name"], &mutation["args"][0]["name"]),
        (&json!("addVideoView"), &json!("videoId"))
    );
    assert_eq!(mutation["type"]["ofType"]["name"], "AddVideoViewResult");
    assert_eq!(mutation["type"]["ofType"]["fields"][2]["name"], "viewsNum");
    assert_eq!(
        got["__schema"]["queryType"],
        json!({"__typename": "__Type", "name": "Query"})
    );
    let all = parse(
        "{ __type(name: \"Video\") { fields(includeDeprecated: true) { name } } height }",
        json!({}),
    );
    let (got, asked) = through_the_gateway(schema, &all);
    assert_eq!(asked.as_deref(), Some("query{height }"));
    assert!(
        got.contains("nothing") && got.contains("height of Query 0"),
        "{got}"
    );
}

#[test]
fn the_full_introspection_query_is_within_the_limits() {
    let document = parse(super::schema::INTROSPECTION_QUERY, json!({}));
    let got = through_the_gateway(schema(), &document).0;
    let again = Schema::stitch(serde_json::from_str(&got).unwrap()).unwrap();
    assert_eq!(again.field_type("Channel", "followsNum"), Some("Int"));
    assert_eq!(
        again.field_type("Mutation", "followChannel"),
        Some("ChannelFollowResult")
    );
    assert!(again.applies("SearchResult", "Video"));
}

#[test]
fn what_is_looked_up_is_what_was_asked_for() {
    let document = parse(
        "{ videos { viewsNum channel { title } media { resolvedUrls } } }",
        json!({}),
    );
    let data = json!({"videos": [
        {"gw_id": "1", "channel": {"title": "a"}, "media": {"gw_id": "7", "gw_bag": {"gw_id": "static:council"}}},
        {"gw_id": "not a number", "channel": null, "media": {"gw_id": "8", "gw_bag": null}},
        null,
    ]});
    let schema = schema();
    let needs = Merge {
        schema,
        document: &document,
    }
    .needs(&data);
    assert_eq!(needs.videos, [VideoId(1)].into());
    assert_eq!(
        needs.channels,
        std::collections::BTreeSet::<ChannelId>::new()
    );
    assert_eq!(
        needs.objects,
        [(ObjectId(7), "static:council".parse().unwrap())].into()
    );
}
