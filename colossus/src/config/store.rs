//! `[store]`: where the bytes of objects are kept.

use serde::{Deserialize, Serialize};
use shared::{
    blob::RemoteOptions,
    config::{ByteSize, Secret, TimeSpan},
};
use tokio::time::Duration;

use super::{InvalidConfig, at_least_one};

/// Services take no smaller parts, but for the last.
const PART_BYTES_MIN: u64 = 5 << 20;

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `disk`: in the directories of objects. `s3`: in an S3-compatible object store; outboards stay in
    /// the directories, and what lies there in whole is served from there.
    pub kind: StoreKind,
    /// The bucket, which must exist.
    pub bucket: String,
    /// What the names of this node's objects begin with. Two nodes must not share one.
    pub prefix: String,
    /// Address of the service; empty: Amazon's own.
    pub endpoint: String,
    /// Region.
    pub region: String,
    /// Id of the access key; `AWS_ACCESS_KEY_ID` in the environment if it is not given here.
    pub access_key_id: Option<String>,
    /// The access key; `AWS_SECRET_ACCESS_KEY` in the environment if it is not given here.
    pub secret_access_key: Option<Secret>,
    /// Allow plain HTTP to the endpoint.
    pub allow_http: bool,
    /// Put the bucket into the host's name instead of the path.
    pub virtual_hosted: bool,
    /// Longest wait for one request.
    pub request_timeout: TimeSpan,
    /// Requests under way at once.
    pub requests_max: usize,
    /// Larger objects are sent in parts of this size. What is sent takes at most one of it per request in
    /// memory, so `requests_max` of them.
    pub part_size: ByteSize,
    /// Parts of one object sent at once.
    pub parts_at_once: usize,
}

/// What keeps the bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// Directories.
    #[default]
    Disk,
    /// An S3-compatible object store.
    S3,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            kind: StoreKind::Disk,
            bucket: String::new(),
            prefix: String::new(),
            endpoint: String::new(),
            region: "us-east-1".into(),
            access_key_id: None,
            secret_access_key: None,
            allow_http: false,
            virtual_hosted: false,
            request_timeout: TimeSpan::from_secs(30),
            requests_max: 32,
            part_size: ByteSize(8 << 20),
            parts_at_once: 4,
        }
    }
}

impl StoreConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        if self.kind == StoreKind::Disk {
            return Ok(());
        }
        at_least_one("store.requests_max", self.requests_max as u64)?;
        at_least_one("store.parts_at_once", self.parts_at_once as u64)?;
        if self.bucket.is_empty() {
            return Err(InvalidConfig::NoBucketName);
        }
        self.check_endpoint()?;
        if self.part_size.0 < PART_BYTES_MIN {
            return Err(InvalidConfig::SmallParts {
                part_size: self.part_size,
            });
        }
        if self.request_timeout.0 < Duration::from_millis(10) {
            return Err(InvalidConfig::Zero("store.request_timeout"));
        }
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            return Err(InvalidConfig::HalfKey);
        }
        Ok(())
    }

    fn check_endpoint(&self) -> Result<(), InvalidConfig> {
        let endpoint = self.endpoint.clone();
        let scheme = endpoint.split_once("://").map(|(scheme, _)| scheme);
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            None if endpoint.is_empty() => Ok(()),
            Some("https") => Ok(()),
            Some("http") if self.allow_http => Ok(()),
            Some("http") => Err(InvalidConfig::PlainHttp { endpoint }),
            _ => Err(InvalidConfig::NoAddress { endpoint }),
        }
    }

    /// As the blob store wants it; `None` for directories.
    pub fn remote(&self) -> Option<RemoteOptions> {
        let variable = |name| std::env::var(name).ok();
        let configured = self
            .access_key_id
            .clone()
            .zip(self.secret_access_key.clone());
        let credentials = configured.or_else(|| {
            let key = variable("AWS_SECRET_ACCESS_KEY").map(Secret::new);
            variable("AWS_ACCESS_KEY_ID").zip(key)
        });
        (self.kind == StoreKind::S3).then(|| RemoteOptions {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            endpoint: (!self.endpoint.is_empty()).then(|| self.endpoint.clone()),
            region: self.region.clone(),
            credentials,
            allow_http: self.allow_http,
            virtual_hosted: self.virtual_hosted,
            request_timeout: self.request_timeout.0,
            requests_max: self.requests_max,
            part_bytes: self.part_size.0,
            parts_at_once: self.parts_at_once,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_the_key_is_not_printed() {
        let mut config: StoreConfig = toml::from_str("kind = 's3'").unwrap();
        let said = |config: &StoreConfig| config.check().unwrap_err().to_string();
        assert!(said(&config).contains("store.bucket"));
        config.bucket = "objects".into();
        assert!(config.check().is_ok());
        config.access_key_id = Some("id".into());
        assert!(said(&config).contains("store.secret_access_key"));
        config.secret_access_key = Some(Secret::new("very-secret"));
        assert!(config.check().is_ok());
        for (endpoint, allow_http, says) in [
            ("https://s3.example:9000", false, None),
            ("http://s3.example:9000", true, None),
            (
                "http://s3.example:9000",
                false,
                Some("store.allow_http = true"),
            ),
            ("HTTP://s3.example", false, Some("HTTP://s3.example")),
            ("s3.example:9000", true, Some("begins with https://")),
        ] {
            config.endpoint = endpoint.into();
            config.allow_http = allow_http;
            match says {
                None => assert!(config.check().is_ok(), "{endpoint}"),
                Some(says) => assert!(said(&config).contains(says), "{}", said(&config)),
            }
        }
        config.endpoint.clear();
        config.part_size = ByteSize(1 << 20);
        assert!(said(&config).contains("5MiB"), "{}", said(&config));
        let options = config.remote().unwrap();
        let printed = shared::config::print(&config).unwrap();
        for text in [format!("{config:?} {options:?}"), printed] {
            assert!(!text.contains("very-secret"), "{text}");
        }
        assert!(StoreConfig::default().remote().is_none());
    }
}
