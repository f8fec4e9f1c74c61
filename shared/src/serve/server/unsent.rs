//! How much of an answer the kernel takes of each connection beyond what is on its way to the client.
//!
//! The more it takes at once, the less often a worker is woken for one answer: ranges cost a tenth less with
//! [`MAX`] than with [`MIN`]. But without any limit it takes megabytes per connection, and with a thousand
//! viewers that is all its memory for TCP, and it drops packets. So few connections get more each, and many less.

use std::io;

use actix_web::rt::net::TcpStream;
use socket2::SockRef;

/// What each connection gets however many there are; the listening socket hands it down.
pub(super) const MIN: u32 = 128 * 1024;
/// What a connection gets while there are few.
const MAX: u32 = 512 * 1024;
/// Up to here all connections share; what each gets of [`MIN`] comes on top.
const SHARED: u64 = 64 << 20;

/// Gives a new connection its part, of `connections` that are open with it.
pub(super) fn allot(connection: &TcpStream, connections: u64) -> io::Result<()> {
    match part(connections) {
        // It has that already.
        MIN => Ok(()),
        bytes => SockRef::from(connection).set_tcp_notsent_lowat(bytes),
    }
}

fn part(connections: u64) -> u32 {
    let part = SHARED / connections.max(1);
    u32::try_from(part).unwrap_or(MAX).clamp(MIN, MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_get_more_each_and_a_crowd_gets_little_in_all() {
        assert_eq!(part(0), MAX);
        assert_eq!(part(1), MAX);
        assert_eq!(part(128), MAX);
        assert_eq!(part(256), 256 * 1024);
        assert_eq!(part(512), MIN);
        assert_eq!(part(u64::MAX), MIN);
        // Who came while there were few keeps what it was given.
        let all = |count: u64| (1..=count).map(|open| u64::from(part(open))).sum::<u64>();
        assert!(all(1_000) < 256 << 20, "{}", all(1_000));
        assert!(all(10_000) < 10_000 * u64::from(MIN) + (128 << 20));
    }
}
