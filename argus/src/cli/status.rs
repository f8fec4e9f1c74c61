//! `argus status`: what the running node says of itself, as a table or as JSON.

use serde_json::{Value, json};
use shared::{
    api,
    cli::{self, Settings, text},
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
    let said = match actix::System::new().block_on(ask(config)) {
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

/// The public port says what everybody may know; where it is closed, or speaks TLS for another name,
/// the admin port is enough.
async fn ask(config: &Config) -> Result<Value, Unanswered> {
    let admin = reachable(config.admin.listen);
    let (status, health) = futures::try_join!(
        get(format!("http://{admin}{}", api::STATUS_ROUTE)),
        get(format!("http://{admin}/readyz?verbose")),
    )?;
    Ok(json!({ "status": status, "health": health }))
}

/// What people look at.
fn table(said: &Value) -> String {
    let status = &said["status"];
    let text_of = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".into(),
        Value::Array(items) => {
            let items = items.iter().map(|item| match item.as_str() {
                Some(text) => text.to_owned(),
                None => item.to_string(),
            });
            items.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let bytes = |value: &Value| ByteSize(value.as_u64().unwrap_or(0)).rounded();
    let chain = &status["queryNodeStatus"];
    let mut rows = vec![
        ("version", text_of(&status["version"])),
        ("up for", format!("{} s", text_of(&status["uptime"]))),
        ("worker", text_of(&status["workerId"])),
        ("buckets", text_of(&status["buckets"])),
        (
            "chain",
            format!(
                "block {} of {} at {}",
                text_of(&chain["blocksProcessed"]),
                text_of(&chain["chainHead"]),
                text_of(&chain["url"])
            ),
        ),
        ("distributed here", text_of(&status["assets"])),
        (
            "kept",
            format!(
                "{} ({} of {})",
                text_of(&status["objectsInCache"]),
                bytes(&status["storageUsed"]),
                bytes(&status["storageLimit"])
            ),
        ),
        ("being filled", text_of(&status["downloadsInProgress"])),
        ("peers", text_of(&status["p2p"]["connectedPeers"])),
        ("health", text_of(&said["health"]["status"])),
    ];
    let checks = said["health"]["checks"].as_array().into_iter().flatten();
    for check in checks.filter(|check| check["ok"] != true) {
        let reason = format!("{}: {}", text_of(&check["name"]), text_of(&check["reason"]));
        rows.push(("", reason));
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| [name.to_owned(), value])
        .collect();
    text::columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_below_the_health() {
        let said = json!({
            "status": { "version": "1", "buckets": ["0:0", "0:3"], "objectsInCache": 5, "storageUsed": 2048 },
            "health": { "status": "failing", "checks": [
                { "name": "running", "ok": true },
                { "name": "chain", "ok": false, "reason": "no block" }
            ] },
        });
        let table = table(&said);
        for part in [
            "0:0, 0:3",
            "5 (2.0 KiB of 0 B)",
            "failing\n",
            "chain: no block",
        ] {
            assert!(table.contains(part), "{part} is missing in:\n{table}");
        }
        assert!(!table.contains("running"), "{table}");
    }
}
