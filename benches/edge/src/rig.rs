//! The servers of a run and what the measurements do with them.

use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Duration, Instant, sleep};

use crate::{
    Run,
    client::{self, Get},
    process::Server,
    rivals,
    world::{self, BAG, BUCKET, Thing, WORKER},
};

/// How long a server may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Pause after files were written, for the disk to come to rest.
const REST: Duration = Duration::from_millis(300);
/// Bytes the edge may keep.
const ARGUS_LIMIT: &str = "8GiB";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// nginx.
    Nginx,
    /// Varnish.
    Varnish,
    /// Argus.
    Argus,
    /// Colossus, the storage node the others fill from: hits only.
    Colossus,
}

/// Everything that runs.
pub struct Rig {
    /// Who is measured, in this order in every round.
    pub measured: Vec<Which>,
    ports: Ports,
    nginx: Option<Server>,
    varnish: Option<Server>,
    argus: Server,
    origin: Server,
    http: reqwest::Client,
    version: u64,
    /// The last to go: the servers write into it while they live.
    dir: TempDir,
}

struct Ports {
    origin: u16,
    origin_admin: u16,
    nginx: u16,
    varnish: u16,
    argus: u16,
    argus_admin: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        let held: Vec<TcpListener> = (0..6)
            .map(|_| TcpListener::bind(("127.0.0.1", 0)))
            .collect::<Result<_, _>>()?;
        let port = |at: usize| held[at].local_addr().map(|address| address.port());
        Ok(Self {
            origin: port(0)?,
            origin_admin: port(1)?,
            nginx: port(2)?,
            varnish: port(3)?,
            argus: port(4)?,
            argus_admin: port(5)?,
        })
    }
}

impl Rig {
    /// Makes the objects, starts all servers, and puts the objects on the storage node.
    pub async fn start(run: &Run) -> Result<Self> {
        if !run.alone {
            rivals::check_installed()?;
        }
        let parent = run.dir.clone().unwrap_or_else(env::temp_dir);
        let dir = tempfile::Builder::new()
            .prefix("edge-bench")
            .tempdir_in(parent)?;
        let ports = Ports::free()?;
        world::make(dir.path(), &format!("http://127.0.0.1:{}/", ports.origin))?;
        configure(dir.path(), &ports, run)?;
        let origin = node(dir.path(), "origin")?;
        let argus = node(dir.path(), "argus")?;
        let (mut nginx, mut varnish) = (None, None);
        let mut measured = vec![Which::Argus];
        if !run.alone {
            nginx = Some(rivals::nginx(dir.path(), ports.nginx, ports.origin)?);
            varnish = Some(rivals::varnish(dir.path(), ports.varnish, ports.origin)?);
            measured = vec![Which::Nginx, Which::Varnish, Which::Argus];
        }
        shared::api::install_tls_provider();
        let mut rig = Self {
            dir,
            measured,
            ports,
            nginx,
            varnish,
            argus,
            origin,
            http: reqwest::Client::new(),
            version: 0,
        };
        rig.upload_all().await?;
        for which in rig.measured.clone() {
            rig.until_up(rig.address(which)).await?;
        }
        Ok(rig)
    }

    /// Where files of the run are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where a server listens.
    pub fn address(&self, which: Which) -> SocketAddr {
        let port = match which {
            Which::Nginx => self.ports.nginx,
            Which::Varnish => self.ports.varnish,
            Which::Argus => self.ports.argus,
            Which::Colossus => self.ports.origin,
        };
        ([127, 0, 0, 1], port).into()
    }

    /// The process of a server.
    pub fn server(&self, which: Which) -> Result<&Server> {
        let server = match which {
            Which::Nginx => self.nginx.as_ref(),
            Which::Varnish => self.varnish.as_ref(),
            Which::Argus => Some(&self.argus),
            Which::Colossus => Some(&self.origin),
        };
        server.context("it is not measured")
    }

    /// Path of an object that is to be a hit.
    pub fn hot(&self, which: Which, thing: Thing) -> String {
        match which {
            Which::Nginx => format!("/hot/{}", thing.id),
            Which::Varnish => format!("/o/{}", thing.id),
            Which::Argus => format!("/api/v1/assets/{}", thing.id),
            Which::Colossus => format!("/api/v1/files/{}", thing.id),
        }
    }

    /// Reads an object until it is a hit.
    pub async fn warm(&self, which: Which, thing: Thing) -> Result<()> {
        let request = Get {
            server: self.address(which),
            path: self.hot(which, thing),
            range: None,
        };
        let got = client::get(&request).await?;
        ensure!(got.bytes == thing.size, "{} bytes of {thing:?}", got.bytes);
        if which == Which::Argus {
            self.until_filled().await?;
        }
        Ok(())
    }

    /// Path of an object that nobody has asked this server for: of the others by a name they do not
    /// know yet, of the edge because it is told to let go of everything.
    pub async fn cold(&mut self, which: Which, thing: Thing) -> Result<String> {
        self.version += 1;
        if which == Which::Argus {
            let url = self.argus_admin("/cache/purge?all=true");
            self.http.post(url).send().await?.error_for_status()?;
            self.until(|stats| stats["objects"] == 0).await?;
        }
        self.until_nobody_fetches().await?;
        rustix::fs::sync();
        sleep(REST).await;
        Ok(match which {
            Which::Nginx => format!("/cold/{}?v={}", thing.id, self.version),
            Which::Varnish => format!("/o/{}?v={}", thing.id, self.version),
            Which::Argus => self.hot(which, thing),
            Which::Colossus => bail!("a storage node has no cold objects"),
        })
    }

    /// Waits until the edge fills nothing.
    pub async fn until_filled(&self) -> Result<()> {
        self.until(|stats| stats["fills"] == 0).await
    }

    async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            let answer = self.http.get(self.argus_admin("/cache/stats")).send();
            let stats: Value = answer.await?.error_for_status()?.json().await?;
            if wanted(&stats) {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "the edge still says {stats}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until nobody fetches from the storage node: after a seek the edge and Varnish go on with the rest
    /// of the film, which would count, and take time, as if it were the next one's.
    async fn until_nobody_fetches(&self) -> Result<()> {
        self.until_filled().await?;
        let started = Instant::now();
        while self.origin_metric("http_server_active_requests").await? > 0.0 {
            let patient = started.elapsed() < PATIENCE;
            ensure!(patient, "somebody still fetches from the storage node");
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Bytes that the storage node has handed out so far.
    pub async fn origin_bytes(&self) -> Result<f64> {
        self.origin_metric("http_response_bytes_total").await
    }

    /// A metric of the storage node, of all labels together.
    async fn origin_metric(&self, name: &str) -> Result<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports.origin_admin);
        let text = self.http.get(url).send().await?.text().await?;
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Stops the edge in order and starts it again on what it kept.
    pub async fn restart_argus(&mut self) -> Result<()> {
        self.argus.stop()?;
        self.argus = node(self.dir.path(), "argus")?;
        self.until_up(self.address(Which::Argus)).await
    }

    /// The file in which a server keeps an object that is a hit.
    pub fn file(&self, which: Which, thing: Thing) -> Result<PathBuf> {
        if which == Which::Nginx {
            return Ok(self.dir().join("static").join(thing.id.to_string()));
        }
        let end = format!("-{}", thing.size);
        for shelf in fs::read_dir(self.dir().join("argus").join("objects"))? {
            for entry in fs::read_dir(shelf?.path())? {
                let path = entry?.path();
                if path.to_string_lossy().ends_with(&end) {
                    return Ok(path);
                }
            }
        }
        bail!("the edge keeps no file of {thing:?}")
    }

    fn argus_admin(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.argus_admin)
    }

    async fn upload_all(&mut self) -> Result<()> {
        self.until_up(([127, 0, 0, 1], self.ports.origin).into())
            .await?;
        for entry in fs::read_dir(self.dir().join("static"))? {
            let path = entry?.path();
            let id = path.file_name().unwrap_or_default().to_string_lossy();
            let url = format!(
                "http://127.0.0.1:{}/api/v1/files?dataObjectId={id}&storageBucketId={BUCKET}&bagId={BAG}",
                self.ports.origin
            );
            let part = reqwest::multipart::Part::bytes(fs::read(&path)?).file_name("object");
            let form = reqwest::multipart::Form::new().part("file", part);
            let answer = self.http.post(url).multipart(form).send().await?;
            let status = answer.status();
            ensure!(
                status.is_success(),
                "object {id} was not taken: {status} {}",
                answer.text().await?
            );
        }
        Ok(())
    }

    async fn until_up(&mut self, address: SocketAddr) -> Result<()> {
        let started = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            ensure!(started.elapsed() < PATIENCE, "nobody listens at {address}");
            self.argus.check()?;
            for server in self.nginx.iter_mut().chain(&mut self.varnish) {
                server.check()?;
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

fn configure(dir: &Path, ports: &Ports, run: &Run) -> Result<()> {
    let origin = format!(
        "worker = \"{WORKER}\"\ndata_dir = {:?}\n[http]\nlisten = \"127.0.0.1:{}\"\n[admin]\nlisten = \"127.0.0.1:{}\"\n[p2p]\nenabled = false\n",
        dir.join("origin"),
        ports.origin,
        ports.origin_admin
    );
    fs::write(dir.join("origin.toml"), origin)?;
    let more = match &run.argus_config {
        Some(file) => fs::read_to_string(file)?,
        None => format!("[cache]\nlimit = \"{ARGUS_LIMIT}\"\n"),
    };
    let argus = format!(
        "worker = \"{WORKER}\"\ndata_dir = {:?}\n[http]\nlisten = \"127.0.0.1:{}\"\n[admin]\nlisten = \"127.0.0.1:{}\"\n{more}",
        dir.join("argus"),
        ports.argus,
        ports.argus_admin
    );
    fs::write(dir.join("argus.toml"), argus)?;
    Ok(())
}

fn node(dir: &Path, role: &str) -> Result<Server> {
    let mut command = Command::new(env::current_exe()?);
    Server::start(command.arg("serve").arg(role).arg(dir))
}
