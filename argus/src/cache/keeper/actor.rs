//! The keeper's mailbox, timer and hands. It decides nothing: see [`super::core`].
//!
//! Files are removed and shortened in turns on the blocking pool, one at a time and in order, so that removing an
//! object and opening it again cannot overtake each other; the room is freed, and what need not wait is opened,
//! beside them, see [`super::queue`].

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, WrapFuture};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    ahead::Beginning,
    core::{Core, Declined, Effect, Event, Holding, Limits, Readers},
    disk::{self, Free},
    messages::{
        Admission, Counts, CountsNow, FetchedAhead, Held, Holds, Purge, PurgeAll, PurgeUnwanted,
        RoomWanted, Stop, Touched, Want,
    },
    queue::Queue,
};
use crate::{
    cache::{
        Lease, Object, OpenObjects, Shelf, ShelfError,
        extents::Extents,
        shelf::{Files, Found, Leaving},
    },
    catalog::{Asset, Catalog},
    content::Content,
    fill::{self, Fetching},
    metrics::Metrics,
};

/// Messages that may wait. Touches beyond are dropped and counted; everything else is awaited.
const MAILBOX: usize = 1024;
/// How often it is looked whether what is to be given up is still being read.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// The keeper.
pub struct Keeper {
    core: Core,
    shelf: Arc<Shelf>,
    open: OpenObjects,
    /// Everything that is open, also what is out of reach and still being read.
    objects: HashMap<Content, Arc<Object>>,
    /// What a fill under way is for, and how to stop it.
    fills: HashMap<Content, CancellationToken>,
    wants: HashMap<Content, Wants>,
    /// What is fetched ahead, until it is open.
    beginnings: HashMap<Content, Beginning>,
    /// Why the last step fetched nothing ahead.
    pub(super) declined: Option<Declined>,
    queue: Queue<Given>,
    /// What the last step gave.
    room: u64,
    timer_runs: bool,
    stop: Option<oneshot::Sender<()>>,
    found: Vec<Found>,
    catalog: Catalog,
    fetching: Arc<Fetching>,
    metrics: Metrics,
}

/// Those who wait for an object to be opened.
struct Wants {
    asset: Asset,
    waiting: Vec<oneshot::Sender<Admission>>,
}

/// Room that was given to a fill: whom to tell how many extents, once it is free.
type Given = (oneshot::Sender<u64>, u64);

struct OpenReaders<'a>(&'a HashMap<Content, Arc<Object>>);

impl Readers for OpenReaders<'_> {
    fn retire(&mut self, content: &Content) -> bool {
        self.0.get(content).is_none_or(|object| object.retire())
    }
}

impl Keeper {
    /// A keeper of what was found on the shelf.
    pub fn new(
        limits: Limits,
        (shelf, found): (Shelf, Vec<Found>),
        open: OpenObjects,
        catalog: Catalog,
        fetching: Arc<Fetching>,
        metrics: Metrics,
    ) -> Self {
        Self {
            queue: Queue::new(limits.bytes_max),
            core: Core::new(limits),
            shelf: Arc::new(shelf),
            open,
            objects: HashMap::new(),
            fills: HashMap::new(),
            wants: HashMap::new(),
            beginnings: HashMap::new(),
            declined: None,
            room: 0,
            timer_runs: false,
            stop: None,
            found,
            catalog,
            fetching,
            metrics,
        }
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        self.step_without_disk(event, ctx);
        self.start_disk_turn(ctx);
        self.finish_stop(ctx);
    }

    /// Decides and acts, and leaves what the disk has to do for its next turn.
    pub(super) fn step_without_disk(&mut self, event: Event, ctx: &mut Context<Self>) {
        let effects = self.core.handle(event, &mut OpenReaders(&self.objects));
        for effect in effects {
            self.perform(effect);
        }
        if self.core.needs_timer() && !self.timer_runs {
            self.timer_runs = true;
            ctx.run_later(LOOK_AGAIN_EVERY, |keeper, ctx| {
                keeper.timer_runs = false;
                keeper.step(Event::TimerFired, ctx);
            });
        }
        self.metrics.cache_bytes.set(self.core.bytes() as i64);
        self.metrics.cache_objects.set(self.core.len() as i64);
        self.metrics.fills_in_progress.set(self.core.fills() as i64);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    /// Notes what is opened for a beginning.
    pub(super) fn begins(&mut self, asset: Asset, beginning: Beginning) {
        self.beginnings.insert(asset.content, beginning);
        let waiting = Vec::new();
        let wants = Wants { asset, waiting };
        self.wants.entry(asset.content).or_insert(wants);
    }

    fn purge(&mut self, goes: impl Fn(&Content) -> bool, ctx: &mut Context<Self>) {
        let kept: HashSet<Content> = self.core.order().into_iter().collect();
        for content in kept.into_iter().filter(goes) {
            self.step(Event::Unwanted { content }, ctx);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Evict { content } => {
                self.metrics.evictions.inc();
                self.put_away(&content);
                self.queue.free(Free::Remove(content));
            }
            Effect::Trim {
                content,
                from,
                bytes,
            } => {
                self.metrics.trims.inc();
                self.put_away(&content);
                let trim = Free::Trim {
                    content,
                    from,
                    bytes,
                };
                self.queue.free(trim);
            }
            Effect::Room { extents, .. } => self.room = extents,
            Effect::CancelFill { content } => {
                self.open.remove(&content);
                if let Some(token) = self.fills.get(&content) {
                    token.cancel();
                }
            }
            Effect::Close { content } => {
                self.open.remove(&content);
                if self
                    .objects
                    .get(&content)
                    .is_some_and(|object| object.readers() == 0)
                {
                    self.objects.remove(&content);
                }
            }
            Effect::Open { content } => {
                let bytes = self.core.room_bytes(&content);
                self.queue.open(content, bytes);
            }
            Effect::Admit { content } => {
                if self.objects.contains_key(&content) {
                    self.admit(&content, false);
                }
            }
            Effect::PassThrough { content, why } => {
                self.answer(&content, |_| Admission::PassThrough(why))
            }
            Effect::Decline { why, .. } => self.declined = Some(why),
            Effect::Refuse { content } => self.answer(&content, |_| Admission::Refused),
        }
    }

    /// Answers all who wait for this content.
    fn answer(&mut self, content: &Content, mut admission: impl FnMut(usize) -> Admission) {
        let Some(wants) = self.wants.remove(content) else {
            return;
        };
        for (index, waiting) in wants.waiting.into_iter().enumerate() {
            // Fails if the client has left, which changes nothing.
            let _ = waiting.send(admission(index));
        }
    }

    fn admit(&mut self, content: &Content, started: bool) {
        let Some(object) = self.objects.get(content).cloned() else {
            return;
        };
        self.answer(content, |index| match Lease::new(&object) {
            Some(lease) => Admission::Open {
                lease,
                started: started && index == 0,
            },
            None => Admission::Refused,
        });
    }

    fn put_away(&mut self, content: &Content) {
        self.open.remove(content);
        self.objects.remove(content);
    }

    pub(super) fn start_disk_turn(&mut self, ctx: &mut Context<Self>) {
        let in_use = self.core.bytes();
        for content in self.queue.openings(in_use) {
            let opening = disk::open(self.shelf.clone(), content).into_actor(self);
            ctx.spawn(opening.map(move |files, keeper, ctx| {
                keeper.queue.opened(&content);
                keeper.opened(content, files, ctx);
                keeper.disk_done(ctx);
            }));
        }
        for (fill, extents) in self.queue.kept_promises(in_use) {
            // One that is gone has given its room back by its end.
            let _ = fill.send(extents);
        }
        let Some(jobs) = self.queue.next_turn() else {
            return;
        };
        let turn = disk::turn(self.shelf.clone(), jobs).into_actor(self);
        ctx.spawn(turn.map(|leaving, keeper, ctx| {
            keeper.queue.turn_done(leaving.iter().map(|(job, _)| *job));
            for (job, left) in leaving {
                keeper.free(job, left, ctx);
            }
            keeper.disk_done(ctx);
        }));
    }

    /// Frees the room of what was removed or cut off, beside everything else.
    fn free(&mut self, job: Free, left: Leaving, ctx: &mut Context<Self>) {
        let freeing = tokio::task::spawn_blocking(|| drop(left)).into_actor(self);
        ctx.spawn(freeing.map(move |_, keeper, ctx| {
            keeper.queue.freed(&job);
            keeper.disk_done(ctx);
        }));
    }

    fn disk_done(&mut self, ctx: &mut Context<Self>) {
        self.start_disk_turn(ctx);
        self.finish_stop(ctx);
    }

    fn opened(
        &mut self,
        content: Content,
        files: Result<Files, ShelfError>,
        ctx: &mut Context<Self>,
    ) {
        let beginning = self.beginnings.remove(&content);
        let files = match files {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(%error, "an object of the cache cannot be opened");
                self.answer(&content, |_| Admission::DiskFailed(error.to_string()));
                return self.step(Event::OpenFailed { content }, ctx);
            }
        };
        let Some(asset) = self.wants.get(&content).map(|wants| wants.asset) else {
            // Those who wanted it were told something else meanwhile.
            return self.step(Event::OpenFailed { content }, ctx);
        };
        let from_disk = files.present.count() > 0 || files.claimed.count() > 0;
        let mut extents = Extents::of(&content, &files.present);
        extents.join(&Extents::of(&content, &files.claimed));
        self.room = 0;
        self.step(Event::Opened { content, extents }, ctx);
        let room = std::mem::take(&mut self.room);
        if self.core.holding(&content) == Holding::Nothing {
            let why = "more of it is on disk than was reckoned with";
            self.answer(&content, |_| Admission::DiskFailed(why.to_owned()));
            return;
        }
        let both = (Arc::new(files.data), Arc::new(files.outboard));
        let object = Object::new(content, both, files.present);
        let object = Arc::new(object.with_recent(self.fetching.recent.of_object()));
        self.objects.insert(content, object.clone());
        self.open.insert(object.clone());
        self.admit(&content, !from_disk);
        let token = CancellationToken::new();
        self.fills.insert(content, token.clone());
        let fill = fill::Fill {
            object: object.clone(),
            asset,
            claimed: files.claimed,
            room,
            ahead: beginning.as_ref().map(|beginning| beginning.extents),
            keeper: ctx.address().recipient(),
            catalog: self.catalog.clone(),
            fetching: self.fetching.clone(),
            shelf: self.shelf.clone(),
        };
        let task = tokio::spawn(fill.run(token)).into_actor(self);
        ctx.spawn(task.map(move |ended, keeper, ctx| {
            let extents = ended.unwrap_or_else(|_| {
                tracing::error!(%content, "a fill panicked");
                object.fail("the node failed");
                // Nobody knows what it left: the files go.
                Extents::none(&content)
            });
            if let Some(beginning) = beginning.filter(|_| !extents.is_empty()) {
                let _ = beginning.done.send(FetchedAhead::Here);
            }
            keeper.fill_ended(&object, extents, ctx);
        }));
    }

    /// `extents` are those of which something is on disk.
    fn fill_ended(&mut self, object: &Arc<Object>, extents: Extents, ctx: &mut Context<Self>) {
        let content = object.content();
        self.fills.remove(&content);
        self.queue.fill_ended(&content);
        let complete = object.is_complete();
        if !complete {
            self.put_away(&content);
        }
        self.step(
            Event::FillEnded {
                content,
                extents,
                complete,
            },
            ctx,
        );
    }

    /// Once nothing is under way, notes the orderly stop and answers the one who asked for it.
    fn finish_stop(&mut self, ctx: &mut Context<Self>) {
        if self.stop.is_none() || !self.fills.is_empty() || !self.queue.is_idle() {
            return;
        }
        let Some(done) = self.stop.take() else { return };
        let (shelf, order) = (self.shelf.clone(), self.core.order());
        let marked =
            tokio::task::spawn_blocking(move || shelf.mark_stopped(&order)).into_actor(self);
        ctx.spawn(marked.map(|marked, _, _| {
            match marked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the orderly stop cannot be noted"),
                Err(error) => tracing::warn!(%error, "the orderly stop cannot be noted"),
            }
            let _ = done.send(());
        }));
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        for Found {
            content,
            extents,
            complete,
        } in std::mem::take(&mut self.found)
        {
            self.step(
                Event::Found {
                    content,
                    extents,
                    complete,
                },
                ctx,
            );
        }
    }
}

impl Handler<Want> for Keeper {
    type Result = ResponseFuture<Admission>;

    fn handle(&mut self, Want { asset }: Want, ctx: &mut Context<Self>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        if self.stop.is_some() {
            return Box::pin(async { Admission::Refused });
        }
        let content = asset.content;
        let wants = self.wants.entry(content).or_insert_with(|| Wants {
            asset,
            waiting: Vec::new(),
        });
        wants.waiting.push(sender);
        self.step(Event::Wanted { content }, ctx);
        Box::pin(async { receiver.await.unwrap_or(Admission::Refused) })
    }
}

impl Handler<Touched> for Keeper {
    type Result = ();
    fn handle(&mut self, Touched { content }: Touched, ctx: &mut Context<Self>) {
        self.step(Event::Touched { content }, ctx);
    }
}

impl Handler<Purge> for Keeper {
    type Result = ();
    fn handle(&mut self, Purge { content }: Purge, ctx: &mut Context<Self>) {
        self.step(Event::Unwanted { content }, ctx);
    }
}

impl Handler<PurgeUnwanted> for Keeper {
    type Result = ();
    fn handle(&mut self, _: PurgeUnwanted, ctx: &mut Context<Self>) {
        let catalog = self.catalog.clone();
        self.purge(|content| !catalog.wants(content), ctx);
    }
}

impl Handler<PurgeAll> for Keeper {
    type Result = ();
    fn handle(&mut self, _: PurgeAll, ctx: &mut Context<Self>) {
        self.purge(|_| true, ctx);
    }
}

impl Handler<RoomWanted> for Keeper {
    type Result = ();
    fn handle(&mut self, wanted: RoomWanted, ctx: &mut Context<Self>) {
        let (content, extents) = (wanted.content, wanted.extents);
        self.room = 0;
        let before = self.core.room_bytes(&content);
        self.step_without_disk(Event::RoomWanted { content, extents }, ctx);
        let bytes = self.core.room_bytes(&content) - before;
        let given = (wanted.answer, std::mem::take(&mut self.room));
        self.queue.promise(content, bytes, given);
        self.start_disk_turn(ctx);
    }
}

impl Handler<Holds> for Keeper {
    type Result = Held;
    fn handle(&mut self, question: Holds, _: &mut Context<Self>) -> Held {
        Held(self.core.holding(&question.content))
    }
}

impl Handler<Counts> for Keeper {
    type Result = CountsNow;
    fn handle(&mut self, _: Counts, _: &mut Context<Self>) -> CountsNow {
        CountsNow {
            objects: self.core.len(),
            bytes: self.core.bytes(),
            fills: self.core.fills(),
        }
    }
}

impl Handler<Stop> for Keeper {
    type Result = ResponseFuture<()>;
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) -> Self::Result {
        let (sender, receiver) = oneshot::channel();
        self.stop = Some(sender);
        self.fills.values().for_each(CancellationToken::cancel);
        self.finish_stop(ctx);
        Box::pin(async {
            let _ = receiver.await;
        })
    }
}
