//! A network of real processes, started by devnet, for one test or one measurement: start, commands
//! against it, files to publish, stop.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shared::{hash::ContentHash, ids::ObjectId};
use tokio::time::Instant;

/// How long anything in these tests may take before it has failed.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// Pause between two looks at something that will change.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running network with a directory of its own.
pub struct Network {
    program: PathBuf,
    dir: PathBuf,
    devnet: Child,
    /// A client for whoever asks its parts.
    pub http: reqwest::Client,
}

/// A published file.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its data object.
    pub object: ObjectId,
    /// Where its bytes are.
    pub bytes: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its BLAKE3.
    pub hash: ContentHash,
}

impl Network {
    /// Starts a network in `dir` and waits until all parts are up. `program` is a devnet.
    pub async fn start(program: &Path, dir: &Path) -> Result<Self> {
        Self::start_with(program, dir, &[], &[]).await
    }

    /// As [`Network::start`], with more arguments, and environment variables that all parts see.
    pub async fn start_with(
        program: &Path,
        dir: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self> {
        shared::api::install_tls_provider();
        fs::create_dir_all(dir)?;
        let output = File::options()
            .create(true)
            .append(true)
            .open(dir.join("devnet.log"))?;
        let devnet = devnet(program, dir)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut network = Self {
            program: program.to_owned(),
            dir: dir.to_owned(),
            devnet,
            http: reqwest::Client::new(),
        };
        let started = Instant::now();
        while !network.file("network.json").exists() {
            if let Some(status) = network.devnet.try_wait()? {
                bail!("devnet ended at once ({status}):\n{}", network.log());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "devnet was not up in time:\n{}",
                network.log()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(network)
    }

    /// The directory of the network.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What devnet printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("devnet.log")).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The parts' addresses as devnet announces them.
    pub fn addresses(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(
            self.file("network.json"),
        )?)?)
    }

    /// URLs of all parts of a kind ("colossus", "argus").
    pub fn urls(&self, kind: &str) -> Result<Vec<String>> {
        let addresses = self.addresses()?;
        let urls = addresses[kind]
            .as_array()
            .with_context(|| format!("no {kind} in {addresses}"))?;
        Ok(urls
            .iter()
            .filter_map(|url| url.as_str().map(str::to_owned))
            .collect())
    }

    /// Runs a devnet command against this network and returns what it printed.
    pub async fn command(&self, args: &[&str]) -> Result<String> {
        let output = tokio::process::Command::from(devnet(&self.program, &self.dir))
            .args(args)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .context("the command took too long")??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "devnet {args:?} failed:\n{text}{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        Ok(text)
    }

    /// Starts a devnet command in the background.
    pub fn spawn(&self, args: &[&str]) -> Result<tokio::process::Child> {
        Ok(
            tokio::process::Command::from(devnet(&self.program, &self.dir))
                .args(args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?,
        )
    }

    /// Publishes a file as a creator would and returns what the chain made of it.
    pub async fn publish(&self, file: &Path, more: &[&str]) -> Result<Published> {
        let path = file.to_string_lossy();
        let mut args = vec!["publish", path.as_ref()];
        args.extend_from_slice(more);
        let printed = self.command(&args).await?;
        println!("{printed}");
        published(file, &printed)
    }

    /// Bytes that a storage node has on disk of objects it does not hold yet.
    pub fn unfinished_bytes(&self, part: &str) -> Result<u64> {
        let mut bytes = 0;
        // Whole bodies on their way in, objects that come by ranges, resumable uploads.
        for place in ["tmp", "partial", "uploads"] {
            for entry in fs::read_dir(self.dir.join(part).join("objects").join(place))? {
                // A file may be gone between the listing and the look at it.
                bytes += entry?.metadata().map_or(0, |found| found.len());
            }
        }
        Ok(bytes)
    }

    /// Process id of a part.
    pub async fn pid(&self, part: &str) -> Result<i32> {
        let status = self.command(&["status"]).await?;
        let line = status
            .lines()
            .find(|line| line.split_whitespace().next() == Some(part));
        let line = line.with_context(|| format!("no {part} in\n{status}"))?;
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "process");
        let pid = words
            .nth(1)
            .with_context(|| format!("{part} is not running: {line}"))?;
        Ok(pid.trim_end_matches(',').parse()?)
    }

    /// `kill -9` for the part with this process id; devnet starts it again as a service manager would.
    pub async fn kill(&self, part: &str, pid: i32) -> Result<()> {
        kill_process(Pid::from_raw(pid).context("a process id")?, Signal::KILL)?;
        eventually(
            &format!("{part} is back under another process id"),
            async || Ok(self.pid(part).await.is_ok_and(|now| now != pid)),
        )
        .await
    }

    /// Stops everything as Ctrl-C does and checks that it ended cleanly.
    pub async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.devnet.id())?;
        kill_process(Pid::from_raw(pid).context("a process id")?, Signal::INT)?;
        let started = Instant::now();
        loop {
            if let Some(status) = self.devnet.try_wait()? {
                ensure!(
                    status.success(),
                    "devnet ended with {status}:\n{}",
                    self.log()
                );
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "devnet did not stop:\n{}",
                self.log()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Data of a GraphQL answer; errors are failures.
    pub async fn graphql(&self, part: &str, query: &str) -> Result<Value> {
        let url = self.addresses()?[part]
            .as_str()
            .context("a URL")?
            .to_owned();
        let answer = self
            .http
            .post(&url)
            .json(&serde_json::json!({ "query": query }))
            .send()
            .await?;
        let body: Value = answer.json().await?;
        ensure!(body["errors"].is_null(), "{url} answered {body} to {query}");
        Ok(body["data"].clone())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A test that failed half-way must not leave its processes behind: the parts end with it.
        let _ = self.devnet.kill();
        let _ = self.devnet.wait();
    }
}

fn devnet(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--dir").arg(dir);
    command
}

/// The object that `publish` printed, with what it should hold.
pub fn published(file: &Path, printed: &str) -> Result<Published> {
    let id = printed
        .lines()
        .find_map(|line| line.trim().strip_prefix("check devnet watch "))
        .with_context(|| format!("no object id in\n{printed}"))?;
    Ok(Published {
        object: id.trim().parse()?,
        bytes: file.to_owned(),
        size: fs::metadata(file)?.len(),
        hash: hash_file(file)?,
    })
}

/// BLAKE3 of a file.
pub fn hash_file(path: &Path) -> Result<ContentHash> {
    let mut hasher = shared::hash::ContentHasher::default();
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&piece[..read]),
        }
    }
}

/// Looks until it is so; fails with `what` when it is not so in time.
pub async fn eventually(what: &str, mut look: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    loop {
        if look()
            .await
            .with_context(|| format!("while waiting until {what}"))?
        {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "never so: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A file of random bytes; the same ones for the same size and seed.
pub fn random_file(path: &Path, size: u64, seed: u64) -> Result<()> {
    use rand::{RngCore, SeedableRng};
    let mut random = rand::rngs::SmallRng::seed_from_u64(size ^ seed.rotate_left(32));
    let mut file = File::create(path)?;
    let mut piece = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let take = left.min(piece.len() as u64) as usize;
        random.fill_bytes(&mut piece[..take]);
        file.write_all(&piece[..take])?;
        left -= take as u64;
    }
    Ok(())
}

/// A real video with sound, and a real picture, made by ffmpeg.
pub fn make_media(video: &Path, picture: &Path) -> Result<()> {
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=640x360:rate=25:duration=8",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:duration=8",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
        "-movflags",
        "+faststart",
        &video.to_string_lossy(),
    ])?;
    ffmpeg(&[
        "-i",
        &video.to_string_lossy(),
        "-frames:v",
        "1",
        &picture.to_string_lossy(),
    ])
}

fn ffmpeg(args: &[&str]) -> Result<()> {
    let output = Command::new("ffmpeg")
        .args(["-y", "-loglevel", "error"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("ffmpeg makes the test's media: install it (Debian: apt-get install ffmpeg)")?;
    ensure!(
        output.status.success(),
        "ffmpeg: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
