//! Stories of channels, videos, permissions, curators and moderators.

mod channels;
mod curators;
mod moderation;
mod outside;
mod permissions;
mod videos;

type Error = crate::Error<crate::mock::Test>;
