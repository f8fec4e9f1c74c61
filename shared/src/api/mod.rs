//! What nodes say to each other and to clients over HTTP: paths, JSON bodies, errors, and the client
//! with which one node calls another.
//!
//! - [`error`]: the JSON error body and the status that goes with each kind
//! - [`wire`]: bodies of `/api/v1/status`, `/version` and `/state/data` of a storage node
//! - [`client`]: [`client::StorageClient`], the only HTTP client for storage nodes
//! - [`download`]: [`download::Download`], a body on its way

pub mod client;
#[cfg(test)]
mod client_tests;
pub mod download;
pub mod error;
pub mod wire;

use crate::ids::{BagId, ObjectId};

pub use client::{FetchError, HttpOptions, HttpPool, StorageClient, install_tls_provider};
pub use download::Download;
pub use error::{ApiError, ErrorKind, takes_only};

/// Header by which a storage node names itself when it calls another; a node that sees its own id
/// refuses the request, so that a node does not fetch from itself through its public name.
pub const HOST_ID_HEADER: &str = "x-colossus-host-id";

/// Media type of an outboard: the layout and its version (`[CV of each 16 MiB segment][CV of each
/// 16 KiB group]`, 32 bytes each, no header).
pub const OUTBOARD_MEDIA_TYPE: &str = "application/vnd.joystream.blake3-outboard.v1";

/// Route of an object's bytes on a storage node, as an actix-web pattern.
pub const FILE_ROUTE: &str = "/api/v1/files/{id}";
/// Route of an object's outboard on a storage node.
pub const OUTBOARD_ROUTE: &str = "/api/v1/files/{id}/outboard";
/// Route of the receipt of an upload.
pub const RECEIPT_ROUTE: &str = "/api/v1/files/{id}/receipt";
/// Route of uploads to a storage node.
pub const UPLOAD_ROUTE: &str = "/api/v1/files";
/// Route of the question which buckets of a bag could take an object.
pub const UPLOAD_PREFLIGHT_ROUTE: &str = "/api/v1/uploads/preflight";
/// Route where resumable uploads begin: tus 1.0.
pub const TUS_ROUTE: &str = "/api/v1/uploads";
/// Route of one resumable upload.
pub const TUS_UPLOAD_ROUTE: &str = "/api/v1/uploads/{upload}";
/// Route of the ids a storage node holds.
pub const HELD_OBJECTS_ROUTE: &str = "/api/v1/state/data-objects";
/// Route of the ids of one bag that a storage node holds.
pub const HELD_OBJECTS_OF_BAG_ROUTE: &str = "/api/v1/state/bags/{bag_id}/data-objects";
/// Route of a storage node's figures.
pub const STATE_DATA_ROUTE: &str = "/api/v1/state/data";
/// Route of a node's version.
pub const VERSION_ROUTE: &str = "/api/v1/version";
/// Route of a node's status.
pub const STATUS_ROUTE: &str = "/api/v1/status";
/// Route of an object's bytes on a distribution node.
pub const ASSET_ROUTE: &str = "/api/v1/assets/{id}";
/// Route of the buckets a distribution node serves.
pub const BUCKETS_ROUTE: &str = "/api/v1/buckets";

/// Path of an object's bytes on a storage node.
pub fn file_path(object: ObjectId) -> String {
    format!("/api/v1/files/{object}")
}
/// Path of an object's outboard on a storage node.
pub fn outboard_path(object: ObjectId) -> String {
    format!("/api/v1/files/{object}/outboard")
}
/// Path of the ids of one bag that a storage node holds.
pub fn held_objects_of_bag_path(bag: BagId) -> String {
    format!("/api/v1/state/bags/{bag}/data-objects")
}
/// Path of an object's bytes on a distribution node.
pub fn asset_path(object: ObjectId) -> String {
    format!("/api/v1/assets/{object}")
}

/// A path of these under the HTTP root that an operator announces, with or without its final slash.
pub fn url(root: &str, path: &str) -> String {
    format!("{}{path}", root.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fill_in_their_routes() {
        assert_eq!(file_path(ObjectId(7)), FILE_ROUTE.replace("{id}", "7"));
        assert_eq!(
            outboard_path(ObjectId(7)),
            OUTBOARD_ROUTE.replace("{id}", "7")
        );
        assert_eq!(asset_path(ObjectId(7)), ASSET_ROUTE.replace("{id}", "7"));
        assert_eq!(
            held_objects_of_bag_path(BagId::Council),
            HELD_OBJECTS_OF_BAG_ROUTE.replace("{bag_id}", "static:council")
        );
    }
}
