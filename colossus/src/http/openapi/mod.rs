//! The OpenAPI document of the public interface. It is kept by hand; a test calls each path and status in
//! it and finds each route of the node in it.

pub use shared::serve::openapi::{DOCUMENT_ROUTE, PAGE_ROUTE, SCRIPT_ROUTE, routes};

/// The document.
pub const DOCUMENT: &str = include_str!("openapi.json");
