//! Reading the chain's state. **The only place that builds storage keys**: a key begins with the hash
//! of the prefix that the metadata names, which differs from the pallet's name for some pallets
//! (`StorageWorkingGroup` lives under `Instance2WorkingGroup`). A key made from the name finds
//! nothing, and nothing looks like an empty map.

use ::subxt::{
    ArcMetadata,
    ext::{frame_decode::storage::encode_storage_key_prefix, scale_decode::DecodeAsType},
    utils::H256,
};
use blake2::{Blake2b, Digest, digest::consts::U16};
use codec::{Decode, Encode};

use super::connection::{AtBlock, Connection, unreadable};
use crate::{chain::ChainError, ids::BlockHash};

/// Entries that are read with one request.
const PAGE_ENTRIES: u32 = 500;
/// Bytes of the hash in front of each key of a map.
const KEY_HASH_BYTES: usize = 16;

/// The chain's state at one block.
pub(super) struct State<'a> {
    connection: &'a Connection,
    at: H256,
    metadata: ArcMetadata,
}

/// What the metadata says about an item.
struct Item {
    name: String,
    prefix: [u8; 32],
    value_type: u32,
    default: Option<Vec<u8>>,
}

impl<'a> State<'a> {
    /// State at this block.
    pub(super) async fn at(
        connection: &'a Connection,
        hash: BlockHash,
    ) -> Result<Self, ChainError> {
        Ok(Self::of(connection, &connection.at_hash(hash).await?))
    }

    /// State at the block that this client stands at.
    pub(super) fn of(connection: &'a Connection, at: &AtBlock) -> Self {
        Self {
            connection,
            at: at.block_hash(),
            metadata: at.metadata(),
        }
    }

    /// State at the newest finalised block.
    pub(super) async fn now(connection: &'a Connection) -> Result<Self, ChainError> {
        let head = connection.finalized_head().await?;
        let at = connection.at(head.hash, head.number).await?;
        Ok(Self::of(connection, &at))
    }

    /// A plain value; the chain's default if nothing is stored.
    pub(super) async fn value<V: DecodeAsType>(
        &self,
        pallet: &str,
        entry: &str,
    ) -> Result<V, ChainError> {
        let item = self.item(pallet, entry)?;
        match self.fetch(&item, &[]).await? {
            Some(bytes) => self.decode(&item, &bytes),
            None => {
                let default = item.default.as_deref().unwrap_or_default();
                self.decode(&item, default)
            }
        }
    }

    /// The events of the block, not decoded; none if there are none.
    pub(super) async fn raw_events(&self) -> Result<Vec<u8>, ChainError> {
        let item = self.item("System", "Events")?;
        Ok(self.fetch(&item, &[]).await?.unwrap_or_default())
    }

    /// The value of one key of a map, if it is there.
    pub(super) async fn entry<V: DecodeAsType>(
        &self,
        pallet: &str,
        entry: &str,
        keys: &[Vec<u8>],
    ) -> Result<Option<V>, ChainError> {
        let item = self.item(pallet, entry)?;
        let bytes = self.fetch(&item, keys).await?;
        bytes.map(|bytes| self.decode(&item, &bytes)).transpose()
    }

    /// A constant of the runtime.
    pub(super) fn constant<V: DecodeAsType>(
        &self,
        pallet: &str,
        name: &str,
    ) -> Result<V, ChainError> {
        let what = format!("the constant {pallet}.{name}");
        let found = self.metadata.pallet_by_name(pallet);
        let constant = found.and_then(|pallet| pallet.constant_by_name(name));
        let constant = constant.ok_or_else(|| unreadable(&what, "the chain has no such item"))?;
        V::decode_as_type(&mut constant.value(), constant.ty(), self.metadata.types())
            .map_err(|error| unreadable(&what, error))
    }

    /// All entries of a map, page by page: keys without their hashes, and values.
    pub(super) async fn entries<K: Decode + Send, V: DecodeAsType + Send>(
        &self,
        pallet: &str,
        entry: &str,
        mut each: impl FnMut(MapKey<K>, V) + Send,
    ) -> Result<(), ChainError> {
        let item = self.item(pallet, entry)?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let keys = self.page(&item, after.as_deref()).await?;
            let Some(last) = keys.last().cloned() else {
                return Ok(());
            };
            for (key, value) in self.values(&item, &keys).await? {
                each(MapKey::read(&item, &key)?, self.decode(&item, &value)?);
            }
            if keys.len() < PAGE_ENTRIES as usize {
                return Ok(());
            }
            after = Some(last);
        }
    }

    async fn page(&self, item: &Item, after: Option<&[u8]>) -> Result<Vec<Vec<u8>>, ChainError> {
        let rpc = &self.connection.rpc;
        let keys = rpc.state_get_keys_paged(&item.prefix, PAGE_ENTRIES, after, Some(self.at));
        keys.await
            .map_err(|error| self.connection.failed(&item.name, error))
    }

    async fn values(
        &self,
        item: &Item,
        keys: &[Vec<u8>],
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ChainError> {
        let keys = keys.iter().map(Vec::as_slice);
        let sets = self
            .connection
            .rpc
            .state_query_storage_at(keys, Some(self.at));
        let sets = sets
            .await
            .map_err(|error| self.connection.failed(&item.name, error))?;
        let changes = sets.into_iter().flat_map(|set| set.changes);
        Ok(changes
            .filter_map(|(key, value)| Some((key.0, value?.0)))
            .collect())
    }

    fn item(&self, pallet: &str, entry: &str) -> Result<Item, ChainError> {
        let name = format!("{pallet}.{entry}");
        let storage = self.metadata.pallet_by_name(pallet);
        let storage = storage.and_then(|pallet| pallet.storage());
        let found = storage.and_then(|storage| Some((storage, storage.entry_by_name(entry)?)));
        let (storage, found) =
            found.ok_or_else(|| unreadable(&name, "the chain has no such item"))?;
        Ok(Item {
            name,
            prefix: encode_storage_key_prefix(storage.prefix(), entry),
            value_type: found.value_ty(),
            default: found.default_value().map(<[u8]>::to_vec),
        })
    }

    async fn fetch(&self, item: &Item, keys: &[Vec<u8>]) -> Result<Option<Vec<u8>>, ChainError> {
        let mut key = item.prefix.to_vec();
        for part in keys {
            key.extend(Blake2b::<U16>::digest(part));
            key.extend(part);
        }
        let value = self.connection.rpc.state_get_storage(&key, Some(self.at));
        value
            .await
            .map_err(|error| self.connection.failed(&item.name, error))
    }

    fn decode<V: DecodeAsType>(&self, item: &Item, mut bytes: &[u8]) -> Result<V, ChainError> {
        V::decode_as_type(&mut bytes, item.value_type, self.metadata.types())
            .map_err(|error| unreadable(&item.name, error))
    }
}

/// The key of one entry, as far as it is read.
pub(super) struct MapKey<K> {
    /// The first part.
    pub(super) first: K,
    rest: Vec<u8>,
}

impl<K: Decode> MapKey<K> {
    fn read(item: &Item, key: &[u8]) -> Result<Self, ChainError> {
        let mut rest = key
            .get(item.prefix.len() + KEY_HASH_BYTES..)
            .unwrap_or_default();
        let first = K::decode(&mut rest).map_err(|error| unreadable(&item.name, error))?;
        Ok(Self {
            first,
            rest: rest.to_vec(),
        })
    }

    /// The second part of the key of a double map.
    pub(super) fn second<S: Decode>(&self) -> Option<S> {
        S::decode(&mut self.rest.get(KEY_HASH_BYTES..)?).ok()
    }
}

/// A part of a key, encoded.
pub(super) fn key(part: impl Encode) -> Vec<u8> {
    part.encode()
}
