//! One GraphQL document, two sources: what the indexer knows and what only the gateway knows.
//!
//! | module | what it owns |
//! |---|---|
//! | [`schema`] | [`Schema`]: the indexer's schema and the gateway's additions, stitched |
//! | [`additions`] | the gateway's own fields, mutations and types |
//! | [`document`] | a request's document: parsed, checked against the limits, its variables |
//! | [`split`] | [`split::split`]: takes the gateway's fields out, adds the keys they need |
//! | [`merge`] | [`merge::Merge`]: puts the answers together in the client's shape and order |
//! | [`own`] | answers that the gateway has itself: introspection, results of mutations |
//! | [`collect`] | the fields a selection asks for, fragments and `@skip`/`@include` resolved |
//! | [`print`] | a document as text |
//!
//! All of it is pure: no request is made here.

pub mod additions;
pub mod collect;
pub mod document;
pub mod merge;
pub mod own;
pub mod print;
pub mod schema;
pub mod split;

#[cfg(test)]
mod tests;

pub use schema::Schema;
