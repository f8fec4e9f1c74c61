//! The line between a node and its object store, which can be made to break.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A line. It lives as long as the test program.
pub struct Line {
    pub address: SocketAddr,
    /// Bytes of one connection that come through from the server.
    answer_max: Arc<AtomicU64>,
}

impl Line {
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer_max = Arc::new(AtomicU64::new(u64::MAX));
        let limit = answer_max.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (far, limit) = (TcpStream::connect(server), limit.clone());
                let Ok(far) = far else { continue };
                let (mut asks, mut asked) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || {
                    let _ended = std::io::copy(&mut asks, &mut asked);
                    let _closed = asked.shutdown(Shutdown::Write);
                });
                thread::spawn(move || answer(far, near, &limit));
            }
        });
        Self {
            address,
            answer_max,
        }
    }

    /// From now on an answer breaks off after so many bytes.
    pub fn cut_after(&self, bytes: u64) {
        self.answer_max.store(bytes, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.cut_after(u64::MAX);
    }
}

fn answer(mut far: TcpStream, mut near: TcpStream, limit: &AtomicU64) {
    let (mut buffer, mut given) = (vec![0; 16 * 1024], 0);
    while let Ok(len @ 1..) = far.read(&mut buffer) {
        given += len as u64;
        if given > limit.load(Ordering::SeqCst) || near.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    for end in [far, near] {
        let _closed = end.shutdown(Shutdown::Both);
    }
}
