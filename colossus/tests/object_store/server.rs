//! An S3 server in a process of its own: this test program again, which serves a directory. It can be
//! killed and started again.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use colossus::config::{Config, StoreKind};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use shared::{
    config::{ByteSize, Secret, TimeSpan},
    hash::ContentHash,
};
use tempfile::TempDir;

use crate::harness;

const BUCKET: &str = "objects";
const KEY_ID: &str = "test-key-id";
pub const KEY: &str = "test-key-that-is-secret";

/// Where the server is told its directory and address.
const ROOT: &str = "TEST_OBJECT_STORE_ROOT";
const LISTEN: &str = "TEST_OBJECT_STORE_LISTEN";
/// And what it says before its address, once it listens.
const LISTENS: &str = "the object store listens at ";

/// Not a test but the server's process, which the tests start; without its variables it ends at once.
#[test]
fn serve_objects() {
    let (Ok(root), Ok(listen)) = (std::env::var(ROOT), std::env::var(LISTEN)) else {
        return;
    };
    let files = s3s_fs::FileSystem::new(root).unwrap();
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(KEY_ID, KEY));
    let service = service.build();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        let listener = bind_when_free(&listen).await;
        println!("{LISTENS}{}", listener.local_addr().unwrap());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ended = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
}

/// While a server is away its port may be somebody else's for a moment.
async fn bind_when_free(listen: &str) -> tokio::net::TcpListener {
    let deadline = tokio::time::Instant::now() + harness::PATIENCE;
    loop {
        match tokio::net::TcpListener::bind(listen).await {
            Ok(listener) => return listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                assert!(tokio::time::Instant::now() < deadline, "{listen}: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{listen}: {error}"),
        }
    }
}

/// The object store.
pub struct Server {
    pub dir: TempDir,
    pub address: SocketAddr,
    process: Option<Child>,
}

impl Server {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let mut server = Self {
            dir,
            address: ([127, 0, 0, 1], 0).into(),
            process: None,
        };
        server.come_back();
        server
    }

    /// At the address it had. The server says itself when it listens: who tries to connect may meet another.
    pub fn come_back(&mut self) {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server::serve_objects", "--nocapture"])
            .env(ROOT, self.dir.path())
            .env(LISTEN, self.address.to_string())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = process.unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        self.process = Some(process);
        let said = |line: String| Some(line.split_once(LISTENS)?.1.parse().unwrap());
        let listens = lines.map(Result::unwrap).find_map(said);
        self.address = listens.expect("the object store has ended");
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The file in which the server keeps an object.
    pub fn file_of(&self, content: &[u8]) -> PathBuf {
        let hash = ContentHash::of(content);
        let blobs = self.bucket().join("node-1/blobs");
        blobs.join(format!("{:02x}/{hash}", hash.0[0]))
    }

    pub fn bucket(&self) -> PathBuf {
        self.dir.path().join(BUCKET)
    }

    pub fn configure(&self, config: &mut Config) {
        self.configure_at(self.address, config);
    }

    /// The same, but over a line.
    pub fn configure_at(&self, address: SocketAddr, config: &mut Config) {
        config.store.kind = StoreKind::S3;
        config.store.bucket = BUCKET.into();
        config.store.prefix = "node-1".into();
        config.store.endpoint = format!("http://{address}");
        config.store.allow_http = true;
        config.store.access_key_id = Some(KEY_ID.into());
        config.store.secret_access_key = Some(Secret::new(KEY));
        config.store.part_size = ByteSize(5 << 20);
        config.store.request_timeout = TimeSpan(Duration::from_secs(5));
        config.disk.check_interval = TimeSpan(Duration::from_millis(50));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
