//! The content hash of a data object: BLAKE3-256, on chain as a base58 multihash of 46 characters.
//!
//! Format: base58btc of `0x1e 0x20 <32 bytes>` (multihash code of BLAKE3, length 32).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Multihash code of BLAKE3, and the length of the digest that follows.
const MULTIHASH_PREFIX: [u8; 2] = [0x1e, 0x20];

/// BLAKE3-256 of an object's bytes: the root of trust for each of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// A text that is not the multihash of a BLAKE3 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentHashError {
    /// Characters outside base58.
    #[error("'{0}' is not a content id: it is not base58")]
    NotBase58(String),
    /// Another multihash, for example a `Qm…` of SHA-256: such an object cannot be verified here.
    #[error(
        "'{text}' is not a content id: its multihash starts with {prefix}, BLAKE3-256 would be 1e20"
    )]
    NotBlake3 {
        /// The text as it came.
        text: String,
        /// The first bytes in hexadecimal.
        prefix: String,
    },
}

/// What the chain says of an object's content: a hash that can be checked, or a text that cannot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentId {
    /// The multihash of a BLAKE3 digest.
    Blake3(ContentHash),
    /// Anything else, as it came.
    Other(Box<str>),
}

impl ContentId {
    /// The hash that the bytes must have, or why they cannot be verified.
    pub fn hash(&self) -> Result<ContentHash, ContentHashError> {
        match self {
            Self::Blake3(hash) => Ok(*hash),
            Self::Other(text) => text.parse(),
        }
    }
}

/// Base58 without leading zeros has one spelling only, so the text is not lost.
impl From<&str> for ContentId {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(hash) => Self::Blake3(hash),
            Err(_) => Self::Other(text.into()),
        }
    }
}
impl From<ContentHash> for ContentId {
    fn from(hash: ContentHash) -> Self {
        Self::Blake3(hash)
    }
}
impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blake3(hash) => hash.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        blake3::hash(bytes).into()
    }
}

/// Hashes a stream whose ranges nobody needs to check later; `verified` also builds the outboard.
/// Feed it pieces of 16 KiB or more: small ones cost up to ten times as much per byte.
#[derive(Debug, Default)]
pub struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes so far.
    pub fn finish(&self) -> ContentHash {
        self.0.finalize().into()
    }
}

impl From<blake3::Hash> for ContentHash {
    fn from(hash: blake3::Hash) -> Self {
        Self(hash.into())
    }
}
impl From<ContentHash> for blake3::Hash {
    fn from(hash: ContentHash) -> Self {
        Self::from(hash.0)
    }
}
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut multihash = [0u8; 34];
        multihash[..2].copy_from_slice(&MULTIHASH_PREFIX);
        multihash[2..].copy_from_slice(&self.0);
        f.write_str(&bs58::encode(multihash).into_string())
    }
}
impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for ContentHash {
    type Err = ContentHashError;
    fn from_str(text: &str) -> Result<Self, ContentHashError> {
        let cut = || text.chars().take(80).collect::<String>();
        let bytes = bs58::decode(text)
            .into_vec()
            .map_err(|_| ContentHashError::NotBase58(cut()))?;
        match bytes
            .strip_prefix(&MULTIHASH_PREFIX)
            .map(<[u8; 32]>::try_from)
        {
            Some(Ok(digest)) => Ok(Self(digest)),
            _ => Err(ContentHashError::NotBlake3 {
                text: cut(),
                prefix: hex::encode(&bytes[..bytes.len().min(2)]),
            }),
        }
    }
}
impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ids_have_46_characters_and_round_trip() {
        for bytes in [&b""[..], b"a", &[7; 100_000]] {
            let hash = ContentHash::of(bytes);
            let text = hash.to_string();
            assert_eq!(text.len(), 46, "{text}");
            assert_eq!(text.parse(), Ok(hash));
        }
    }

    #[test]
    fn a_content_id_keeps_its_text() {
        let hash = ContentHash::of(b"a");
        let text = hash.to_string();
        assert_eq!(ContentId::from(text.as_str()), ContentId::Blake3(hash));
        for text in [text.as_str(), &format!("1{text}"), "Qm", ""] {
            assert_eq!(ContentId::from(text).to_string(), text);
            assert_eq!(ContentId::from(text).hash(), text.parse());
        }
    }

    #[test]
    fn other_multihashes_are_refused_with_a_reason() {
        let sha256 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";
        let error = sha256.parse::<ContentHash>().unwrap_err().to_string();
        assert!(error.contains(sha256) && error.contains("1220"), "{error}");
        assert!(matches!(
            "not base58!".parse::<ContentHash>(),
            Err(ContentHashError::NotBase58(_))
        ));
        assert!("".parse::<ContentHash>().is_err());
    }
}
