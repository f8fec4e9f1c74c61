//! The chain's business logic: the runtime with the live chain's interface.
