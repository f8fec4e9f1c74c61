//! Prints the interface that a metadata file describes, one item per line.
//!
//! ```text
//! cargo run -p joystream-runtime --example list_interface -- <metadata> > runtime/tests/live-interface.txt
//! ```
//! The file holds either SCALE-encoded metadata or the answer of `state_getMetadata`
//! (`{"result":"0x…"}`). With `--detail` shapes are written out instead of hashed. Only the pallets
//! that this runtime has are listed.

use std::path::Path;

use describe::{describe, Interface};

#[path = "../tests/interface/describe.rs"]
mod describe;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let detail = arguments.iter().any(|argument| argument == "--detail");
    let path = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let path = path.expect("usage: list_interface [--detail] <metadata file>");
    let ours = describe(&joystream_runtime::api::metadata());
    for (key, item) in describe(&read(Path::new(path))) {
        if is_of_our_pallets(&key, &ours) {
            println!("{key} = {}", if detail { item.detail } else { item.facts });
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("the metadata file can be read");
    if !bytes.starts_with(b"{") {
        return bytes;
    }
    let answer: serde_json::Value = serde_json::from_slice(&bytes).expect("the file is JSON");
    let digits = answer["result"].as_str().expect("the answer has a result");
    hex::decode(digits.trim_start_matches("0x")).expect("the result is hexadecimal")
}

fn is_of_our_pallets(key: &str, ours: &Interface) -> bool {
    let (kind, name) = key.split_once(' ').expect("keys have a kind and a name");
    if matches!(kind, "extrinsic" | "extension") {
        return true;
    }
    let pallet = name.split('.').next().expect("names begin with the pallet");
    ours.contains_key(&format!("pallet {pallet}"))
}
