//! A client of resumable uploads that goes on where it was when the line breaks.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use shared::api;

use crate::creator::Promised;

/// Sent with one request, so that there are several for most objects.
const PIECE_BYTES: usize = 256 * 1024;
/// How often it asks where it was before it gives up.
const RESUMPTIONS_MAX: usize = 20;

/// Uploads an object; ends well when the node said that it has all of it.
pub async fn upload(root: &str, bucket: u64, one: &Promised) -> Result<()> {
    let http = reqwest::Client::new();
    let pairs = [
        ("dataObjectId", one.object.to_string()),
        ("storageBucketId", bucket.to_string()),
        ("bagId", one.bag().to_string()),
    ];
    let pairs = pairs.map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    let creation = http
        .post(api::url(root, api::TUS_ROUTE))
        .header("tus-resumable", "1.0.0")
        .header("upload-length", one.bytes.len())
        .header("upload-metadata", pairs.join(","));
    let answer = creation.send().await?;
    ensure!(answer.status() == 201, "creation: {}", answer.status());
    let location = answer.headers().get("location").context("a location")?;
    let url = reqwest::Url::parse(root)?.join(location.to_str()?)?;
    let mut offset = 0;
    for _ in 0..RESUMPTIONS_MAX {
        // What broke is seen by the question where it was.
        let _sent = send_from(&http, &url, &mut offset, one).await;
        if offset == one.bytes.len() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let asked = http.head(url.clone()).header("tus-resumable", "1.0.0");
        match asked.send().await {
            Ok(answer) if answer.status().is_success() => {
                let known = answer.headers().get("upload-offset").context("an offset")?;
                offset = known.to_str()?.parse()?;
            }
            Ok(answer) => bail!("the upload is not known any more: {}", answer.status()),
            // It is being started again.
            Err(_) => {}
        }
    }
    bail!("it broke off too often")
}

/// Sends the rest piece by piece; `offset` is what the node has acknowledged.
async fn send_from(
    http: &reqwest::Client,
    url: &reqwest::Url,
    offset: &mut usize,
    one: &Promised,
) -> Result<()> {
    loop {
        let end = one.bytes.len().min(*offset + PIECE_BYTES);
        let answer = http
            .patch(url.clone())
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", *offset)
            .body(one.bytes[*offset..end].to_vec())
            .send()
            .await?;
        ensure!(answer.status() == 204, "a piece: {}", answer.status());
        *offset = end;
        if end == one.bytes.len() {
            return Ok(());
        }
    }
}
