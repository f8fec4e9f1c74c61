//! `colossus status`: what the running node says of itself, as a table or as JSON.

use serde_json::{Value, json};
use shared::{
    api,
    cli::{self, Settings},
    config::ByteSize,
    doctor::net::{Unanswered, get, reachable},
    supervise::Exit,
};

use crate::config::Config;

/// `status`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Prints everything the node says as JSON.
    #[arg(long)]
    json: bool,
}

/// Asks and prints. Fails if the node does not answer or is not ready.
pub fn run(args: &Args, config: &Config) -> Exit {
    let asked = actix::System::new().block_on(ask(config));
    let said = match asked {
        Ok(said) => said,
        Err(error) => return cli::fail(Config::PROGRAM, Exit::Failed, &error),
    };
    match args.json {
        true => println!("{said:#}"),
        false => print!("{}", table(&said)),
    }
    match said["health"]["status"] == "ok" {
        true => Exit::Stopped,
        false => Exit::Failed,
    }
}

async fn ask(config: &Config) -> Result<Value, Unanswered> {
    // Not the public port, which may speak TLS for another name.
    let admin = reachable(config.admin.listen);
    let (status, data, health) = futures::try_join!(
        get(format!("http://{admin}{}", api::STATUS_ROUTE)),
        get(format!("http://{admin}{}", api::STATE_DATA_ROUTE)),
        get(format!("http://{admin}/readyz?verbose")),
    )?;
    Ok(json!({ "status": status, "data": data, "health": health }))
}

/// What people look at.
fn table(said: &Value) -> String {
    let (status, data) = (&said["status"], &said["data"]);
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        other => other.to_string(),
    };
    let bytes = |value: &Value| ByteSize(value.as_u64().unwrap_or(0)).rounded();
    let buckets = status["uploadBuckets"].as_array();
    let buckets = buckets.map(|buckets| buckets.iter().map(text).collect::<Vec<_>>().join(", "));
    let follower = &status["queryNodeStatus"];
    let mut rows = vec![
        ("version", text(&status["version"])),
        ("up for", format!("{} s", text(&status["uptime"]))),
        ("buckets", buckets.unwrap_or_default()),
        (
            "chain",
            format!(
                "block {} of {} at {}",
                text(&follower["blocksProcessed"]),
                text(&follower["chainHead"]),
                text(&follower["url"])
            ),
        ),
        (
            "objects",
            format!(
                "{} ({})",
                text(&data["objectNumber"]),
                bytes(&data["totalSize"])
            ),
        ),
        (
            "not accepted yet",
            format!(
                "{} ({})",
                text(&data["pendingObjects"]),
                bytes(&data["pendingDirSize"])
            ),
        ),
        ("to be accepted by us", text(&status["accept"]["outbox"])),
        ("trouble with accepting", text(&status["accept"]["trouble"])),
        ("missing", text(&status["replication"]["missing"])),
        ("being fetched", text(&status["replication"]["fetching"])),
        (
            "waiting for room",
            text(&status["replication"]["waitingForRoom"]),
        ),
        (
            "compared with others",
            rounds(&status["replication"]["rounds"]),
        ),
        ("peers", text(&status["p2p"]["connectedPeers"])),
    ];
    let directories = status["disk"]["directories"].as_array();
    for directory in directories.into_iter().flatten() {
        let state = match &directory["trouble"] {
            Value::Null => text(&directory["state"]),
            trouble => format!("{}, {}", text(&directory["state"]), text(trouble)),
        };
        let (dir, free) = (text(&directory["dir"]), bytes(&directory["freeBytes"]));
        rows.push(("directory", format!("{dir}: {state} ({free} free)")));
    }
    rows.push(("health", text(&said["health"]["status"])));
    let checks = said["health"]["checks"].as_array().into_iter().flatten();
    for check in checks.filter(|check| check["ok"] != true) {
        rows.push((
            "",
            format!("{}: {}", text(&check["name"]), text(&check["reason"])),
        ));
    }
    let line = |(name, value): (&str, String)| format!("{name:<24}{value}\n");
    rows.into_iter().map(line).collect()
}

/// What the last comparison of all that is owed came to.
fn rounds(said: &Value) -> String {
    let last = &said["last"];
    let number = |name: &str| last[name].as_u64().unwrap_or(0);
    match last.is_object() {
        false => "not yet".into(),
        true => format!(
            "{} bags ({} objects missing here, {} elsewhere, {} questions unanswered)",
            number("bags"),
            number("missingHere"),
            number("missingThere"),
            number("unanswered"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_below_the_health() {
        let said = json!({
            "status": { "version": "1", "uploadBuckets": ["0", "3"], "accept": { "outbox": 2 },
              "replication": { "rounds": { "last": { "bags": 7, "unanswered": 1, "missingHere": 3, "missingThere": 2 } } },
              "disk": { "directories": [
                { "dir": "/a", "state": "roomy", "trouble": null, "freeBytes": 1024 },
                { "dir": "/b", "state": "out", "trouble": "not mounted", "freeBytes": 0 }
            ] } },
            "data": { "objectNumber": 5, "totalSize": 2048 },
            "health": { "status": "failing", "checks": [
                { "name": "disk", "ok": true },
                { "name": "chain", "ok": false, "reason": "no block" }
            ] },
        });
        let table = table(&said);
        for part in [
            "0, 3",
            "5 (2.0 KiB)",
            "failing\n",
            "chain: no block",
            "7 bags (3 objects missing here, 2 elsewhere, 1 questions",
        ] {
            assert!(table.contains(part), "{part} is missing in:\n{table}");
        }
        for part in [
            "/a: roomy (1.0 KiB free)",
            "/b: out, not mounted (0 B free)",
        ] {
            assert!(table.contains(part), "{part} is missing in:\n{table}");
        }
        assert!(!table.contains("disk"), "{table}");
    }
}
