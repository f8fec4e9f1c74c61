//! An upload client that costs next to nothing beside the node it measures: one HTTP request on a
//! plain socket, the file's bytes moved by the kernel.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::TcpStream,
};

use anyhow::{Context, Result, ensure};
use shared::api;

use crate::data::Object;

const BOUNDARY: &str = "----storage-bench";

/// Sends the object as a browser's form would, and waits for 201. Blocks.
pub fn upload(root: &str, object: &Object) -> Result<()> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let host = root.trim_start_matches("http://").trim_end_matches('/');
    let length = head.len() as u64 + object.size + tail.len() as u64;
    let mut socket = TcpStream::connect(host)?;
    socket.set_nodelay(true)?;
    write!(
        socket,
        "POST {}?dataObjectId={}&storageBucketId={}&bagId={} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n{head}",
        api::UPLOAD_ROUTE,
        object.id,
        object.bucket,
        object.bag
    )?;
    io::copy(&mut File::open(&object.file)?, &mut socket)?;
    socket.write_all(tail.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let status = answer.split_whitespace().nth(1).context("an HTTP answer")?;
    ensure!(status == "201", "upload of object {}: {answer}", object.id);
    Ok(())
}
