//! The program as a process of its own: killed, restarted, verified.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use dev_chain::log;
use serde_json::json;
use sp_core::H256;
use support::{Client, block_of, transfer};

mod support;

/// A running `dev-chain serve`; killed when dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(data_dir: &Path) -> Self {
        let mut child = command()
            .args([
                "serve",
                "--port",
                "0",
                "--block-time-ms",
                "1000",
                "--data-dir",
            ])
            .arg(data_dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ws://")
            .unwrap()
            .to_owned();
        Self { child, address }
    }

    async fn client(&self) -> Client {
        Client::connect(&format!("ws://{}", self.address)).await
    }

    /// Ends the process at once, as `kill -9` does.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dev-chain"))
}

fn verify(data_dir: &Path) -> Output {
    command()
        .arg("verify")
        .arg("--data-dir")
        .arg(data_dir)
        .output()
        .unwrap()
}

/// Transfers and returns the final block that holds the transfer.
async fn transfer_finally(client: &Client, nonce: u32) -> H256 {
    let mut statuses = client.watch("//Alice", nonce, transfer("//Bob", 5)).await;
    loop {
        let status = statuses.next().await.unwrap().unwrap();
        assert_ne!(status, "invalid");
        if status.get("finalized").is_some() {
            return block_of(&status, "finalized");
        }
    }
}

#[tokio::test]
async fn what_was_final_survives_kill_9_and_a_torn_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(directory.path());
    let client = process.client().await;
    let block = transfer_finally(&client, 0).await;
    let (genesis, balance) = (client.genesis, client.free("//Bob", Some(block)).await);
    process.kill();

    let path = directory.path().join(log::FILE_NAME);
    let torn = [&1000u32.to_le_bytes()[..], &[7; 500]].concat();
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&torn)
        .unwrap();

    let mut process = Process::start(directory.path());
    let client = process.client().await;
    assert_eq!(client.genesis, genesis);
    assert_eq!(client.free("//Bob", None).await, balance);
    let header: serde_json::Value = client.call("chain_getHeader", json!([block])).await;
    assert!(header.is_object(), "the block is still there");
    let second = transfer_finally(&client, 1).await;
    assert_eq!(client.free("//Bob", Some(second)).await, balance + 5);
    process.kill();

    let output = verify(directory.path());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let _process = Process::start(directory.path());
    let output = verify(directory.path());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && message.contains("in use by another process"),
        "{message}"
    );
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command().args(["serve", "--port", &port]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && message.contains(&port),
        "{message}"
    );
}

#[tokio::test]
async fn a_log_of_another_chain_is_refused_until_fresh() {
    let directory = tempfile::tempdir().unwrap();
    let stamp = log::Stamp {
        genesis: H256::repeat_byte(1),
        interface: H256::repeat_byte(2),
    };
    log::BlockLog::open(directory.path(), stamp, |_| Ok(()))
        .map(drop)
        .unwrap();
    let output = verify(directory.path());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && message.contains("--fresh"),
        "{message}"
    );

    let fresh = command()
        .args(["serve", "--port", "0", "--fresh", "--data-dir"])
        .arg(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut process = Process {
        child: fresh,
        address: String::new(),
    };
    let mut line = String::new();
    BufReader::new(process.child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("listening on"), "{line}");
    process.kill();
    assert!(verify(directory.path()).status.success());
}
