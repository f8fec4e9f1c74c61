//! Fetching what this node owes and does not hold: which object from whom and when is decided in
//! [`core`] in the words of [`words`]; [`actor`] gives it a mailbox, a timer and hands.

pub mod actor;
pub mod core;
pub mod words;
