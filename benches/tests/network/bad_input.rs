//! Bad input against the running network: each piece is refused with its documented status and a
//! message that names the value, and nothing of it stays on any disk.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shared::{
    api,
    chain::{
        Chain, Signer,
        call::{Assets, Call, ObjectToCreate},
        event::{ChainEvent, ContentEvent},
        subxt::SubxtChain,
    },
    hash::ContentHash,
    ids::{ChannelId, MemberId, ObjectId},
};

use benches::network::{Network, Published};

/// What the object that nobody has uploaded is to hold.
const TRUTH: &[u8] = &[7; 100_000];
/// The creator of the development genesis and its first channel.
const CREATOR: (&str, MemberId, ChannelId) = ("//Bob", MemberId(1), ChannelId(1));

/// A request that is refused.
struct Case {
    what: &'static str,
    status: u16,
    /// Must be in the message.
    named: String,
}

/// Tries everything; `stored` is an object that every store holds.
pub async fn is_refused(network: &Network, stored: &Published) -> Result<()> {
    let awaited = create_object(network).await?;
    uploads(network, awaited, stored).await?;
    downloads(network, awaited, stored).await?;
    queries(network).await?;
    for store in ["colossus-1", "colossus-2", "colossus-3"] {
        ensure!(
            network.unfinished_bytes(store)? == 0,
            "{store} has unfinished bytes on its disk"
        );
    }
    for store in network.urls("colossus")? {
        let held: Value = network
            .http
            .get(api::url(&store, api::HELD_OBJECTS_ROUTE))
            .send()
            .await?
            .json()
            .await?;
        let held = held.as_array().context("a list of ids")?;
        ensure!(
            !held.contains(&json!(awaited.to_string())),
            "{store} claims to hold object {awaited}"
        );
    }
    // After all that, the right bytes are taken.
    let store = network.urls("colossus")?.remove(0);
    let answer = post(
        network,
        &store,
        ("dynamic:channel:1", "0", &awaited.to_string()),
        TRUTH.to_vec(),
    )
    .await?;
    ensure!(
        answer.status().as_u16() == 201,
        "the right bytes: {}",
        answer.text().await?
    );
    Ok(())
}

/// Promises an object on chain without uploading it.
async fn create_object(network: &Network) -> Result<ObjectId> {
    let url = network.addresses()?["chain"]
        .as_str()
        .context("the chain's URL")?
        .to_owned();
    let chain = SubxtChain::connect(vec![url]).await?;
    let terms = chain.upload_terms().await?;
    let (key, member, channel) = CREATOR;
    let call = Call::CreateVideo {
        actor: member,
        channel,
        assets: Some(Assets {
            objects: vec![ObjectToCreate {
                size: TRUTH.len() as u64,
                content_id: ContentHash::of(TRUTH).to_string(),
            }],
            expected_data_size_fee: terms.data_size_fee,
        }),
        metadata: None,
        expected_video_state_bloat_bond: terms.video_state_bloat_bond,
        expected_data_object_state_bloat_bond: terms.data_object_state_bloat_bond,
        storage_buckets_num_witness: terms.channel_storage_buckets,
    };
    let included = chain.submit(&Signer::from_uri(key)?, call).await?;
    let new: BTreeSet<ObjectId> = included
        .events
        .into_iter()
        .find_map(|event| match event.event {
            ChainEvent::Content(ContentEvent::VideoCreated { new_objects, .. }) => {
                Some(new_objects)
            }
            _ => None,
        })
        .context("a created video")?;
    new.into_iter().next().context("a created object")
}

async fn uploads(network: &Network, awaited: ObjectId, stored: &Published) -> Result<()> {
    let id = awaited.to_string();
    let mut other = TRUTH.to_vec();
    other[50_000] ^= 1;
    let longer = vec![7; TRUTH.len() + 70_000];
    let (bag, bucket) = ("dynamic:channel:1", "0");
    let case = |what, status, named: &str| Case {
        what,
        status,
        named: named.to_owned(),
    };
    let cases = [
        (
            case("unknown object", 400, "4711"),
            (bag, bucket, "4711"),
            TRUTH.to_vec(),
        ),
        (
            case("malformed object id", 400, "0x1"),
            (bag, bucket, "0x1"),
            TRUTH.to_vec(),
        ),
        (
            case("malformed bag", 400, "dynamic:chanel:1"),
            ("dynamic:chanel:1", bucket, id.as_str()),
            TRUTH.to_vec(),
        ),
        (
            case("wrong bag", 400, "static:council"),
            ("static:council", bucket, id.as_str()),
            TRUTH.to_vec(),
        ),
        (
            case("malformed bucket", 400, "first"),
            (bag, "first", id.as_str()),
            TRUTH.to_vec(),
        ),
        (
            case("somebody else's bucket", 503, "bucket 1"),
            (bag, "1", id.as_str()),
            TRUTH.to_vec(),
        ),
        (
            case("wrong hash", 400, &ContentHash::of(&other).to_string()),
            (bag, bucket, id.as_str()),
            other,
        ),
        (
            case("too short", 400, &TRUTH.len().to_string()),
            (bag, bucket, id.as_str()),
            TRUTH[..99_000].to_vec(),
        ),
        (
            case("too long", 400, &TRUTH.len().to_string()),
            (bag, bucket, id.as_str()),
            longer,
        ),
    ];
    let store = network.urls("colossus")?.remove(0);
    for (case, target, bytes) in cases {
        let answer = post(network, &store, target, bytes).await?;
        check(&case, answer).await?;
    }
    truncated(&store, awaited).await?;
    let url = upload_url(&store, (bag, bucket, &id));
    let answer = network.http.post(url).body("not a form").send().await?;
    check(&case("no form", 415, "multipart/form-data"), answer).await?;
    ensure!(stored.object != awaited, "the stored object is another one");
    Ok(())
}

/// A client that goes away in the middle of its body.
async fn truncated(store: &str, awaited: ObjectId) -> Result<()> {
    use tokio::io::AsyncWriteExt;
    let url = reqwest::Url::parse(&upload_url(
        store,
        ("dynamic:channel:1", "0", &awaited.to_string()),
    ))?;
    let address = format!(
        "{}:{}",
        url.host_str().context("a host")?,
        url.port().context("a port")?
    );
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n";
    let length = part.len() + TRUTH.len() + "\r\n--b--\r\n".len();
    let head = format!(
        "POST {}?{} HTTP/1.1\r\nHost: store\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n{part}",
        url.path(),
        url.query().unwrap_or_default(),
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&TRUTH[..40_000]).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    // The node may answer or just hang up; it must not say that it has stored anything.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
    ensure!(
        !answer.starts_with(b"HTTP/1.1 2"),
        "a truncated body: {}",
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}

async fn downloads(network: &Network, awaited: ObjectId, stored: &Published) -> Result<()> {
    let store = network.urls("colossus")?.remove(0);
    let edge = network.urls("argus")?.remove(0);
    for (what, url, status, named) in [
        (
            "not held",
            api::url(&store, &api::file_path(awaited)),
            404,
            awaited.to_string(),
        ),
        (
            "unknown to the edge",
            api::url(&edge, "/api/v1/assets/4711"),
            404,
            "4711".to_owned(),
        ),
        (
            "not uploaded yet",
            api::url(&edge, &api::asset_path(awaited)),
            404,
            awaited.to_string(),
        ),
        (
            "malformed id",
            api::url(&store, "/api/v1/files/a1b"),
            400,
            "a1b".to_owned(),
        ),
        (
            "leading zero",
            api::url(&edge, "/api/v1/assets/007"),
            400,
            "007".to_owned(),
        ),
        (
            "path traversal",
            api::url(&store, "/api/v1/files/..%2F..%2Fnode.key"),
            400,
            "node.key".to_owned(),
        ),
    ] {
        let answer = network.http.get(&url).send().await?;
        check(
            &Case {
                what,
                status,
                named,
            },
            answer,
        )
        .await?;
    }
    for root in [
        api::url(&store, &api::file_path(stored.object)),
        api::url(&edge, &api::asset_path(stored.object)),
    ] {
        for (range, status) in [
            (format!("bytes={}-", stored.size), 416),
            ("bytes=-0".to_owned(), 416),
            ("bytes=5-2".to_owned(), 200),
            ("bytes=abc".to_owned(), 200),
            (String::new(), 200),
            ("lines=1-2".to_owned(), 200),
        ] {
            let answer = network
                .http
                .get(&root)
                .header("range", &range)
                .send()
                .await?;
            ensure!(
                answer.status().as_u16() == status,
                "{root} with range '{range}': {}",
                answer.status()
            );
            if status == 416 {
                let found = answer
                    .headers()
                    .get("content-range")
                    .context("content-range")?;
                ensure!(
                    found.to_str()? == format!("bytes */{}", stored.size),
                    "{root}: {found:?}"
                );
            }
        }
    }
    Ok(())
}

async fn queries(network: &Network) -> Result<()> {
    for part in ["indexer", "gateway"] {
        let url = network.addresses()?[part]
            .as_str()
            .context("a URL")?
            .to_owned();
        for (body, named) in [
            (r#"{"query":"{ videos { id "}"#, "1:"),
            (r#"{"query":"{ dragons }"}"#, "dragons"),
            (r#"{"query":"{ videos { wings } }"}"#, "wings"),
            ("not json", "JSON"),
        ] {
            let answer = network
                .http
                .post(&url)
                .header("content-type", "application/json")
                .body(body)
                .send()
                .await?;
            let (status, text) = (answer.status().as_u16(), answer.text().await?);
            ensure!(
                status == 400 && text.contains(named),
                "{part} answered {body} with {status} {text}"
            );
        }
    }
    let missing = r#"{"query":"mutation { addVideoView(videoId: \"4711\") { viewsNum } }"}"#;
    let gateway = network.addresses()?["gateway"]
        .as_str()
        .context("a URL")?
        .to_owned();
    let answer = network
        .http
        .post(&gateway)
        .header("content-type", "application/json")
        .body(missing)
        .send()
        .await?;
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    ensure!(
        status == 404 && text.contains("4711"),
        "a view of no video: {status} {text}"
    );
    Ok(())
}

/// The status, the JSON error body, and the value in its message.
async fn check(case: &Case, answer: reqwest::Response) -> Result<()> {
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    let body: Value = serde_json::from_str(&text)
        .with_context(|| format!("{}: '{text}' is not JSON", case.what))?;
    let message = body["message"]
        .as_str()
        .with_context(|| format!("{}: no message in {text}", case.what))?;
    ensure!(
        status == case.status && body["type"].is_string() && message.contains(&case.named),
        "{}: {status} {text}, {} naming {} was to come",
        case.what,
        case.status,
        case.named
    );
    Ok(())
}

fn upload_url(store: &str, (bag, bucket, object): (&str, &str, &str)) -> String {
    format!(
        "{}?dataObjectId={object}&storageBucketId={bucket}&bagId={bag}",
        api::url(store, api::UPLOAD_ROUTE)
    )
}

async fn post(
    network: &Network,
    store: &str,
    target: (&str, &str, &str),
    bytes: Vec<u8>,
) -> Result<reqwest::Response> {
    let part = reqwest::multipart::Part::bytes(bytes).file_name("file");
    let form = reqwest::multipart::Form::new().part("file", part);
    Ok(network
        .http
        .post(upload_url(store, target))
        .multipart(form)
        .send()
        .await?)
}
