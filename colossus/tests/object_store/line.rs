//! The line between a node and its object store, which can be made to break, or to hold answers back.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// A request with more bytes than that has the part of an object.
const PART_BYTES_MIN: u64 = 1 << 20;

/// A line. It lives as long as the test program.
pub struct Line {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// Bytes of one connection that come through from the server.
    answer_max: AtomicU64,
    /// Answers to parts wait.
    holds: AtomicBool,
    /// How many do.
    held: AtomicUsize,
}

impl Line {
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer_max: AtomicU64::new(u64::MAX),
            holds: AtomicBool::new(false),
            held: AtomicUsize::new(0),
        });
        let known = state.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (far, state) = (TcpStream::connect(server), known.clone());
                let Ok(far) = far else { continue };
                let (mut asks, mut asked) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let sent = Arc::new(AtomicU64::new(0));
                let counted = sent.clone();
                thread::spawn(move || {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(len @ 1..) = asks.read(&mut buffer) {
                        counted.fetch_add(len as u64, Ordering::SeqCst);
                        if asked.write_all(&buffer[..len]).is_err() {
                            break;
                        }
                    }
                    let _closed = asked.shutdown(Shutdown::Write);
                });
                thread::spawn(move || answer(far, near, &sent, &state));
            }
        });
        Self { address, state }
    }

    /// From now on an answer breaks off after so many bytes.
    pub fn cut_after(&self, bytes: u64) {
        self.state.answer_max.store(bytes, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.cut_after(u64::MAX);
    }

    /// From now on answers to parts of objects wait, or do not any more.
    pub fn hold(&self, holds: bool) {
        self.state.holds.store(holds, Ordering::SeqCst);
    }

    /// Parts that the server has, and whose answers wait.
    pub fn held(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }
}

fn answer(mut far: TcpStream, mut near: TcpStream, sent: &AtomicU64, state: &State) {
    let (mut buffer, mut given) = (vec![0; 16 * 1024], 0);
    while let Ok(len @ 1..) = far.read(&mut buffer) {
        if sent.swap(0, Ordering::SeqCst) > PART_BYTES_MIN {
            state.held.fetch_add(1, Ordering::SeqCst);
            while state.holds.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
            state.held.fetch_sub(1, Ordering::SeqCst);
        }
        given += len as u64;
        if given > state.answer_max.load(Ordering::SeqCst)
            || near.write_all(&buffer[..len]).is_err()
        {
            break;
        }
    }
    for end in [far, near] {
        let _closed = end.shutdown(Shutdown::Both);
    }
}
