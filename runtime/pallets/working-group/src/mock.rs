//! A runtime with one group, for the tests.
