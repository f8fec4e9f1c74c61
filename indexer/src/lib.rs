//! The query node: chain events to tables to GraphQL.
//!
//! One schema file says what there is; the tables and the whole API follow from it. Reading order:
//!
//! | module | what it owns |
//! |---|---|
//! | [`schema`] | `schema.graphql` as a model: entities, fields, columns |
//! | [`mapping`] | what each event of the chain changes, pure |
//! | [`store`] | the tables: changes with the height they belong to, rows at one moment |
//! | [`follow`] | finalised blocks in order, each applied whole |
//! | [`graphql`] | the API: filters, orders, selections as statements |
//! | [`http`] | `POST /graphql`, the page for browsers, the WebSocket |
//! | [`app`] | everything started and stopped in order |
//! | [`config`], [`cli`], [`metrics`] | knobs, command line, figures |
//!
//! To add an entity: write its type into `schema.graphql` and fill it in a mapping. A changed schema
//! makes the tables anew from the beginning of the chain.
//!
//! What holds at all times: the index stands at the end of some finalised block; an answer belongs to one
//! block from its first row to its last; an answer with errors is never a `200`, because clients take
//! `data: null` for "there is nothing" and delete files on it. After a crash nothing is lost that the
//! chain does not still have.

pub mod app;
pub mod cli;
pub mod config;
pub mod follow;
pub mod graphql;
pub mod http;
pub mod mapping;
pub mod metrics;
pub mod schema;
pub mod store;

pub use cli::cli_main;
