//! How much of an answer the kernel takes of each connection beyond what is on its way to the client.
//!
//! The more it takes at once, the less often a worker is woken for one answer: ranges cost a tenth less with
//! [`BYTES_MAX`] than with [`BYTES_MIN`]. But without any limit it takes megabytes per connection, and with a thousand
//! viewers that is all its memory for TCP, and it drops packets. So few connections get more each, and many less.

use std::io;

use actix_web::rt::net::TcpStream;
use socket2::SockRef;

/// What each connection gets however many there are; the listening socket hands it down.
pub(super) const BYTES_MIN: u32 = 128 * 1024;
/// What a connection gets while there are few.
const BYTES_MAX: u32 = 512 * 1024;
/// What all connections share, as long as each gets more than [`BYTES_MIN`] of it.
const BYTES_OF_ALL: u64 = 64 << 20;

/// Gives a new connection its part, of `connections` that are open with it.
pub(super) fn allot(connection: &TcpStream, connections: u64) -> io::Result<()> {
    match part(connections) {
        // It has that already.
        BYTES_MIN => Ok(()),
        bytes => SockRef::from(connection).set_tcp_notsent_lowat(bytes),
    }
}

fn part(connections: u64) -> u32 {
    let part = BYTES_OF_ALL / connections.max(1);
    u32::try_from(part)
        .unwrap_or(BYTES_MAX)
        .clamp(BYTES_MIN, BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_get_more_each_and_a_crowd_gets_little_in_all() {
        assert_eq!(part(0), BYTES_MAX);
        assert_eq!(part(1), BYTES_MAX);
        assert_eq!(part(128), BYTES_MAX);
        assert_eq!(part(256), 256 * 1024);
        assert_eq!(part(512), BYTES_MIN);
        assert_eq!(part(u64::MAX), BYTES_MIN);
        // Who came while there were few keeps what it was given.
        let all = |count: u64| (1..=count).map(|open| u64::from(part(open))).sum::<u64>();
        assert!(all(1_000) < 256 << 20, "{}", all(1_000));
        assert!(all(10_000) < 10_000 * u64::from(BYTES_MIN) + (128 << 20));
    }
}
