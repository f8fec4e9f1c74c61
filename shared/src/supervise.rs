//! Starting and stopping a node: the limit of open files, exit codes, the signal that asks it to stop, and
//! the watchdog that ends it when an actor it cannot do without has died.
//!
//! An actor that panics is gone for good and takes its work with it while the process looks healthy.
//! The watchdog turns that into an exit, and whatever started the node starts it again: what counts
//! is on disk and on chain.

use std::{fmt, process::ExitCode, time::Duration};

use actix::{Actor, Addr};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::AbortHandle,
};

/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why a node's process ended. The numbers are stable: scripts and service managers read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: stopped because it was asked to.
    Stopped,
    /// 1: something failed that may work next time (a port taken, a disk full, the chain away).
    Failed,
    /// 2: the command line or the configuration cannot be used; starting again will not help.
    Misconfigured,
    /// 70: a critical actor died: a bug, and starting again is the remedy.
    ActorDied,
}

impl Exit {
    /// The number the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::Failed => 1,
            Self::Misconfigured => 2,
            Self::ActorDied => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The signal that asked the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a service manager or devnet.
    Terminate,
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Resolves when the process is asked to stop. From the call on (not from the first poll) the
/// signals no longer end the process by themselves.
///
/// Build HTTP servers with `disable_signals()` and stop them after this resolves, so that one place
/// decides the order of stopping.
pub fn stop_requested() -> std::io::Result<impl Future<Output = StopSignal> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => StopSignal::Interrupt,
            _ = terminate.recv() => StopSignal::Terminate,
        }
    })
}

/// The start of a node, or `None` if the process is asked to stop before it is through.
pub async fn start_until_stop<T>(start: impl Future<Output = T>) -> std::io::Result<Option<T>> {
    let stop = stop_requested()?;
    Ok(tokio::select! {
        started = start => Some(started),
        signal = stop => {
            tracing::info!(%signal, "stopped during the start");
            None
        }
    })
}

/// Runs a node on an actix system of its own.
pub fn block_on<F: Future>(node: F) -> F::Output {
    let system = actix::System::new();
    let ended = system.block_on(node);
    // After a start that failed there are actors that did not begin: they do so while the system goes,
    // and want its timers.
    let timers = system.runtime().tokio_runtime().handle().clone();
    let _entered = timers.enter();
    drop(system);
    ended
}

/// Is this actor or task alive? Holds no strong address, so it does not keep the actor running.
type Alive = Box<dyn Fn() -> bool>;

/// Watches the actors and tasks a node cannot do without.
#[derive(Default)]
pub struct Watchdog {
    critical: Vec<(&'static str, Alive)>,
}

impl Watchdog {
    /// Watches nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches this actor as well. The caller keeps the address: an actor without any stops.
    pub fn watch<A: Actor>(mut self, name: &'static str, actor: &Addr<A>) -> Self {
        let weak = actor.downgrade();
        let alive = move || weak.upgrade().is_some_and(|actor| actor.connected());
        self.critical.push((name, Box::new(alive)));
        self
    }

    /// Watches this task as well: one that has ended, by a panic or otherwise, is dead.
    pub fn watch_task(mut self, name: &'static str, task: AbortHandle) -> Self {
        self.critical
            .push((name, Box::new(move || !task.is_finished())));
        self
    }

    /// Resolves with the name of the first critical actor or task that is gone; never, while all live.
    pub async fn first_dead(self) -> &'static str {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            if let Some((name, _)) = self.critical.iter().find(|(_, alive)| !alive()) {
                return name;
            }
        }
    }
}

/// Raises the limit of open files to what this user is allowed: connections and stored objects need one
/// each, and the limit a shell sets by default (1,024 on most systems) would be met long before those of
/// the configuration. Gives the limit that holds now, `None` if there is none.
pub fn allow_many_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, limit = ?limit.current, "the limit of open files cannot be raised");
            limit.current
        }
    }
}

/// Waits until the node should stop and says why: asked to by a signal ([`Exit::Stopped`]), or a
/// critical actor died ([`Exit::ActorDied`]).
pub async fn run_until_stop(watchdog: Watchdog) -> std::io::Result<Exit> {
    let stop = stop_requested()?;
    Ok(tokio::select! {
        signal = stop => {
            tracing::info!(%signal, "stopping");
            Exit::Stopped
        }
        actor = watchdog.first_dead() => {
            tracing::error!(actor, "a critical actor died; the process ends so that it can be started afresh");
            Exit::ActorDied
        }
    })
}

#[cfg(test)]
mod tests {
    use actix::{Context, Handler, Message};
    use futures::FutureExt;

    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_user_is_allowed() {
        let allowed = getrlimit(Resource::Nofile).maximum;
        assert_eq!(allow_many_files(), allowed);
        assert_eq!(getrlimit(Resource::Nofile).current, allowed);
    }

    struct Fragile;
    impl Actor for Fragile {
        type Context = Context<Self>;
    }
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Boom;
    impl Handler<Boom> for Fragile {
        type Result = ();
        fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
            panic!("a bug");
        }
    }

    #[actix::test]
    async fn the_death_of_a_critical_actor_is_noticed() {
        let (fragile, solid) = (Fragile.start(), Fragile.start());
        let watchdog = Watchdog::new()
            .watch("solid", &solid)
            .watch("fragile", &fragile);
        let mut first_dead = Box::pin(watchdog.first_dead());
        assert_eq!((&mut first_dead).now_or_never(), None, "both live");
        fragile.try_send(Boom).unwrap();
        assert_eq!(first_dead.await, "fragile");
    }

    #[actix::test]
    async fn the_watchdog_does_not_keep_an_actor_alive() {
        let actor = Fragile.start();
        let watchdog = Watchdog::new().watch("dropped", &actor);
        drop(actor);
        assert_eq!(watchdog.first_dead().await, "dropped");
    }

    #[actix::test]
    async fn the_end_of_a_critical_task_is_noticed_however_it_ends() {
        let endless = tokio::spawn(std::future::pending::<()>());
        let panics = tokio::spawn(async { panic!("a bug") });
        let returns = tokio::spawn(async {});
        for task in [panics, returns] {
            let watchdog = Watchdog::new()
                .watch_task("endless", endless.abort_handle())
                .watch_task("ends", task.abort_handle());
            assert_eq!(watchdog.first_dead().await, "ends");
        }
        endless.abort();
    }

    #[test]
    fn exit_codes_are_stable() {
        let codes = [
            Exit::Stopped,
            Exit::Failed,
            Exit::Misconfigured,
            Exit::ActorDied,
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 70]);
    }
}
