//! [`Session`]: one resumable upload, and whose turn it is to write to it.
//!
//! One request at a time has its turn. A request that comes while another has it **takes over**: the
//! other is told, stops reading, and what it received is made durable first. So a client whose line
//! broke need not wait until this node notices.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use shared::{
    blob::{Resumable, ResumableId},
    hash::ContentHash,
    serve::server::clients::address::ClientKey,
};
use tokio::{
    sync::{OwnedMutexGuard, watch},
    time::{Duration, timeout},
};

use crate::http::upload::{admission::Ids, limits::Room};

/// How long the request that is taken over from may take to make durable what it received.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(20);

/// What a session is about; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The session.
    pub id: ResumableId,
    /// Object, bucket and bag.
    pub ids: Ids,
    /// Bytes, as on chain.
    pub size: u64,
    /// Hash, as on chain.
    pub hash: ContentHash,
    /// Who began it.
    pub client: ClientKey,
    /// `Upload-Metadata` as it came.
    pub metadata: String,
}

/// Where a session is.
pub enum State {
    /// On disk, as an earlier run or a failure left it.
    Asleep,
    /// Its files are open.
    Awake(Box<Resumable>),
    /// The object is held.
    Finished,
    /// It was ended, or its bytes were those of another object.
    Gone,
}

/// One resumable upload.
pub struct Session {
    /// What it is about.
    pub about: About,
    state: Arc<tokio::sync::Mutex<State>>,
    /// Turns asked for so far.
    asked: watch::Sender<u64>,
    room: Mutex<Option<Room>>,
    broke_off: AtomicBool,
}

/// The state is in use by a request that does not end.
#[derive(Debug, thiserror::Error)]
#[error("another request is writing to this upload: try again")]
pub struct Busy;

impl Session {
    /// A session in this state, with disk space set aside if it needs some.
    pub fn new(about: About, state: State, room: Option<Room>) -> Self {
        Self {
            about,
            broke_off: AtomicBool::new(matches!(state, State::Asleep)),
            state: Arc::new(tokio::sync::Mutex::new(state)),
            asked: watch::Sender::new(0),
            room: Mutex::new(room),
        }
    }

    /// Takes over from whoever has the turn.
    pub async fn turn(self: &Arc<Self>) -> Result<Turn, Busy> {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        let state = timeout(TAKE_OVER_TIMEOUT, self.state.clone().lock_owned()).await;
        Ok(Turn {
            session: self.clone(),
            state: Some(state.map_err(|_| Busy)?),
            number,
        })
    }

    /// Tells whoever has the turn that it is over.
    pub fn interrupt(&self) {
        self.asked.send_modify(|asked| *asked += 1);
    }
}

/// The right to use a session, until it is dropped.
pub struct Turn {
    session: Arc<Session>,
    /// Always there, until the drop.
    state: Option<OwnedMutexGuard<State>>,
    number: u64,
}

impl Turn {
    /// The session.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// What the session is about.
    pub fn about(&self) -> &About {
        &self.session.about
    }

    /// Its state.
    pub fn state(&mut self) -> &mut State {
        self.state.as_mut().expect("it is taken by the drop only")
    }

    /// Bytes received so far.
    pub fn position(&mut self) -> u64 {
        let size = self.session.about.size;
        match self.state() {
            State::Awake(upload) => upload.position(),
            State::Finished => size,
            State::Asleep | State::Gone => 0,
        }
    }

    /// Does the session go on after a broken line or a restart?
    pub fn goes_on(&self) -> bool {
        self.session.broke_off.swap(false, Ordering::Relaxed)
    }

    /// The session was broken off, and whoever goes on with it resumes it.
    pub fn broke_off(&self) {
        self.session.broke_off.store(true, Ordering::Relaxed);
    }

    /// Ends when another request takes over. Owns what it needs, so that it can be waited for while
    /// the turn is used.
    pub fn taken_over(&self) -> impl Future<Output = ()> + use<> {
        let (mut asked, number) = (self.session.asked.subscribe(), self.number);
        async move {
            // The session keeps the sender as long as anybody can ask.
            let _asked = asked.wait_for(|asked| *asked > number).await;
        }
    }

    /// Sets the state; disk space is set aside only for what is still to come.
    pub fn set(&mut self, state: State) {
        *self.state() = state;
        self.fit_room();
    }

    /// Gives back the disk space of what has been received.
    pub fn fit_room(&mut self) {
        let left = self.session.about.size.saturating_sub(self.position());
        let is_over = matches!(self.state(), State::Finished | State::Gone);
        let mut room = self.session.room.lock();
        match &mut *room {
            Some(_) if is_over => *room = None,
            Some(room) => room.resize(left),
            None => {}
        }
    }
}

impl Drop for Turn {
    /// A request that ends in the middle leaves what it received to be made durable without it.
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else {
            return;
        };
        let State::Awake(_) = &*state else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if let State::Awake(upload) = &mut *state
                && let Err(error) = upload.settle().await
            {
                tracing::warn!(%error, "an upload goes on at its last checkpoint");
                *state = State::Asleep;
            }
        });
    }
}
