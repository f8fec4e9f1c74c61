//! Stories of a group.
