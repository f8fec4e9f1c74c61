//! [`Key`]: ids as bytes that sort as the ids do.

use std::borrow::Cow;

use crate::{
    hash::ContentHash,
    ids::{
        BagId, ChannelId, DistributionBucketId, DistributionFamilyId, MemberId, ObjectId,
        StorageBucketId, VideoId, WorkerId,
    },
};

/// A key of a table: its bytes sort as the keys do.
pub trait Key: Sized {
    /// The bytes under which a value lies.
    fn to_key(&self) -> Cow<'_, [u8]>;
    /// The key again. `None` if these bytes are not one.
    fn from_key(bytes: &[u8]) -> Option<Self>;
}

macro_rules! number_keys {
    ($($id:ident),*) => {$(
        /// Eight bytes, big endian.
        impl Key for $id {
            fn to_key(&self) -> Cow<'_, [u8]> {
                Cow::Owned(self.0.to_be_bytes().to_vec())
            }
            fn from_key(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(|bytes| Self(u64::from_be_bytes(bytes)))
            }
        }
    )*};
}
number_keys!(
    ObjectId,
    MemberId,
    ChannelId,
    VideoId,
    WorkerId,
    StorageBucketId,
    DistributionFamilyId
);

/// Eight bytes, big endian.
impl Key for u64 {
    fn to_key(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.to_be_bytes().to_vec())
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes)
    }
}

/// Family, then index.
impl Key for DistributionBucketId {
    fn to_key(&self) -> Cow<'_, [u8]> {
        Cow::Owned([self.family.0.to_be_bytes(), self.index.to_be_bytes()].concat())
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (family, index) = bytes.split_at_checked(8)?;
        Some(Self {
            family: DistributionFamilyId::from_key(family)?,
            index: u64::from_key(index)?,
        })
    }
}

/// The digest.
impl Key for ContentHash {
    fn to_key(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// The text.
impl Key for String {
    fn to_key(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.as_bytes())
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

/// The text of the id.
impl Key for BagId {
    fn to_key(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.to_string().into_bytes())
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_ids_and_come_back() {
        fn check<K: Key + PartialEq + std::fmt::Debug>(ascending: &[K]) {
            assert!(
                ascending
                    .windows(2)
                    .all(|pair| pair[0].to_key() < pair[1].to_key())
            );
            for key in ascending {
                assert_eq!(K::from_key(&key.to_key()).as_ref(), Some(key));
            }
            assert!(ascending.is_empty() || K::from_key(&[0xff; 3]).is_none());
        }
        check(&[0, 1, 255, 256, u64::MAX]);
        check(&[ChannelId(9), ChannelId(10)]);
        check(&["0:9", "0:10", "1:0"].map(|id| id.parse::<DistributionBucketId>().unwrap()));
        check(&[ContentHash([1; 32]), ContentHash([2; 32])]);
        check(&["dynamic:channel:1", "static:council"].map(|id| id.parse::<BagId>().unwrap()));
        check(&["a".to_owned(), "b".to_owned()]);
    }
}
