//! The proof: whole-system tests over real processes, and the architecture's rules as tests.
