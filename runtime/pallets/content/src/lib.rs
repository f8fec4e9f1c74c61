//! The content directory: channels and videos.
