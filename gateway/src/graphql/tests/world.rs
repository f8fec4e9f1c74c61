//! A made-up indexer and a made-up world, in which everything follows from type and number.

use std::sync::LazyLock;

use async_graphql_parser::types::SelectionSet;
use serde_json::{Value, json};

use super::super::{
    Schema,
    additions::GatewayField,
    collect::collect,
    document::Document,
    merge::{ChannelTotals, Merge, Needs, Values},
    split::{Split, split},
};

/// The indexer's schema: type, field, innermost type. The rest is made of it.
pub(super) const FIELDS: [(&str, &str, &str); 25] = [
    ("Query", "videoById", "Video"),
    ("Query", "videos", "Video"),
    ("Query", "videosConnection", "VideosConnection"),
    ("Query", "channels", "Channel"),
    ("Query", "search", "SearchResult"),
    ("Query", "grid", "Video"),
    ("Query", "height", "Int"),
    ("VideosConnection", "edges", "VideoEdge"),
    ("VideosConnection", "totalCount", "Int"),
    ("VideoEdge", "node", "Video"),
    ("VideoEdge", "cursor", "String"),
    ("Video", "id", "String"),
    ("Video", "title", "String"),
    ("Video", "channel", "Channel"),
    ("Video", "media", "StorageDataObject"),
    ("Video", "nothing", "Channel"),
    ("Channel", "id", "String"),
    ("Channel", "title", "String"),
    ("Channel", "videos", "Video"),
    ("Channel", "avatar", "StorageDataObject"),
    ("StorageDataObject", "id", "String"),
    ("StorageDataObject", "size", "String"),
    ("StorageDataObject", "storageBag", "StorageBag"),
    ("StorageBag", "id", "String"),
    ("StorageBag", "objects", "StorageDataObject"),
];

pub(super) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(stitched);
    &SCHEMA
}

fn stitched() -> Schema {
    let named = |name: &str| json!({"kind": "OBJECT", "name": name, "ofType": null});
    let mut types: Vec<Value> = Vec::new();
    for (on, field, of) in FIELDS {
        let list = json!({"kind": "NON_NULL", "name": null, "ofType": {"kind": "LIST", "name": null, "ofType": named(of)}});
        let of = if field.ends_with('s') {
            list
        } else {
            named(of)
        };
        let field =
            json!({"name": field, "args": [], "type": of, "isDeprecated": field == "nothing"});
        match types.iter_mut().find(|one| one["name"] == on) {
            Some(one) => one["fields"].as_array_mut().unwrap().push(field),
            None => types.push(json!({"kind": "OBJECT", "name": on, "fields": [field]})),
        }
    }
    types.push(json!({"kind": "UNION", "name": "SearchResult", "possibleTypes": [named("Video"), named("Channel")]}));
    types.push(json!({"kind": "SCALAR", "name": "String"}));
    Schema::stitch(
        json!({"__schema": {"queryType": {"name": "Query"}, "types": types, "directives": []}}),
    )
    .unwrap()
}

pub(super) fn parse(text: &str, variables: Value) -> Document {
    let variables = variables.as_object().cloned().unwrap_or_default();
    Document::parse(text, None, variables).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An object of a made-up world, in which everything follows from type and number.
#[derive(Clone, Copy)]
pub(super) struct Node(&'static str, u64);

pub(super) enum Found {
    Leaf(Value),
    One(Option<Node>),
    List(Vec<Node>),
    Grid(Vec<Vec<Node>>),
}

pub(super) fn gateway_value(field: GatewayField, id: u64) -> Value {
    match field {
        GatewayField::VideoViews => json!(1000 + id),
        GatewayField::ChannelFollows => json!(2000 + id),
        GatewayField::ChannelViews => json!(3000 + id),
        GatewayField::ResolvedUrls => json!([format!("https://edge.example/{id}")]),
    }
}

pub(super) fn find(Node(on, id): Node, field: &str) -> Found {
    let videos = |count| {
        (0..count)
            .map(|n| Node("Video", id * 3 + n))
            .collect::<Vec<_>>()
    };
    match (on, field) {
        (_, "__typename") => Found::Leaf(json!(on)),
        ("StorageBag", "id") => Found::Leaf(json!(format!("dynamic:channel:{id}"))),
        (_, "id") => Found::Leaf(json!(id.to_string())),
        ("Query", "videoById") => Found::One(Some(Node("Video", 5))),
        ("Query", "videosConnection") => Found::One(Some(Node("VideosConnection", 1))),
        ("Query", "videos") => Found::List(videos(3)),
        ("Query", "channels") => Found::List(vec![Node("Channel", 1), Node("Channel", 2)]),
        ("Query", "search") => Found::List(vec![Node("Video", 8), Node("Channel", 9)]),
        ("Query", "grid") => Found::Grid(vec![videos(2), vec![], videos(1)]),
        ("VideosConnection", "edges") => {
            Found::List(vec![Node("VideoEdge", 3), Node("VideoEdge", 4)])
        }
        ("VideoEdge", "node") => Found::One(Some(Node("Video", id))),
        ("Video", "channel") => Found::One(Some(Node("Channel", id % 3))),
        ("Video", "media") => {
            Found::One((id % 2 == 0).then_some(Node("StorageDataObject", id + 100)))
        }
        ("Video", "nothing") => Found::One(None),
        ("Channel", "avatar") => Found::One(Some(Node("StorageDataObject", id + 200))),
        ("Channel", "videos") => Found::List(videos(2)),
        ("StorageDataObject", "storageBag") => Found::One(Some(Node("StorageBag", id % 4))),
        ("StorageBag", "objects") => Found::List(vec![Node("StorageDataObject", id + 300)]),
        _ => Found::Leaf(json!(format!("{field} of {on} {id}"))),
    }
}

/// Answer a document from the made-up world, as text in the order asked for. Without the gateway's
/// fields it is the indexer, and must not be asked for them.
pub(super) fn answer(
    schema: &Schema,
    document: &Document,
    sets: &[&SelectionSet],
    node: Node,
    is_whole: bool,
) -> String {
    let fields = collect(document, sets, &|condition| {
        schema.applies(condition, node.0)
    });
    let entries = fields.iter().map(|field| {
        let inner = |node: Node| answer(schema, document, &field.selections(), node, is_whole);
        let list = |nodes: Vec<Node>| {
            format!(
                "[{}]",
                nodes.into_iter().map(inner).collect::<Vec<_>>().join(",")
            )
        };
        let value = match GatewayField::of(node.0, field.name()) {
            Some(added) => {
                assert!(is_whole, "{}.{} reached the indexer", node.0, field.name());
                gateway_value(added, node.1).to_string()
            }
            None => match find(node, field.name()) {
                Found::Leaf(leaf) => leaf.to_string(),
                Found::One(one) => one.map_or("null".into(), inner),
                Found::List(nodes) => list(nodes),
                Found::Grid(rows) => format!(
                    "[{}]",
                    rows.into_iter().map(list).collect::<Vec<_>>().join(",")
                ),
            },
        };
        format!("{}:{value}", Value::from(field.key))
    });
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

pub(super) fn values(needs: &Needs) -> Values {
    let number = |field, id| gateway_value(field, id).as_u64().unwrap();
    let totals = |id: u64| ChannelTotals {
        follows: number(GatewayField::ChannelFollows, id),
        views: number(GatewayField::ChannelViews, id),
    };
    let url = |id: u64| vec![format!("https://edge.example/{id}")];
    Values {
        video_views: needs
            .videos
            .iter()
            .map(|id| (*id, number(GatewayField::VideoViews, id.0)))
            .collect(),
        channels: needs
            .channels
            .iter()
            .map(|id| (*id, totals(id.0)))
            .collect(),
        urls: needs
            .objects
            .iter()
            .map(|(id, _)| (*id, url(id.0)))
            .collect(),
    }
}

pub(super) fn root(document: &Document) -> &SelectionSet {
    &document.operation.selection_set.node
}

pub(super) const ROOT: Node = Node("Query", 0);

/// The answer of gateway and indexer together, and what the indexer was asked.
pub(super) fn through_the_gateway(
    schema: &Schema,
    document: &Document,
) -> (String, Option<String>) {
    let (data, asked) = match split(schema, document).unwrap() {
        Split::Untouched => {
            return (
                answer(schema, document, &[root(document)], ROOT, false),
                None,
            );
        }
        Split::Own => (json!({}), None),
        Split::Changed(upstream) => {
            let asked = parse(&upstream.query, Value::Object(upstream.variables));
            let data = answer(schema, &asked, &[root(&asked)], ROOT, false);
            (serde_json::from_str(&data).unwrap(), Some(upstream.query))
        }
    };
    let merge = Merge { schema, document };
    let mut out = String::new();
    merge.write(&data, &values(&merge.needs(&data)), &mut out);
    (out, asked)
}
