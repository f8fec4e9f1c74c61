//! The OpenAPI document against the node: each path, method and status in it is called, and each
//! route of the node is in it.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which fail by panicking"
)]

mod harness;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use harness::*;
use reqwest::{Method, RequestBuilder, multipart::Form};
use serde_json::Value;
use shared::ids::StorageBucketId;

fn document() -> Value {
    serde_json::from_str(colossus::http::openapi::DOCUMENT).unwrap()
}

/// Every (path, method, status) of the document but `default`, with its answer.
fn documented(document: &Value) -> BTreeMap<(String, String, u16), Value> {
    let mut found = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                if let Ok(status) = status.parse() {
                    found.insert((path.clone(), method.clone(), status), answer.clone());
                }
            }
        }
    }
    found
}

/// Follows a `$ref`.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).expect(reference),
        None => schema,
    }
}

/// The fields that are required are there, and no field is there that is not spoken of, unless the
/// document says that there may be more.
fn check_shape(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolved(document, schema);
    if schema["type"] == "array" {
        let items = value.as_array().unwrap_or_else(|| panic!("{at}: {value}"));
        for item in items {
            check_shape(document, &schema["items"], item, at);
        }
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let fields = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        assert!(
            fields.contains_key(name),
            "{at}: {name} is missing in {value}"
        );
    }
    let may_have_more = schema["additionalProperties"] == true;
    for (name, value) in fields {
        let known = properties.get(name);
        match known {
            Some(known) => check_shape(document, known, value, &format!("{at}.{name}")),
            None => assert!(may_have_more, "{at}: {name} is not documented"),
        }
    }
}

/// One call, and what it must be answered with.
struct Call {
    path: &'static str,
    status: u16,
    request: RequestBuilder,
    method: Method,
}

struct Calls<'a> {
    node: &'a TestNode,
    calls: Vec<Call>,
}

impl Calls<'_> {
    /// Fills the path's parameter with a value, and a query behind it.
    fn add(&mut self, method: Method, path: &'static str, value: &str, status: u16) -> &mut Call {
        let (open, close) = (path.find('{'), path.find('}'));
        let filled = match open.zip(close) {
            Some((open, close)) => format!("{}{value}{}", &path[..open], &path[close + 1..]),
            None => format!("{path}{value}"),
        };
        let url = format!("{}{filled}", self.node.root());
        let request = self.node.http.request(method.clone(), url);
        self.calls.push(Call {
            path,
            status,
            request,
            method,
        });
        self.calls.last_mut().unwrap()
    }

    fn get(&mut self, path: &'static str, value: &str, status: u16) -> &mut Call {
        self.add(Method::GET, path, value, status)
    }
}

impl Call {
    fn with(&mut self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) {
        let request = self.request.try_clone().unwrap();
        self.request = change(request);
    }

    fn header(&mut self, name: &str, value: &str) {
        self.with(|request| request.header(name, value));
    }
}

const UPLOAD: &str = "/api/v1/files";
const UPLOADS: &str = "/api/v1/uploads";
const ONE_UPLOAD: &str = "/api/v1/uploads/{upload}";
const FILE: &str = "/api/v1/files/{id}";
const OUTBOARD: &str = "/api/v1/files/{id}/outboard";
const RECEIPT: &str = "/api/v1/files/{id}/receipt";
const PREFLIGHT: &str = "/api/v1/uploads/preflight";
const DIGESTS: &str = "/api/v1/state/digests";
const BAG_DIGEST: &str = "/api/v1/state/bags/{bagId}/digest";
const OF_BAG: &str = "/api/v1/state/bags/{bagId}/data-objects";

fn object() -> Vec<u8> {
    bytes(1, 100_000)
}

fn file_calls(calls: &mut Calls<'_>, host_id: &str) {
    for path in [FILE, OUTBOARD] {
        for method in [Method::GET, Method::HEAD] {
            let mut plain = |id, status| {
                calls.add(method.clone(), path, id, status);
            };
            plain("1", 200);
            plain("01", 400);
            plain("9", 404);
            for (status, header, value) in [
                (206, "range", "bytes=0-1"),
                (304, "if-none-match", "*"),
                (403, "x-colossus-host-id", host_id),
                (412, "if-match", "\"other\""),
                (416, "range", "bytes=900000-"),
            ] {
                let call = calls.add(method.clone(), path, "1", status);
                call.header(header, value);
            }
        }
    }
}

fn upload_calls(calls: &mut Calls<'_>) {
    let bucket = bucket_of(1);
    let right = format!("?{}", query(2, bucket, BAG));
    let mut form = |query: &str, status, form: Form| {
        calls
            .add(Method::POST, UPLOAD, query, status)
            .with(|request| request.multipart(form));
    };
    form(&right, 201, file_form(b"second"));
    form(
        &format!("?{}", query(99, bucket, BAG)),
        400,
        file_form(b"x"),
    );
    let third = format!("?{}", query(3, bucket, BAG));
    let again = reqwest::multipart::Part::bytes(b"x".to_vec()).file_name("again.mp4");
    let two = file_form(b"third!").part("again", again);
    form(&third, 413, two);
    form(
        &format!("?{}", query(3, bucket_of(2), BAG)),
        503,
        file_form(b"third!"),
    );
    calls
        .add(Method::POST, UPLOAD, &third, 415)
        .with(|request| request.body("third!"));
}

fn other_calls(calls: &mut Calls<'_>) {
    for (id, status) in [("1", 200), ("x", 400), ("9", 404)] {
        calls.get(RECEIPT, id, status);
    }
    for (bag, status) in [
        ("dynamic:channel:1", 200),
        ("dynamic:channel:77", 404),
        ("x", 400),
    ] {
        calls.get(PREFLIGHT, &format!("?bagId={bag}&size=5"), status);
    }
    calls.get(OF_BAG, "dynamic:channel:1", 200);
    calls.get(OF_BAG, "channel", 400);
    for (bags, status) in [("dynamic:channel:1,static:council", 200), ("channel", 400)] {
        calls.get(DIGESTS, &format!("?bags={bags}"), status);
    }
    calls.get(BAG_DIGEST, "dynamic:channel:1", 200);
    calls.get(BAG_DIGEST, "channel", 400);
    for path in [
        "/api/v1/state/data-objects",
        "/api/v1/state/data",
        "/api/v1/version",
        "/api/v1/status",
        "/api/v1/openapi.json",
        "/api/v1/docs",
        "/api/v1/docs/rapidoc.js",
    ] {
        calls.get(path, "", 200);
    }
}

fn base64(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

/// The headers that begin a resumable upload of object 3 to a bucket, of so many bytes.
fn creation(request: RequestBuilder, bucket: StorageBucketId, len: u64) -> RequestBuilder {
    let pairs = [
        ("dataObjectId", "3".to_owned()),
        ("storageBucketId", bucket.to_string()),
        ("bagId", BAG.to_string()),
    ];
    let pairs = pairs.map(|(key, value)| format!("{key} {}", base64(&value)));
    request
        .header("tus-resumable", "1.0.0")
        .header("upload-length", len)
        .header("upload-metadata", pairs.join(","))
}

/// Begins a resumable upload; its name.
async fn begun(node: &TestNode) -> String {
    let request = node.http.post(node.url("uploads"));
    let answer = creation(request, bucket_of(1), 6).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap();
    location.rsplit('/').next().unwrap().to_owned()
}

fn resumable_calls(calls: &mut Calls<'_>, upload: &str) {
    let mut create = |status, change: &dyn Fn(RequestBuilder) -> RequestBuilder| {
        calls.add(Method::POST, UPLOADS, "", status).with(change);
    };
    create(201, &|request| creation(request, bucket_of(1), 6));
    create(400, &|request| creation(request, bucket_of(1), 7));
    create(412, &|request| request.header("tus-resumable", "0.2.2"));
    create(415, &|request| {
        creation(request, bucket_of(1), 6).body("third!")
    });
    create(503, &|request| creation(request, bucket_of(2), 6));
    calls.add(Method::OPTIONS, UPLOADS, "", 204);

    let nobody = "0".repeat(upload.len());
    for (name, status) in [(upload, 200), (&nobody, 404)] {
        calls.get(ONE_UPLOAD, name, status);
        let head = calls.add(Method::HEAD, ONE_UPLOAD, name, status);
        head.header("tus-resumable", "1.0.0");
    }
    for method in [Method::HEAD, Method::PATCH, Method::DELETE] {
        calls.add(method, ONE_UPLOAD, upload, 412);
    }
    let mut patch = |name: &str, offset: u64, media_type: &'static str, status| {
        let call = calls.add(Method::PATCH, ONE_UPLOAD, name, status);
        call.with(|request| {
            request
                .header("tus-resumable", "1.0.0")
                .header("upload-offset", offset)
                .header("content-type", media_type)
                .body("third!")
        });
    };
    const BYTES: &str = "application/offset+octet-stream";
    patch(upload, 0, "text/plain", 415);
    patch(&nobody, 0, BYTES, 404);
    patch(upload, 3, BYTES, 409);
    patch(upload, 0, BYTES, 204);
    for (name, status) in [(upload, 204), (&nobody, 404)] {
        let delete = calls.add(Method::DELETE, ONE_UPLOAD, name, status);
        delete.header("tus-resumable", "1.0.0");
    }
}

#[actix_web::test]
async fn every_documented_answer_is_given() {
    let chain = chain(2);
    for (id, bytes) in [
        (1, object()),
        (2, b"second".to_vec()),
        (3, b"third!".to_vec()),
    ] {
        create_for(&chain, id, &bytes);
    }
    let node = TestNode::start(&chain, 1, |_| {}).await;
    assert_eq!(node.upload(1, &object()).await.status(), 201);
    eventually("it is accepted", async || node.accepted(1)).await;

    let mut calls = Calls {
        node: &node,
        calls: Vec::new(),
    };
    file_calls(&mut calls, &node.node.node().host_id);
    upload_calls(&mut calls);
    resumable_calls(&mut calls, &begun(&node).await);
    other_calls(&mut calls);

    let document = document();
    let mut documented = documented(&document);
    for call in calls.calls {
        let method = call.method.as_str().to_lowercase();
        let name = format!("{method} {} {}", call.path, call.status);
        let answer = call.request.send().await.unwrap();
        assert_eq!(answer.status(), call.status, "{name}");
        let wanted = documented.remove(&(call.path.to_owned(), method, call.status));
        let wanted = wanted.unwrap_or_else(|| panic!("{name} is not in the document"));
        let Some(content) = wanted["content"].as_object() else {
            let empty = answer.bytes().await.unwrap();
            assert!(
                empty.is_empty() || !name.starts_with("get"),
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
            let body: Value = answer.json().await.unwrap();
            check_shape(&document, &schema["schema"], &body, &name);
        }
    }
    let uncalled: Vec<_> = documented.keys().collect();
    assert!(uncalled.is_empty(), "never called: {uncalled:?}");
    node.stop().await;
}

/// Texts between quotes that begin with `/api/`, in code.
fn literal_routes(code: &str) -> impl Iterator<Item = &str> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|text| text.starts_with("/api/"))
}

/// All Rust files below a directory.
fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|it| it == "rs") => {
                found.push(fs::read_to_string(path).unwrap());
            }
            false => {}
        }
    }
}

/// A route without the names of its parameters.
fn nameless(route: &str) -> String {
    let mut parts = route.split('/').map(|part| match part.starts_with('{') {
        true => "{}",
        false => part,
    });
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| format!("{path}/{part}"))
}

#[test]
fn every_route_of_the_node_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut http, mut api) = (Vec::new(), Vec::new());
    sources(&root.join("src/http"), &mut http);
    sources(&root.join("../shared/src/api"), &mut api);
    sources(&root.join("../shared/src/serve/openapi"), &mut api);
    sources(&root.join("src"), &mut api);
    // Constants declared elsewhere count where the node's routes name them.
    let mut routes: BTreeSet<String> = BTreeSet::new();
    for code in &http {
        let code = code.split("#[cfg(test)]").next().unwrap();
        routes.extend(literal_routes(code).map(nameless));
        let names = code.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        for name in names.filter(|name| name.ends_with("_ROUTE")) {
            let declared = api.iter().find_map(|code| {
                let at = code.find(&format!("pub const {name}: &str ="))?;
                literal_routes(&code[at..]).next()
            });
            routes.extend(declared.map(nameless));
        }
    }
    assert!(routes.len() > 10, "{routes:?}");
    let documented: BTreeSet<String> = document()["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(|path| nameless(path))
        .collect();
    assert_eq!(routes, documented);
}

#[test]
fn references_resolve_and_parameters_are_those_of_the_path() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if fields.contains_key("$ref") {
                    assert!(resolved(document, value).is_object());
                }
                fields.values().for_each(|value| walk(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            assert!(operations.insert(operation["operationId"].as_str().unwrap()));
            let named = operation["parameters"].as_array().into_iter().flatten();
            let named: BTreeSet<String> = named
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                .collect();
            let wanted = path.split('/').filter(|part| part.starts_with('{'));
            assert_eq!(named, wanted.map(str::to_owned).collect(), "{path}");
        }
    }
}
