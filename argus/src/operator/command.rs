//! `argus node …`: asks a running node's operator API.

use std::{path::PathBuf, time::SystemTime};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shared::{
    api::{HttpOptions, HttpPool},
    config::Secret,
    doctor::net::reachable,
    ids::{DistributionBucketId, WorkerId},
};

use super::token::{self, Bound};
use crate::config::OperatorConfig;

/// Where the operator API is looked for if nobody says.
const URL_DEFAULT: &str = "http://127.0.0.1:3335";

/// What to ask a running node for.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Open the public port again.
    StartPublicApi(Target),
    /// Close the public port; what is under way gets its time.
    StopPublicApi(Target),
    /// Serve the buckets of another worker, all of them.
    SetWorker {
        /// The node.
        #[command(flatten)]
        target: Target,
        /// The worker of the distribution group.
        // A text, as is the flag of this name that all commands have.
        #[arg(long)]
        worker: String,
    },
    /// Serve these buckets of the worker only; all of them if none is given.
    SetBuckets {
        /// The node.
        #[command(flatten)]
        target: Target,
        /// Buckets, as family:index.
        #[arg(long, value_delimiter = ',')]
        buckets: Vec<String>,
    },
    /// Stop the node.
    Shutdown(Target),
}

/// Which node, and how it knows us.
#[derive(Debug, Args)]
pub struct Target {
    /// HTTP root of the operator API. Without it the one of the configuration (`operator.listen`), or
    /// http://127.0.0.1:3335.
    #[arg(long, env = "ARGUS_OPERATOR_URL")]
    url: Option<String>,
    /// The secret. Without it that of the configuration (`operator.hmac_secret`).
    #[arg(long, env = "ARGUS_OPERATOR_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// A file with the secret.
    #[arg(long, conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
}

impl NodeCommand {
    /// Asks, and says what came of it. The node may be on another machine: then there is no
    /// configuration of it here.
    pub fn run(&self, config: Option<&OperatorConfig>) -> anyhow::Result<String> {
        let (target, path, body) = self.request()?;
        let (url, secret) = (target.url(config), target.secret(config)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(post(&url, &secret, path, &body))?;
        Ok(format!("{url} did it: {path}"))
    }

    fn request(&self) -> anyhow::Result<(&Target, &'static str, Value)> {
        Ok(match self {
            Self::StartPublicApi(target) => (target, "/api/v1/start-api", json!({})),
            Self::StopPublicApi(target) => (target, "/api/v1/stop-api", json!({})),
            Self::Shutdown(target) => (target, "/api/v1/shutdown", json!({})),
            Self::SetWorker { target, worker } => {
                let worker: WorkerId = worker.parse()?;
                let body = json!({ "workerId": worker.0 });
                (target, "/api/v1/set-worker", body)
            }
            Self::SetBuckets { target, buckets } if buckets.is_empty() => {
                (target, "/api/v1/set-buckets", json!({}))
            }
            Self::SetBuckets { target, buckets } => {
                let parse = |bucket: &String| bucket.parse::<DistributionBucketId>();
                let buckets = buckets.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
                (target, "/api/v1/set-buckets", json!({ "buckets": buckets }))
            }
        })
    }
}

impl Target {
    /// Where the operator API is, without a slash at the end.
    fn url(&self, config: Option<&OperatorConfig>) -> String {
        let configured = config.and_then(|config| config.listen);
        match (&self.url, configured) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(listen)) => format!("http://{}", reachable(listen)),
            (None, None) => URL_DEFAULT.to_owned(),
        }
    }

    fn secret(&self, config: Option<&OperatorConfig>) -> anyhow::Result<Secret> {
        match (&self.secret, &self.secret_file) {
            (Some(secret), _) => return Ok(Secret::new(secret)),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the secret from {}", path.display()))?;
                return Ok(Secret::new(text.trim()));
            }
            (None, None) => {}
        }
        let configured = config.map(OperatorConfig::secret).transpose()?;
        configured.flatten().context(
            "no secret: give --secret, --secret-file, ARGUS_OPERATOR_SECRET, or the node's --config",
        )
    }
}

async fn post(root: &str, secret: &Secret, path: &str, body: &Value) -> anyhow::Result<()> {
    let request = Bound {
        url: path,
        body: Some(body),
    };
    let token = token::sign(secret, request, SystemTime::now())?;
    let url = format!("{root}{path}");
    let answer = HttpPool::new(HttpOptions::default())?
        .raw()
        .post(&url)
        .bearer_auth(token)
        .json(body)
        .send()
        .await
        .with_context(|| format!("{url} does not answer; is the operator API configured?"))?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{url} answered {status}: {}", answer.text().await?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_the_configurations() {
        let nothing = Target {
            url: None,
            secret: None,
            secret_file: None,
        };
        let given = Target {
            url: Some("https://edge.example:1/".into()),
            secret: Some("given".into()),
            secret_file: None,
        };
        let config = OperatorConfig {
            listen: Some("0.0.0.0:4435".parse().unwrap()),
            hmac_secret: Some(Secret::new("of the configuration")),
            hmac_secret_file: None,
        };
        let cases = [
            (&nothing, None, URL_DEFAULT, None),
            (
                &nothing,
                Some(&config),
                "http://127.0.0.1:4435",
                Some("of the configuration"),
            ),
            (&given, None, "https://edge.example:1", Some("given")),
            (
                &given,
                Some(&config),
                "https://edge.example:1",
                Some("given"),
            ),
        ];
        for (target, config, url, secret) in cases {
            assert_eq!(target.url(config), url);
            let found = target.secret(config).ok();
            assert_eq!(found.as_ref().map(Secret::expose), secret, "{url}");
        }
    }
}
