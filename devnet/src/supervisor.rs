//! Keeps the parts running: starts one again that ended by itself, as a service manager would, and
//! carries out what is asked over the control socket.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    control::{Answer, Asked, PartStatus, Request},
    process::{Part, PartPlan},
};

/// A part that ends this often within [`RESTART_WINDOW`] is broken, and the network with it.
const RESTARTS_MAX: usize = 5;
const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// Pause before a part is started again.
const RESTART_DELAY: Duration = Duration::from_millis(300);

/// All parts of a network, in the order in which they were started.
#[derive(Debug)]
pub struct Supervisor {
    slots: Vec<Slot>,
    logs: PathBuf,
    http: reqwest::Client,
}

#[derive(Debug)]
struct Slot {
    plan: PartPlan,
    state: State,
    restarts: Vec<Instant>,
    restarts_total: u32,
}

#[derive(Debug)]
enum State {
    Running(Box<Part>),
    /// Stopped on request.
    Stopped,
}

impl Supervisor {
    /// No part yet.
    pub fn new(logs: PathBuf) -> Self {
        Self {
            slots: Vec::new(),
            logs,
            http: reqwest::Client::new(),
        }
    }

    /// Starts the next part and waits until it is ready.
    pub async fn start(&mut self, plan: &PartPlan) -> Result<&Part> {
        let part = self.launch(plan).await?;
        self.slots.push(Slot {
            plan: plan.clone(),
            state: State::Running(Box::new(part)),
            restarts: Vec::new(),
            restarts_total: 0,
        });
        match self.slots.last().map(|slot| &slot.state) {
            Some(State::Running(part)) => Ok(part),
            _ => bail!("{} is not running", plan.name),
        }
    }

    async fn launch(&self, plan: &PartPlan) -> Result<Part> {
        let mut part = Part::start(plan.clone(), &self.logs)?;
        part.ready(&self.http).await?;
        Ok(part)
    }

    /// Runs until a part is broken for good; cancel it to stop.
    pub async fn watch(&mut self, requests: &mut mpsc::Receiver<Asked>) -> Result<()> {
        loop {
            tokio::select! {
                (index, how) = first_end(&mut self.slots) => self.start_again(index, &how).await?,
                Some((request, answer)) = requests.recv() => {
                    let outcome = self.carry_out(request).await;
                    // Whoever asked may have gone; the request was carried out all the same.
                    let _ = answer.send(match outcome {
                        Ok(()) => Answer::Parts(self.status()),
                        Err(error) => Answer::Refused(format!("{error:#}")),
                    });
                }
            }
        }
    }

    async fn start_again(&mut self, index: usize, how: &str) -> Result<()> {
        let slot = &mut self.slots[index];
        slot.restarts.retain(|at| at.elapsed() < RESTART_WINDOW);
        if slot.restarts.len() >= RESTARTS_MAX {
            bail!(
                "{how}\n{} ended {} times within a minute",
                slot.plan.name,
                slot.restarts.len() + 1
            );
        }
        slot.restarts.push(Instant::now());
        slot.restarts_total += 1;
        println!("! {how}\n  starting {} again", slot.plan.name);
        tokio::time::sleep(RESTART_DELAY).await;
        let plan = slot.plan.clone();
        let part = self
            .launch(&plan)
            .await
            .with_context(|| format!("{} does not start again", plan.name))?;
        println!("✓ {} is back at {}", plan.name, plan.url);
        self.slots[index].state = State::Running(Box::new(part));
        Ok(())
    }

    async fn carry_out(&mut self, request: Request) -> Result<()> {
        match request {
            Request::Status => Ok(()),
            Request::Stop(name) => {
                let slot = self.slot(&name)?;
                match std::mem::replace(&mut slot.state, State::Stopped) {
                    State::Running(part) => part.stop().await,
                    State::Stopped => bail!("{name} is stopped already"),
                }
            }
            Request::Start(name) => {
                let slot = self.slot(&name)?;
                if matches!(slot.state, State::Running(_)) {
                    bail!("{name} is running already");
                }
                let plan = slot.plan.clone();
                let part = self.launch(&plan).await?;
                self.slot(&name)?.state = State::Running(Box::new(part));
                Ok(())
            }
        }
    }

    fn slot(&mut self, name: &str) -> Result<&mut Slot> {
        let names = self
            .slots
            .iter()
            .map(|slot| slot.plan.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        self.slots
            .iter_mut()
            .find(|slot| slot.plan.name == name)
            .with_context(|| format!("'{name}' is not a part of this network: {names} are"))
    }

    fn status(&self) -> Vec<PartStatus> {
        self.slots
            .iter()
            .map(|slot| PartStatus {
                name: slot.plan.name.clone(),
                url: slot.plan.url.clone(),
                pid: match &slot.state {
                    State::Running(part) => part.pid(),
                    State::Stopped => None,
                },
                restarts: slot.restarts_total,
            })
            .collect()
    }

    /// Stops all parts, the last started first; returns how many, and complains about unclean ends.
    pub async fn stop(self) -> Result<usize> {
        let mut stopped = 0;
        let mut unclean = Vec::new();
        for slot in self.slots.into_iter().rev() {
            let State::Running(part) = slot.state else {
                continue;
            };
            match part.stop().await {
                Ok(()) => stopped += 1,
                Err(error) => unclean.push(error.to_string()),
            }
        }
        if !unclean.is_empty() {
            bail!("{}", unclean.join("; "));
        }
        Ok(stopped)
    }
}

/// Index of the first running part that ends, and how.
async fn first_end(slots: &mut [Slot]) -> (usize, String) {
    let mut ends: FuturesUnordered<_> = slots
        .iter_mut()
        .enumerate()
        .filter_map(|(index, slot)| match &mut slot.state {
            State::Running(part) => Some(async move { (index, part.ended().await) }),
            State::Stopped => None,
        })
        .collect();
    match ends.next().await {
        Some(end) => end,
        None => std::future::pending().await,
    }
}
