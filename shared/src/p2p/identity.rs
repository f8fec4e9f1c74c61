//! The node's lasting identity: an ed25519 key in a file that only the node's user may read.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use libp2p::{PeerId, identity::Keypair};

use super::receipt::{Receipt, SignedReceipt};

/// The key of a node on the peer-to-peer network.
#[derive(Clone)]
pub struct NodeIdentity {
    pub(super) keypair: Keypair,
}

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It cannot be read or written.
    #[error("node key file {}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It holds something else.
    #[error("node key file {} does not hold an ed25519 key; move it away to get a new identity", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
}

impl NodeIdentity {
    /// Reads the key, or makes one and stores it when the file does not exist. Blocking.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        let io_error = |cause| IdentityError::Io {
            path: path.to_path_buf(),
            cause,
        };
        match fs::read(path) {
            Ok(bytes) => Keypair::from_protobuf_encoding(&bytes)
                .map(|keypair| Self { keypair })
                .map_err(|_| IdentityError::NotAKey {
                    path: path.to_path_buf(),
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let identity = Self::generate();
                identity.store(path).map_err(io_error)?;
                Ok(identity)
            }
            Err(error) => Err(io_error(error)),
        }
    }

    /// A new identity that lives as long as the process.
    pub fn generate() -> Self {
        Self {
            keypair: Keypair::generate_ed25519(),
        }
    }

    /// The name others know this node by.
    pub fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Signs a receipt, as yet without a binding. The same receipt gets the same signature each time.
    pub fn sign_receipt(&self, receipt: Receipt) -> SignedReceipt {
        SignedReceipt {
            signature: self.sign(&receipt.signing_bytes()),
            receipt,
            binding: None,
        }
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.keypair
            .sign(message)
            .ok()
            .and_then(|signature| signature.try_into().ok())
            .expect("a node key is ed25519, which signs anything with 64 bytes")
    }

    /// Written aside and renamed, so that a crash leaves either no key or the whole key.
    fn store(&self, path: &Path) -> io::Result<()> {
        let bytes = self
            .keypair
            .to_protobuf_encoding()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let aside = path.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => {
                fs::File::open(directory)?.sync_all()
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_node_keeps_its_name_and_its_key_to_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        let first = NodeIdentity::load_or_create(&path).unwrap();
        let second = NodeIdentity::load_or_create(&path).unwrap();
        assert_eq!(first.peer_id(), second.peer_id());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_ne!(NodeIdentity::generate().peer_id(), first.peer_id());
    }

    #[test]
    fn a_damaged_key_file_is_named_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        fs::write(&path, b"not a key").unwrap();
        let error = NodeIdentity::load_or_create(&path).err().unwrap();
        assert!(error.to_string().contains("node.key"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"not a key");
    }
}
