//! TLS of a public server: HTTP/2 and HTTP/1.1 by ALPN, with a certificate that is read again when its
//! file changes or SIGHUP comes, while connections go on.

use std::{
    io,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use parking_lot::RwLock;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::Duration,
};

mod validity;

pub use validity::{Standing, Validity};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Certificate and key: the `[http.tls]` section of a node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it, in this order (PEM).
    pub certificate_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
}

/// Files that make no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of its kind.
    #[error("{} has no {what} (PEM) that can be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// Why.
        cause: rustls::pki_types::pem::Error,
    },
    /// There is none in the file.
    #[error("{} has no certificate (PEM)", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be used, or is not that of the certificate.
    #[error("the key in {} does not go with the certificate in {}: {cause}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
    /// Two metrics have one name.
    #[error("the metrics of TLS cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// A certificate in force. Clones share it.
#[derive(Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    current: Arc<Current>,
    provider: Arc<CryptoProvider>,
    reloads: IntCounterVec,
    ends: IntGauge,
    /// The files as they were when they were loaded.
    loaded: Stamp,
}

/// What changes when a file does: who replaces both files is seen between them, too, and then again.
type Stamp = [Option<(SystemTime, u64)>; 2];

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

impl Tls {
    /// Reads the files.
    pub async fn load(files: &TlsFiles, registry: &Registry) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let reloads = IntCounterVec::new(
            Opts::new(
                "tls_certificate_reloads_total",
                "Attempts to take over a changed certificate",
            ),
            &["outcome"],
        )?;
        let ends = IntGauge::new(
            "tls_certificate_not_after_timestamp_seconds",
            "When the certificate in force, or the first of those that vouch for it, ends; 0 if it does not say so",
        )?;
        let (files, ring) = (Arc::new(files.clone()), provider.clone());
        let at = files.clone();
        let look = spawn_blocking(move || (stamp(&at), read(&at, &ring)));
        let (loaded, key) = look
            .await
            .unwrap_or_else(|end| resume_unwind(end.into_panic()));
        let key = key?;
        registry.register(Box::new(reloads.clone()))?;
        registry.register(Box::new(ends.clone()))?;
        for outcome in ["taken", "refused"] {
            reloads.with_label_values(&[outcome]);
        }
        let tls = Self {
            files,
            current: Arc::new(Current(RwLock::new(Arc::new(key)))),
            provider,
            reloads,
            ends,
            loaded,
        };
        tls.set_end();
        Ok(tls)
    }

    /// When the certificate in force is good. `None` if that cannot be read from it.
    pub fn validity(&self) -> Option<Validity> {
        Validity::of(&self.current.0.read().cert)
    }

    fn set_end(&self) {
        let end = self.validity().map(|validity| validity.not_after_s());
        self.ends.set(end.unwrap_or(0));
    }

    /// For a server: always with the certificate in force when a client connects.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Reads the files again. What cannot be used leaves the certificate in force as it is. Blocking.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = read(&self.files, &self.provider);
        let outcome = if read.is_ok() { "taken" } else { "refused" };
        self.reloads.with_label_values(&[outcome]).inc();
        *self.current.0.write() = Arc::new(read?);
        self.set_end();
        Ok(())
    }

    /// Takes over what changes, for ever.
    pub async fn watch(self) -> io::Result<()> {
        let mut asked = signal(SignalKind::hangup())?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut known = self.loaded;
        self.say_dates();
        loop {
            let by_signal = tokio::select! {
                _ = asked.recv() => true,
                _ = look.tick() => false,
            };
            let stamp = self.stamp().await;
            if by_signal || stamp != known {
                self.reload_and_say().await;
            }
            known = stamp;
        }
    }

    async fn reload_and_say(&self) {
        let (tls, certificate) = (self.clone(), self.files.certificate_file.display());
        match spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => {
                tracing::info!(%certificate, "the certificate was read again");
                self.say_dates();
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the changed certificate is not used; the one before stays");
            }
            Err(error) => tracing::error!(%error, "the certificate was not read"),
        }
    }

    fn say_dates(&self) {
        let certificate = self.files.certificate_file.display();
        let Some(validity) = self.validity() else {
            return;
        };
        match validity.at(SystemTime::now()) {
            Standing::Good(_) => tracing::info!(%certificate, "it is {validity}"),
            Standing::Early | Standing::Over => {
                tracing::error!(%certificate, "clients refuse it now: it is {validity}");
            }
        }
    }

    async fn stamp(&self) -> Stamp {
        let files = self.files.clone();
        let look = spawn_blocking(move || stamp(&files));
        look.await.unwrap_or_default()
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate_file, &files.key_file].map(|path| {
        let data = std::fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len()))
    })
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path, what| {
        let path = path.to_owned();
        move |cause| TlsError::Unreadable { path, what, cause }
    };
    let path = &files.certificate_file;
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(unreadable(path, "certificate"))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(unreadable(&files.key_file, "private key"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|cause| TlsError::Mismatch {
        key: files.key_file.clone(),
        certificate: path.clone(),
        cause,
    })
}
