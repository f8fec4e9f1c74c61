//! A plain tus client for tests: one request at a time, and requests that break off.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use shared::ids::StorageBucketId;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Mutex};

use crate::harness::{BAG, bucket_of};

pub struct Tus {
    root: String,
    http: Client,
    /// Lines that were broken without a word.
    pub hanging: Mutex<Vec<TcpStream>>,
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn metadata(object: u64, bucket: StorageBucketId) -> String {
    let pairs = [
        ("dataObjectId", object.to_string()),
        ("storageBucketId", bucket.to_string()),
        ("bagId", BAG.to_string()),
    ];
    let pairs = pairs.map(|(key, value)| format!("{key} {}", base64(value.as_bytes())));
    pairs.join(",")
}

pub fn offset(answer: &Response) -> u64 {
    let value = answer.headers().get("upload-offset");
    let value = value.unwrap_or_else(|| panic!("no offset in {answer:?}"));
    value.to_str().unwrap().parse().unwrap()
}

/// What a multipart upload would have been answered with.
pub fn receipt_of(answer: &Response) -> Value {
    let value = answer.headers().get("upload-receipt");
    let value = value.unwrap_or_else(|| panic!("no receipt in {answer:?}"));
    serde_json::from_slice(&STANDARD.decode(value).unwrap()).unwrap()
}

impl Tus {
    pub fn new(root: String) -> Self {
        shared::api::install_tls_provider();
        Self {
            root,
            http: Client::new(),
            hanging: Mutex::default(),
        }
    }

    /// The node listens elsewhere now.
    pub fn moved_to(&self, root: String) -> Self {
        Self::new(root)
    }

    /// The same upload there.
    pub fn moved(&self, upload: &str) -> String {
        let (_, path) = upload.split_once("/api/").unwrap();
        format!("{}/api/{path}", self.root)
    }

    pub fn creation(&self, object: u64, len: usize) -> RequestBuilder {
        self.http
            .post(format!("{}/api/v1/uploads", self.root))
            .header("tus-resumable", "1.0.0")
            .header("upload-length", len)
            .header("upload-metadata", metadata(object, bucket_of(1)))
    }

    pub async fn create(&self, object: u64, len: usize) -> String {
        let answer = self.creation(object, len).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{answer:?}");
        self.location(&answer)
    }

    /// A creation with these headers; those of the protocol can be replaced.
    pub async fn raw_creation(&self, metadata: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self
            .http
            .post(format!("{}/api/v1/uploads", self.root))
            .header("upload-metadata", metadata);
        if !headers.iter().any(|(name, _)| *name == "tus-resumable") {
            request = request.header("tus-resumable", "1.0.0");
        }
        for (name, value) in headers {
            request = match *name {
                "content-length" => request.body("x".repeat(value.parse().unwrap())),
                name => request.header(name, *value),
            };
        }
        request.send().await.unwrap()
    }

    pub fn location(&self, answer: &Response) -> String {
        let path = answer.headers()["location"].to_str().unwrap();
        format!("{}{path}", self.root)
    }

    pub async fn send(&self, method: Method, upload: &str) -> Response {
        let request = self
            .http
            .request(method, upload)
            .header("tus-resumable", "1.0.0");
        request.send().await.unwrap()
    }

    pub async fn head(&self, upload: &str) -> Response {
        self.send(Method::HEAD, upload).await
    }

    pub fn part_of(&self, request: RequestBuilder, at: usize) -> RequestBuilder {
        request
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", at)
            .header("content-type", "application/offset+octet-stream")
    }

    pub fn part(&self, upload: &str, at: usize) -> RequestBuilder {
        self.part_of(self.http.patch(upload), at)
    }

    pub async fn patch(&self, upload: &str, at: usize, bytes: &[u8]) -> Response {
        let request = self.part(upload, at).body(bytes.to_vec());
        request.send().await.unwrap()
    }

    pub async fn patch_checked(
        &self,
        upload: &str,
        at: usize,
        bytes: &[u8],
        checksum: &str,
    ) -> Response {
        let request = self.part(upload, at).header("upload-checksum", checksum);
        request.body(bytes.to_vec()).send().await.unwrap()
    }

    /// Sends the head of a part and `sent` of its bytes, and then nothing.
    pub async fn half_a_patch(
        &self,
        upload: &str,
        at: usize,
        bytes: &[u8],
        sent: usize,
    ) -> TcpStream {
        let (host, path) = upload
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .unwrap();
        let head = format!(
            "PATCH /{path} HTTP/1.1\r\nhost: {host}\r\ntus-resumable: 1.0.0\r\nupload-offset: {at}\r\n\
             content-type: application/offset+octet-stream\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        );
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bytes[..sent]).await.unwrap();
        stream
    }
}
