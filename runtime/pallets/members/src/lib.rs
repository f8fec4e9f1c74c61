//! Memberships: the people of the platform.
