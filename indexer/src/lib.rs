//! The query node: chain events to tables to GraphQL.
