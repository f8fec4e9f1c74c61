//! `colossus scrub`: how the running node's verification of all it holds goes, and steering it.

use clap::Subcommand;
use serde_json::Value;
use shared::{
    api,
    cli::{self, Settings, admin::Admin, text},
    config::TimeSpan,
    supervise::Exit,
};

use crate::config::Config;

/// `scrub …`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ScrubCommand {
    /// Says how far it is, what it found, and when all was verified last.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Begins a pass now, at the pace of scrub.bytes_per_second_min and _max.
    Begin,
    /// Looks at nothing for a while; repairs go on.
    Pause {
        /// For how long, as in 2h; a day at most.
        #[arg(long = "for", value_name = "TIME", default_value = "1d")]
        span: TimeSpan,
    },
    /// Goes on after a pause.
    Resume,
}

impl ScrubCommand {
    /// Asks the running node.
    pub fn run(self, config: &Config) -> Exit {
        let asked = actix::System::new().block_on(async {
            let admin = Admin::of(config.admin.listen)?;
            let path = match self {
                Self::Status { json } => {
                    let status: Value = admin.get(api::STATUS_ROUTE).await?;
                    let scrub = &status["scrub"];
                    return Ok(match json {
                        true => format!("{scrub:#}\n"),
                        false => table(scrub),
                    });
                }
                Self::Begin => "/scrub/begin".to_owned(),
                Self::Pause { span } => format!("/scrub/pause?seconds={}", span.0.as_secs()),
                Self::Resume => "/scrub/resume".to_owned(),
            };
            admin.post::<()>(&path, &()).await?;
            anyhow::Ok(String::new())
        });
        match asked {
            Ok(said) => {
                print!("{said}");
                Exit::Stopped
            }
            Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
        }
    }
}

/// What people look at.
fn table(scrub: &Value) -> String {
    let state = match (&scrub["pausedForS"], scrub["underWay"].as_bool()) {
        (Value::Number(seconds), _) => format!("paused for another {seconds} s"),
        (_, Some(true)) => {
            let share = scrub["progress"].as_f64().unwrap_or(0.0);
            format!("under way, {:.1} % of a pass", share * 100.0)
        }
        _ => "waiting for the next pass".to_owned(),
    };
    let last = match scrub["lastPassMs"].as_u64() {
        Some(at_ms) => text::time(at_ms),
        None => "never".to_owned(),
    };
    let late = match scrub["overdue"] == true {
        true => " (overdue: raise scrub.bytes_per_second_max)",
        false => "",
    };
    let row = |name: &str, value: String| [name.to_owned(), value];
    text::columns(&[
        row("scrub", state),
        row("all verified", format!("{last}{late}")),
        row("damaged", scrub["damaged"].to_string()),
        row("quarantined", scrub["quarantined"].to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_is_said_in_words() {
        let mut said = json!({
            "underWay": true, "progress": 0.25, "pausedForS": null, "lastPassMs": null,
            "overdue": true, "damaged": 2, "quarantined": 1
        });
        let shown = table(&said);
        for part in [
            "25.0 %",
            "never (overdue",
            "damaged       2",
            "quarantined   1",
        ] {
            assert!(shown.contains(part), "{part} is missing in:\n{shown}");
        }
        said["pausedForS"] = json!(90);
        assert!(table(&said).contains("paused for another 90 s"));
        said["pausedForS"] = Value::Null;
        said["underWay"] = json!(false);
        said["lastPassMs"] = json!(0);
        let shown = table(&said);
        assert!(shown.contains("waiting for the next pass"), "{shown}");
        assert!(shown.contains("01 Jan 1970"), "{shown}");
    }
}
