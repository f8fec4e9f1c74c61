//! `Upload-Checksum`: a body is kept only if it has the checksum the client gave.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use parking_lot::Mutex;
use sha1::{Digest, Sha1};
use shared::{
    api::{ApiError, ErrorKind},
    blob::checkpoint::Observer,
    hash::ContentHasher,
};

/// Algorithms known here, as `Tus-Checksum-Algorithm` names them.
pub const ALGORITHMS: &str = "sha1,blake3";

/// A checksum the body must have, and the one it has so far.
pub struct Checksum {
    expected: Vec<u8>,
    running: Arc<Mutex<Running>>,
}

enum Running {
    Sha1(Box<Sha1>),
    Blake3(Box<ContentHasher>),
}

impl Checksum {
    /// Reads the header's value, such as `sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=`.
    pub fn parse(value: &str) -> Result<Self, ApiError> {
        let (algorithm, encoded) = value.split_once(' ').unwrap_or((value, ""));
        let (running, len) = match algorithm {
            "sha1" => (Running::Sha1(Box::default()), 20),
            "blake3" => (Running::Blake3(Box::default()), 32),
            other => {
                let shown: String = other.chars().take(40).collect();
                let message =
                    format!("checksums by '{shown}' are not known here: use {ALGORITHMS}");
                return Err(ApiError::new(ErrorKind::InvalidRequest, message));
            }
        };
        let expected = BASE64.decode(encoded.trim()).unwrap_or_default();
        if expected.len() != len {
            let message =
                format!("'Upload-Checksum' must have {len} bytes in base64 after '{algorithm}'");
            return Err(ApiError::new(ErrorKind::InvalidRequest, message));
        }
        let running = Arc::new(Mutex::new(running));
        Ok(Self { expected, running })
    }

    /// Sees the body's bytes in their order.
    pub fn observer(&self) -> Observer {
        let running = self.running.clone();
        Box::new(move |bytes| match &mut *running.lock() {
            Running::Sha1(hasher) => hasher.update(bytes),
            Running::Blake3(hasher) => hasher.update(bytes),
        })
    }

    /// Is it the checksum of all that was seen?
    pub fn holds(&self) -> bool {
        match &*self.running.lock() {
            Running::Sha1(hasher) => hasher.clone().finalize()[..] == self.expected[..],
            Running::Blake3(hasher) => hasher.finish().0[..] == self.expected[..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_hold_for_their_bytes_only() {
        // The SHA-1 is the example of the protocol's text, of "hello world".
        let blake3 = BASE64.encode(shared::hash::ContentHash::of(b"hello world").0);
        for value in [
            "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
            &format!("blake3 {blake3}"),
        ] {
            let checksum = Checksum::parse(value).unwrap();
            let mut see = checksum.observer();
            see(b"hello ");
            assert!(!checksum.holds());
            see(b"world");
            assert!(checksum.holds(), "{value}");
            see(b"!");
            assert!(!checksum.holds());
        }
    }

    #[test]
    fn unknown_and_torn_checksums_are_refused() {
        let cases = [
            ("md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1,blake3"),
            ("sha1", "20 bytes"),
            ("sha1 Kq5s", "20 bytes"),
            ("blake3 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "32 bytes"),
        ];
        for (value, named) in cases {
            let error = Checksum::parse(value).err().unwrap();
            assert_eq!(error.status, 400);
            assert!(error.message.contains(named), "{}", error.message);
        }
    }
}
