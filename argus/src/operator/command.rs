//! `argus node …`: asks a running node's operator API.

use std::{path::PathBuf, time::SystemTime};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shared::{
    api::{HttpOptions, HttpPool},
    config::Secret,
    ids::{DistributionBucketId, WorkerId},
};

use super::token::{self, Bound};

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
    /// HTTP root of the operator API.
    #[arg(
        long,
        default_value = "http://127.0.0.1:3335",
        env = "ARGUS_OPERATOR_URL"
    )]
    url: String,
    /// The secret of its configuration (`operator.hmac_secret`).
    #[arg(long, env = "ARGUS_OPERATOR_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// A file with the secret.
    #[arg(long, conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
}

impl NodeCommand {
    /// Asks, and says what came of it.
    pub fn run(&self) -> anyhow::Result<String> {
        let (target, path, body) = self.request()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(target.post(path, &body))?;
        Ok(format!("{} did it: {path}", target.url))
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
    fn secret(&self) -> anyhow::Result<Secret> {
        match (&self.secret, &self.secret_file) {
            (Some(secret), _) => Ok(Secret::new(secret)),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the secret from {}", path.display()))?;
                Ok(Secret::new(text.trim()))
            }
            (None, None) => {
                bail!("no secret: give --secret, --secret-file or ARGUS_OPERATOR_SECRET")
            }
        }
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = Bound {
            url: path,
            body: Some(body),
        };
        let token = token::sign(&self.secret()?, request, SystemTime::now())?;
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
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
}
