//! Starting the network in order, showing it, and stopping it in the reverse order.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use crate::{
    cli::HomeArgs,
    control, operators,
    plan::{self, NetworkPlan},
    ports::{PortPolicy, Ports},
    process::Part,
    state::Home,
    supervisor::Supervisor,
};

/// How to start.
#[derive(Debug, Clone, Default, Args)]
pub struct UpArgs {
    /// Forget everything kept from before and start an empty network.
    #[arg(long)]
    pub fresh: bool,
    /// Fail when a preferred port is taken, instead of using a free one.
    #[arg(long)]
    pub exact_ports: bool,
    /// Leave the query side (indexer and gateway) out.
    #[arg(long)]
    pub without_query: bool,
}

/// Starts all parts, shows where they are, and runs until Ctrl-C. A part that ends by itself is started again.
pub async fn run(home: &HomeArgs, args: &UpArgs) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let home = Home::open(&home.dir)?;
    if args.fresh {
        home.clear()?;
    }
    let policy = if args.exact_ports {
        PortPolicy::Exactly
    } else {
        PortPolicy::PreferOrFree
    };
    let network = plan::lay_out(home.dir(), &mut Ports::new(policy), !args.without_query)?;

    let mut supervisor = Supervisor::new(network.logs.clone());
    let outcome = tokio::select! {
        outcome = run_network(&home, &network, &mut supervisor) => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    home.retract();
    let begun = Instant::now();
    let stopped = supervisor.stop().await;
    if let Ok(count) = &stopped {
        println!(
            "stopped {count} parts in {:.1} s",
            begun.elapsed().as_secs_f64()
        );
    }
    outcome.and(stopped.map(drop))
}

/// Starts everything and keeps it running; returns only when the network is broken.
async fn run_network(
    home: &Home,
    network: &NetworkPlan,
    supervisor: &mut Supervisor,
) -> Result<()> {
    let mut requests = control::listen(home.dir())?;
    start_all(network, supervisor).await?;
    home.announce(&network.addresses)?;
    println!("{}", plan::table(network));
    supervisor.watch(&mut requests).await
}

/// Starts the chain, sets the operators' endpoints on it, then starts the nodes in order.
async fn start_all(network: &NetworkPlan, supervisor: &mut Supervisor) -> Result<()> {
    let display = Display::new();
    for plan in &network.parts {
        let line = display.begin(&plan.name);
        let part = supervisor
            .start(plan)
            .await
            .inspect_err(|_| line.failed())?;
        line.ready(part);
        if plan.program == plan::CHAIN {
            let line = display.begin("operators");
            operators::set_endpoints(&network.addresses)
                .await
                .inspect_err(|_| line.failed())
                .context("cannot set the operators' endpoints on the chain")?;
            line.done("endpoints on chain");
        }
    }
    Ok(())
}

/// The live display: a line per part on a terminal, plain lines elsewhere.
struct Display {
    lines: MultiProgress,
    width: usize,
}

struct Line {
    bar: ProgressBar,
    name: String,
    since: Instant,
}

impl Display {
    fn new() -> Self {
        Self {
            lines: MultiProgress::new(),
            width: plan::NAME_WIDTH,
        }
    }

    fn begin(&self, name: &str) -> Line {
        let bar = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{name:<width$}", width = self.width));
        bar.set_message("starting");
        bar.enable_steady_tick(Duration::from_millis(100));
        Line {
            bar,
            name: name.to_owned(),
            since: Instant::now(),
        }
    }
}

impl Line {
    fn ready(&self, part: &Part) {
        let url = &part.plan.url;
        self.done(&format!(
            "{url} (process {})",
            part.pid().unwrap_or_default()
        ));
    }

    fn done(&self, message: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        self.finish('✓', &format!("{seconds:>4.1} s  {message}"));
    }

    fn failed(&self) {
        self.finish('✗', "failed");
    }

    fn finish(&self, mark: char, message: &str) {
        let plain = self.bar.is_hidden();
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            self.bar.set_style(style);
        }
        let name = format!("{:<width$}", self.name, width = plan::NAME_WIDTH);
        let text = format!("{mark} {name} {message}");
        if plain {
            println!("{text}");
        }
        self.bar.finish_with_message(text);
    }
}
