//! Every document that storage nodes, edges and the upload path of apps send, answered from a small
//! indexed world: `operations/<name>.graphql` with variables and expected data in `<name>.json`.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::{fs, path::Path};

use common::World;
use serde_json::Value;

#[tokio::test]
async fn every_document_is_answered_as_its_sender_expects() {
    let world = World::whole().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations");
    let mut checked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "graphql")
        {
            continue;
        }
        let query = fs::read_to_string(&path).unwrap();
        let case: Value =
            serde_json::from_str(&fs::read_to_string(path.with_extension("json")).unwrap())
                .unwrap();
        let answer = world.ask(&query, case["variables"].clone()).await;
        assert_eq!(answer.get("errors"), None, "{}", path.display());
        assert_eq!(answer["data"], case["data"], "{}", path.display());
        checked += 1;
    }
    assert!(checked >= 30, "only {checked} documents were found");
}
