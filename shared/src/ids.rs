//! Newtypes for every id of the chain. Text becomes an id once, at the edge of the process; inside,
//! an id of one kind cannot be passed for another. `Encode` and `Decode` are SCALE, for snapshots on
//! disk.

use std::{fmt, str::FromStr};

use blake2::{Blake2b512, Digest};
use codec::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not the id it should be: what was expected, and the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a valid {kind}: {expected}")]
pub struct IdError {
    /// The kind of id, as people say it ("data object id").
    pub kind: &'static str,
    /// What a valid text looks like.
    pub expected: &'static str,
    /// The text as it came, cut to 80 characters.
    pub text: String,
}

impl IdError {
    fn new(kind: &'static str, expected: &'static str, text: &str) -> Self {
        Self {
            kind,
            expected,
            text: text.chars().take(80).collect(),
        }
    }
}

/// Parses a canonical decimal: digits only, no sign, no leading zero.
fn canonical_decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

macro_rules! decimal_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                canonical_decimal(text).map(Self).ok_or_else(|| {
                    IdError::new($kind, "a whole number without sign or leading zeros", text)
                })
            }
        }
        text_serde!($name);
    };
}

/// Serde by `Display` and `FromStr`: ids are strings in JSON, as every existing client expects.
macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

decimal_id!(
    /// A data object: one static binary, the unit of storage.
    ObjectId, "data object id"
);
decimal_id!(
    /// A membership.
    MemberId, "member id"
);
decimal_id!(
    /// A channel of the content directory.
    ChannelId, "channel id"
);
decimal_id!(
    /// A video of the content directory.
    VideoId, "video id"
);
decimal_id!(
    /// A worker of one working group; ids of different groups are unrelated.
    WorkerId, "worker id"
);
decimal_id!(
    /// A storage bucket.
    StorageBucketId, "storage bucket id"
);
decimal_id!(
    /// A family (region) of distribution buckets.
    DistributionFamilyId, "distribution bucket family id"
);

/// A distribution bucket: its family and its index there, written `family:index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct DistributionBucketId {
    /// The family.
    pub family: DistributionFamilyId,
    /// Index of the bucket within the family.
    pub index: u64,
}

impl fmt::Display for DistributionBucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.family, self.index)
    }
}
impl FromStr for DistributionBucketId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.split_once(':')
            .and_then(|(family, index)| {
                Some(Self {
                    family: DistributionFamilyId(canonical_decimal(family)?),
                    index: canonical_decimal(index)?,
                })
            })
            .ok_or_else(|| IdError::new("distribution bucket id", "family:index, as in 0:1", text))
    }
}
text_serde!(DistributionBucketId);

/// The working groups of the chain, in the order of its enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[allow(missing_docs)]
pub enum WorkingGroup {
    Forum,
    Storage,
    Content,
    OperationsAlpha,
    App,
    Distribution,
    OperationsBeta,
    OperationsGamma,
    Membership,
}

impl WorkingGroup {
    /// Every group with its name in bag ids.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Forum, "forum"),
        (Self::Storage, "storage"),
        (Self::Content, "content"),
        (Self::OperationsAlpha, "operationsalpha"),
        (Self::App, "app"),
        (Self::Distribution, "distribution"),
        (Self::OperationsBeta, "operationsbeta"),
        (Self::OperationsGamma, "operationsgamma"),
        (Self::Membership, "membership"),
    ];

    /// The lower-case name used in bag ids.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(group, _)| *group == self)
            .map_or("", |(_, name)| name)
    }
}

/// A bag: the unit of assignment to buckets. Static bags always exist, dynamic ones belong to a
/// member or a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum BagId {
    /// `static:council`
    Council,
    /// `static:wg:<group>`
    WorkingGroup(WorkingGroup),
    /// `dynamic:member:<id>`
    Member(MemberId),
    /// `dynamic:channel:<id>`
    Channel(ChannelId),
}

impl fmt::Display for BagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Council => f.write_str("static:council"),
            Self::WorkingGroup(group) => write!(f, "static:wg:{}", group.name()),
            Self::Member(id) => write!(f, "dynamic:member:{id}"),
            Self::Channel(id) => write!(f, "dynamic:channel:{id}"),
        }
    }
}
impl FromStr for BagId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split(':').collect();
        let bag = match parts.as_slice() {
            ["static", "council"] => Some(Self::Council),
            ["static", "wg", name] => WorkingGroup::ALL
                .iter()
                .find(|(_, known)| known == name)
                .map(|(group, _)| Self::WorkingGroup(*group)),
            ["dynamic", "member", id] => canonical_decimal(id).map(|id| Self::Member(MemberId(id))),
            ["dynamic", "channel", id] => {
                canonical_decimal(id).map(|id| Self::Channel(ChannelId(id)))
            }
            _ => None,
        };
        bag.ok_or_else(|| {
            IdError::new(
                "bag id",
                "static:council, static:wg:<group>, dynamic:member:<id> or dynamic:channel:<id>",
                text,
            )
        })
    }
}
text_serde!(BagId);

/// A block hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct BlockHash(pub [u8; 32]);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}
impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for BlockHash {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("0x")
            .and_then(|digits| hex::decode(digits).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| IdError::new("block hash", "0x and 64 hexadecimal digits", text))
    }
}
text_serde!(BlockHash);

/// Prefix of the chain's addresses (SS58).
pub const SS58_PREFIX: u16 = 126;

/// An account: a public key, written as an SS58 address with prefix 126.
/// Format: <https://docs.substrate.io/reference/address-formats/>.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct AccountId(pub [u8; 32]);

fn ss58_checksum(payload: &[u8]) -> [u8; 2] {
    let digest = Blake2b512::new()
        .chain_update(b"SS58PRE")
        .chain_update(payload)
        .finalize();
    [digest[0], digest[1]]
}

/// The one or two bytes in front of the key.
fn ss58_prefix_bytes(prefix: u16) -> Vec<u8> {
    match prefix {
        0..=63 => vec![prefix as u8],
        _ => {
            vec![
                ((prefix & 0b1111_1100) >> 2) as u8 | 0b0100_0000,
                (prefix >> 8) as u8 | ((prefix & 0b11) << 6) as u8,
            ]
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = ss58_prefix_bytes(SS58_PREFIX);
        payload.extend_from_slice(&self.0);
        let checksum = ss58_checksum(&payload);
        payload.extend_from_slice(&checksum);
        f.write_str(&bs58::encode(payload).into_string())
    }
}
impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for AccountId {
    type Err = IdError;
    /// Accepts an address of any SS58 prefix: the key is what counts.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let refuse = || IdError::new("account address", "an SS58 address of a 32-byte key", text);
        let bytes = bs58::decode(text).into_vec().map_err(|_| refuse())?;
        let prefix_len = match bytes.first() {
            Some(0..=63) => 1,
            Some(64..=127) => 2,
            _ => return Err(refuse()),
        };
        if bytes.len() != prefix_len + 34 {
            return Err(refuse());
        }
        let (payload, checksum) = bytes.split_at(prefix_len + 32);
        if ss58_checksum(payload) != checksum {
            return Err(refuse());
        }
        payload[prefix_len..]
            .try_into()
            .map(Self)
            .map_err(|_| refuse())
    }
}
text_serde!(AccountId);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: FromStr<Err = IdError> + fmt::Debug>(text: &str) {
        let error = text.parse::<T>().expect_err(text);
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn only_canonical_decimals_are_ids() {
        assert_eq!("0".parse(), Ok(ObjectId(0)));
        assert_eq!("18446744073709551615".parse(), Ok(ObjectId(u64::MAX)));
        for text in [
            "",
            "a1b",
            "05206",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1.0",
            "18446744073709551616",
            "٣",
        ] {
            refused::<ObjectId>(text);
        }
    }

    #[test]
    fn bag_ids_are_case_insensitive_and_round_trip() {
        for text in [
            "static:council",
            "static:wg:operationsbeta",
            "dynamic:member:7",
            "dynamic:channel:10",
        ] {
            let bag: BagId = text.parse().unwrap();
            assert_eq!(bag.to_string(), text);
            assert_eq!(text.to_uppercase().parse(), Ok(bag));
        }
        for text in [
            "",
            "static",
            "static:wg:nobody",
            "dynamic:channel:",
            "dynamic:channel:01",
            "dynamic:channel:1:2",
        ] {
            refused::<BagId>(text);
        }
    }

    #[test]
    fn addresses_use_prefix_126_and_any_prefix_is_read() {
        // The well-known development key of Alice, in the generic and in the chain's own form.
        let alice: AccountId = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
            .parse()
            .unwrap();
        assert_eq!(
            hex::encode(alice.0),
            "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
        );
        let ours = alice.to_string();
        assert!(ours.starts_with('j'), "{ours}");
        assert_eq!(ours.parse(), Ok(alice));
        refused::<AccountId>(&ours[1..]);
    }

    #[test]
    fn distribution_bucket_ids() {
        let id: DistributionBucketId = "0:1".parse().unwrap();
        assert_eq!((id.family.0, id.index), (0, 1));
        for text in ["0", "0:", ":1", "0:01", "0:1:2"] {
            refused::<DistributionBucketId>(text);
        }
    }
}
