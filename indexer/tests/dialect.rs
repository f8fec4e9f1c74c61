//! What is particular to the dialect, and the traps clients fall into when it is missed.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::World;
use serde_json::{Value, json};

/// Ids of the objects that a `where` selects.
async fn object_ids(world: &World, filter: Value) -> Vec<String> {
    let query = "query ($where: StorageDataObjectWhereInput) { storageDataObjects(where: $where, orderBy: id_ASC) { id } }";
    let data = world.data(query, json!({ "where": filter })).await;
    let rows = data["storageDataObjects"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_operator_selects_what_it_says() {
    let world = World::whole().await;
    let all = ["0", "1", "2", "3", "4", "5", "6"];
    let accepted = ["4", "5", "6"];
    let none: [&str; 0] = [];
    let table: Vec<(Value, &[&str])> = vec![
        (json!({}), &all),
        (json!({ "id_eq": "4" }), &["4"]),
        (json!({ "id_eq": null }), &none),
        (json!({ "id_not_eq": "4" }), &["0", "1", "2", "3", "5", "6"]),
        (json!({ "id_in": ["4", "5", "x"] }), &["4", "5"]),
        (json!({ "id_in": [] }), &none),
        (
            json!({ "id_not_in": ["4", "5"] }),
            &["0", "1", "2", "3", "6"],
        ),
        (json!({ "id_not_in": [] }), &all),
        (json!({ "id_gt": "4" }), &["5", "6"]),
        (json!({ "id_lte": "1" }), &["0", "1"]),
        (json!({ "isAccepted_eq": true }), &accepted),
        (json!({ "isAccepted_not_eq": true }), &["0", "1", "2", "3"]),
        (json!({ "acceptingBucketId_isNull": false }), &accepted),
        (
            json!({ "acceptingBucketId_isNull": true }),
            &["0", "1", "2", "3"],
        ),
        // Large numbers compare as numbers, given as strings or as numbers.
        (json!({ "size_gt": "3000" }), &["4"]),
        (json!({ "size_gte": 3000 }), &["4", "5"]),
        (json!({ "size_in": ["10", 40] }), &["0", "2", "6"]),
        (
            json!({ "createdAt_lt": "2022-01-01T00:00:12Z" }),
            &["0", "1"],
        ),
        (
            json!({ "createdAt_gte": "2022-01-01T00:00:18.000000Z" }),
            &accepted,
        ),
        (json!({ "ipfsHash_contains": "of-4" }), &["4"]),
        (json!({ "ipfsHash_contains": "OF-4" }), &none),
        (json!({ "ipfsHash_containsInsensitive": "OF-4" }), &["4"]),
        (
            json!({ "ipfsHash_not_contains": "of-4" }),
            &["0", "1", "2", "3", "5", "6"],
        ),
        (json!({ "ipfsHash_not_containsInsensitive": "OF" }), &none),
        (json!({ "ipfsHash_startsWith": "hash" }), &all),
        (json!({ "ipfsHash_startsWith": "ash" }), &none),
        (json!({ "ipfsHash_not_startsWith": "ash" }), &all),
        (json!({ "ipfsHash_endsWith": "-6" }), &["6"]),
        (json!({ "ipfsHash_endsWith": "" }), &all),
        (
            json!({ "ipfsHash_not_endsWith": "-6" }),
            &["0", "1", "2", "3", "4", "5"],
        ),
        // A percent sign is a percent sign.
        (json!({ "ipfsHash_contains": "%" }), &none),
        (
            json!({ "type": { "isTypeOf_eq": "DataObjectTypeVideoMedia" } }),
            &["4"],
        ),
        (
            json!({ "type": { "isTypeOf_in": ["DataObjectTypeVideoMedia", "DataObjectTypeVideoThumbnail"] } }),
            &["4", "5"],
        ),
        (
            json!({ "type": { "video": { "title_eq": "First light" } } }),
            &accepted,
        ),
        (
            json!({ "type": { "subtitle": { "mimeType_startsWith": "text/" } } }),
            &["6"],
        ),
        (json!({ "type_isNull": true }), &["2", "3"]),
        (
            json!({ "storageBag": { "id_eq": "dynamic:channel:10" } }),
            &["2", "3"],
        ),
        (
            json!({ "storageBag": { "owner": { "channelId_eq": "10" } } }),
            &["2", "3"],
        ),
        (json!({ "storageBag": {} }), &all),
        (
            json!({ "storageBag": { "storageBuckets_some": { "storageBucket": { "id_in": ["2"] } } } }),
            &none,
        ),
        (
            json!({ "storageBag": { "storageBuckets_none": { "storageBucket": { "id_eq": "2" } } } }),
            &all,
        ),
        (
            json!({ "storageBag": { "storageBuckets_every": { "storageBucket": { "id_eq": "0" } } } }),
            &none,
        ),
        (
            json!({ "AND": [{ "isAccepted_eq": true }, { "size_lt": "100" }] }),
            &["6"],
        ),
        (
            json!({ "OR": [{ "id_eq": "0" }, { "id_eq": "6" }] }),
            &["0", "6"],
        ),
        // What stands next to OR is one more alternative.
        (
            json!({ "id_eq": "1", "OR": [{ "id_eq": "0" }, { "id_eq": "6" }] }),
            &["0", "1", "6"],
        ),
        (json!({ "id_eq": "1", "OR": [] }), &["1"]),
        (json!({ "id_eq": "1", "OR": [{}] }), &["1"]),
        // A single value stands for a list of one.
        (json!({ "OR": { "id_eq": "0" } }), &["0"]),
        (json!({ "id_in": "3" }), &["3"]),
    ];
    for (filter, expected) in table {
        assert_eq!(
            object_ids(&world, filter.clone()).await,
            expected,
            "{filter}"
        );
    }
}

#[tokio::test]
async fn absent_and_null_variables_differ() {
    let world = World::whole().await;
    let query = "query q($accepted: Boolean, $limit: Int) { storageDataObjects(where: { isAccepted_eq: $accepted }, limit: $limit) { id } }";
    let count = async |variables: Value| {
        world.data(query, variables).await["storageDataObjects"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(json!({})).await, 7);
    assert_eq!(count(json!({ "accepted": true })).await, 3);
    assert_eq!(count(json!({ "accepted": null })).await, 0);
    let nested =
        "query ($where: StorageDataObjectWhereInput) { storageDataObjects(where: $where) { id } }";
    assert_eq!(
        world.data(nested, json!({})).await["storageDataObjects"]
            .as_array()
            .unwrap()
            .len(),
        7
    );
    let missing = "query ($id: String!) { storageBagById(id: $id) { id } }";
    assert!(world.ask(missing, json!({})).await["errors"].is_array());
}

#[tokio::test]
async fn orders_reach_into_relations_and_unions() {
    let world = World::whole().await;
    let table = [
        (
            "storageDataObjects",
            "size_DESC",
            json!(["4", "5", "6", "1", "3", "0", "2"]),
        ),
        (
            "storageDataObjects",
            "storageBag_id_DESC",
            json!(["2", "3", "0", "1", "4", "5", "6"]),
        ),
        // Nulls are last ascending and first descending, unless the name says otherwise.
        (
            "storageDataObjects",
            "acceptingBucketId_ASC",
            json!(["4", "5", "6", "0", "1", "2", "3"]),
        ),
        (
            "storageDataObjects",
            "acceptingBucketId_DESC",
            json!(["0", "1", "2", "3", "4", "5", "6"]),
        ),
        (
            "storageDataObjects",
            "acceptingBucketId_DESC_NULLS_LAST",
            json!(["4", "5", "6", "0", "1", "2", "3"]),
        ),
        (
            "storageBuckets",
            "operatorStatus_workerId_DESC_NULLS_LAST",
            json!(["1", "0", "2"]),
        ),
        (
            "storageBuckets",
            "operatorStatus_isTypeOf_ASC",
            json!(["0", "1", "2"]),
        ),
        (
            "storageBuckets",
            "operatorMetadata_nodeEndpoint_ASC_NULLS_FIRST",
            json!(["1", "2", "0"]),
        ),
    ];
    for (root, order, expected) in table {
        let data = world
            .data(
                &format!("{{ rows: {root}(orderBy: {order}) {{ id }} }}"),
                json!({}),
            )
            .await;
        let ids: Vec<_> = data["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].clone())
            .collect();
        assert_eq!(json!(ids), expected, "{order}");
    }
}

#[tokio::test]
async fn nested_lists_are_limited_per_parent() {
    let world = World::whole().await;
    let query = "{ storageBags(orderBy: id_ASC) { id first: objects(limit: 1, offset: 1, orderBy: id_DESC) { id } accepted: objects(where: { isAccepted_eq: true }) { id } } }";
    let data = world.data(query, json!({})).await;
    assert_eq!(
        data["storageBags"],
        json!([
            { "id": "dynamic:channel:1", "first": [{ "id": "5" }], "accepted": [{ "id": "4" }, { "id": "5" }, { "id": "6" }] },
            { "id": "dynamic:channel:10", "first": [{ "id": "2" }], "accepted": [] },
            { "id": "static:council", "first": [], "accepted": [] },
        ])
    );
}

#[tokio::test]
async fn selections_of_one_name_add_up() {
    let world = World::whole().await;
    let query = "{ storageBags(where: { id_eq: \"dynamic:channel:10\" }) { ...a ...b } } fragment a on StorageBag { objects { id } } fragment b on StorageBag { objects { size storageBag { id } } }";
    let data = world.data(query, json!({})).await;
    assert_eq!(
        data["storageBags"][0]["objects"][0],
        json!({ "id": "2", "size": "10", "storageBag": { "id": "dynamic:channel:10" } })
    );
}

#[tokio::test]
async fn connections_page_by_position() {
    let world = World::whole().await;
    let query = "query ($first: Int, $after: String) { page: storageDataObjectsConnection(first: $first, after: $after, orderBy: [id_ASC]) { edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }";
    let page = world.data(query, json!({ "first": 2, "after": "2" })).await["page"].clone();
    assert_eq!(
        page["edges"],
        json!([{ "cursor": "3", "node": { "id": "2" } }, { "cursor": "4", "node": { "id": "3" } }])
    );
    assert_eq!(
        page["pageInfo"],
        json!({ "hasNextPage": true, "hasPreviousPage": true, "startCursor": "3", "endCursor": "4" })
    );
    assert_eq!(page["totalCount"], 7);
    let past = world.data(query, json!({ "after": "100" })).await["page"].clone();
    assert_eq!(
        past["pageInfo"],
        json!({ "hasNextPage": false, "hasPreviousPage": false, "startCursor": "", "endCursor": "" })
    );
    for cursor in ["0", "-1", "abc", "", "1.5"] {
        let answer = world.ask(query, json!({ "after": cursor })).await;
        assert!(
            answer["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains("invalid cursor value"),
            "{cursor}: {answer}"
        );
    }
    let unordered = world
        .ask("{ storageBagsConnection { totalCount } }", json!({}))
        .await;
    assert!(unordered["errors"].is_array(), "orderBy is required");
}

#[tokio::test]
async fn typed_errors_name_what_is_wrong() {
    let world = World::whole().await;
    for (query, part) in [
        ("{ nothing }", "nothing"),
        ("{ storageBags { nothing } }", "nothing"),
        (
            "{ storageBags(where: { nothing_eq: 1 }) { id } }",
            "nothing_eq",
        ),
        (
            "{ storageDataObjects(where: { createdAt_gt: \"soon\" }) { id } }",
            "soon",
        ),
        (
            "{ storageDataObjects(where: { size_gt: \"many\" }) { id } }",
            "many",
        ),
        ("{ storageDataObjects(limit: -1) { id } }", "-1"),
        ("{ storageBags", "expected"),
    ] {
        let answer = world.ask(query, json!({})).await;
        let message = answer["errors"][0]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(message.contains(part), "{query}: {answer}");
        assert_eq!(answer["data"], Value::Null);
    }
    let deep = format!(
        "{{ storageBags {}{} }}",
        "{ objects { storageBag ".repeat(20),
        "{ id }".to_owned() + &" } }".repeat(20)
    );
    assert!(world.ask(&deep, json!({})).await["errors"].is_array());
}

#[tokio::test]
async fn names_with_their_typos_are_part_of_the_interface() {
    let world = World::whole().await;
    let query = r#"{
        storageBuckets(where: { id_eq: "0" }) { dataObjectCountLimit dataObjectsSizeLimit operatorStatus { ... on StorageBucketOperatorStatusActive { transactorAccountId } } }
        distributionBucketOperators(where: { status_eq: ACTIVE }) { id metadata { id nodeEndpoint extra nodeLocation { city } distirbutionBucketOperator { id } } }
        distributionBucketFamilies { id metadata { region description latencyTestTargets areas {
            __typename
            ... on GeographicalAreaContinent { continentCode }
            ... on GeographicalAreaCountry { countryCode }
            ... on GeographicalAreaSubdivistion { subdivisionCode }
        } } }
        storageBucketOperatorMetadata { id }
        distributionBucketFamilyMetadataById(id: "0") { id }
        events { id inBlock inExtrinsic indexInBlock timestamp }
    }"#;
    let data = world.data(query, json!({})).await;
    assert_eq!(data["storageBuckets"][0]["dataObjectCountLimit"], "1000");
    assert_eq!(
        data["storageBuckets"][0]["dataObjectsSizeLimit"],
        "18446744073709551615"
    );
    let address = data["storageBuckets"][0]["operatorStatus"]["transactorAccountId"]
        .as_str()
        .unwrap();
    assert!(address.starts_with('j'), "{address}");
    assert_eq!(
        data["distributionBucketOperators"],
        json!([{ "id": "0:0-1", "metadata": { "id": "0:0-1", "nodeEndpoint": "http://edge-0/", "extra": "fast", "nodeLocation": null, "distirbutionBucketOperator": { "id": "0:0-1" } } }])
    );
    assert_eq!(
        data["distributionBucketFamilies"][0]["metadata"],
        json!({ "region": "north", "description": null, "latencyTestTargets": ["192.0.2.1"], "areas": [
            { "__typename": "GeographicalAreaContinent", "continentCode": "EU" },
            { "__typename": "GeographicalAreaCountry", "countryCode": "NO" },
            { "__typename": "GeographicalAreaSubdivistion", "subdivisionCode": "NO-03" },
        ] })
    );
    assert_eq!(
        data["events"],
        json!([{ "id": "00000000", "inBlock": 7, "inExtrinsic": null, "indexInBlock": 0, "timestamp": "2022-01-01T00:00:36.000000Z" }])
    );
}

#[tokio::test]
async fn lists_have_no_default_limit_and_connections_one_of_a_hundred() {
    let world = World::empty().await;
    let many = (0..150).map(|id| common::object(id, 1)).collect();
    let uploaded = shared::chain::event::StorageEvent::ObjectsUploaded {
        bag: shared::ids::BagId::Council,
        objects: many,
        state_bloat_bond: 1,
    };
    let blocks = common::blocks(vec![vec![shared::chain::event::ChainEvent::Storage(
        uploaded,
    )]]);
    indexer::follow::apply_blocks(&world.store, &blocks)
        .await
        .unwrap();
    let data = world.data("{ storageDataObjects { id } page: storageDataObjectsConnection(orderBy: id_ASC) { edges { node { id } } totalCount pageInfo { hasNextPage } } }", json!({})).await;
    assert_eq!(data["storageDataObjects"].as_array().unwrap().len(), 150);
    assert_eq!(data["page"]["edges"].as_array().unwrap().len(), 100);
    assert_eq!(data["page"]["totalCount"], 150);
    assert_eq!(data["page"]["pageInfo"]["hasNextPage"], true);
}
