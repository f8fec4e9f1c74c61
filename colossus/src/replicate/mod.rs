//! Fetching what this node owes and does not hold.
//!
//! | module | what it owns |
//! |---|---|
//! | [`core`] | pure: which object from whom and when, in the words of [`words`] |
//! | [`transfer`] | one large object from several sources, by verified ranges |
//! | [`compare`] | what another node holds and this one does not, by digests |
//! | [`rounds`] | all that is owed, compared with its other holders over and over |
//! | [`actor`] | gives the core a mailbox, a timer and hands |

pub mod actor;
pub mod compare;
pub mod core;
#[cfg(test)]
pub(crate) mod random;
pub mod rounds;
pub mod transfer;
pub mod words;
