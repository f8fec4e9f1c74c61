//! Who a client is, without keeping who it is: a keyed hash of its address; and how much it may ask.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Clients whose allowance is remembered. One that is forgotten starts with a full one.
const CLIENTS_MAX: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// A client: the keyed hash of its address. Says nothing without the key.
pub type ClientId = [u8; 16];

/// Tells clients apart.
pub struct Clients {
    key: [u8; 32],
    proxies: usize,
}

impl Clients {
    /// With the key in a file, which is made if it is not there. The key lies apart from the event
    /// log, so that a copy of the log cannot be turned back into addresses.
    pub fn open(key_file: &Path, proxies: usize) -> io::Result<Self> {
        let key = match fs::read(key_file) {
            Ok(bytes) => bytes.try_into().map_err(|_| {
                io::Error::other(format!(
                    "{} is not a key of 32 bytes: remove it",
                    key_file.display()
                ))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = rand::random();
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(key_file)?;
                file.write_all(&key)?;
                file.sync_all()?;
                key
            }
            Err(error) => return Err(error),
        };
        Ok(Self { key, proxies })
    }

    /// The client of a request, by who connected and by `X-Forwarded-For`. Each proxy of one's own
    /// adds whom it sees at the end of that header; what is further to the left anyone may write.
    pub fn identify(&self, peer: Option<IpAddr>, forwarded: Option<&str>) -> ClientId {
        let hops: Vec<&str> = forwarded
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .collect();
        let claimed = match self.proxies {
            0 => None,
            proxies => hops
                .len()
                .checked_sub(proxies)
                .and_then(|at| hops[at].parse().ok()),
        };
        let address = claimed
            .or(peer)
            .unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let hash = match network(address) {
            IpAddr::V4(address) => blake3::keyed_hash(&self.key, &address.octets()),
            IpAddr::V6(address) => blake3::keyed_hash(&self.key, &address.octets()),
        };
        let mut id = ClientId::default();
        id.copy_from_slice(&hash.as_bytes()[..size_of::<ClientId>()]);
        id
    }
}

/// What one household has: an address of IPv4, or 64 bits of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// An allowance for each client that fills up at a steady rate.
pub struct RateLimit {
    per_second: f64,
    burst: f64,
    clients: Mutex<LruCache<ClientId, Allowance>>,
}

#[derive(Clone, Copy)]
struct Allowance {
    tokens: f64,
    as_of: Instant,
}

impl RateLimit {
    /// `burst` at once and `per_second` in the long run.
    pub fn new(per_second: f64, burst: f64) -> Self {
        Self {
            per_second,
            burst,
            clients: Mutex::new(LruCache::new(CLIENTS_MAX)),
        }
    }

    /// Take one from a client's allowance. `Err` says in how many seconds there will be one.
    pub fn take(&self, client: ClientId, now: Instant) -> Result<(), u64> {
        let mut clients = self.clients.lock();
        let allowance = clients.get_or_insert_mut(client, || Allowance {
            tokens: self.burst,
            as_of: now,
        });
        let filled = now.saturating_duration_since(allowance.as_of).as_secs_f64() * self.per_second;
        allowance.tokens = (allowance.tokens + filled).min(self.burst);
        allowance.as_of = now;
        if allowance.tokens >= 1.0 {
            allowance.tokens -= 1.0;
            return Ok(());
        }
        Err(((1.0 - allowance.tokens) / self.per_second).ceil().max(1.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clients(dir: &Path, proxies: usize) -> Clients {
        Clients::open(&dir.join("key"), proxies).unwrap()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_client_is_its_address_and_the_same_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = clients(dir.path(), 0).identify(ip("192.0.2.1"), None);
        let again = clients(dir.path(), 0);
        assert_eq!(again.identify(ip("192.0.2.1"), Some("203.0.113.9")), first);
        assert_eq!(again.identify(ip("::ffff:192.0.2.1"), None), first);
        assert_ne!(again.identify(ip("192.0.2.2"), None), first);
        assert_eq!(
            again.identify(ip("2001:db8::1"), None),
            again.identify(ip("2001:db8::ffff:2"), None)
        );
        assert_ne!(
            again.identify(ip("2001:db8::1"), None),
            again.identify(ip("2001:db8:0:1::1"), None)
        );
        let other = tempfile::tempdir().unwrap();
        assert_ne!(
            clients(other.path(), 0).identify(ip("192.0.2.1"), None),
            first
        );
        fs::write(dir.path().join("key"), b"short").unwrap();
        assert!(Clients::open(&dir.path().join("key"), 0).is_err());
    }

    #[test]
    fn only_what_own_proxies_added_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let direct = clients(dir.path(), 0);
        let person = direct.identify(ip("203.0.113.9"), None);
        let one = clients(dir.path(), 1);
        assert_eq!(
            one.identify(ip("10.0.0.1"), Some("1.1.1.1, 203.0.113.9")),
            person
        );
        assert_eq!(one.identify(ip("203.0.113.9"), None), person);
        assert_eq!(one.identify(ip("203.0.113.9"), Some("nonsense")), person);
        let two = clients(dir.path(), 2);
        assert_eq!(
            two.identify(ip("10.0.0.1"), Some("1.1.1.1, 203.0.113.9, 10.0.0.2")),
            person
        );
    }

    #[test]
    fn an_allowance_is_used_up_and_fills_again() {
        let limit = RateLimit::new(0.5, 3.0);
        let start = Instant::now();
        let take =
            |client: u8, after_s| limit.take([client; 16], start + Duration::from_secs(after_s));
        assert_eq!([take(1, 0), take(1, 0), take(1, 0)], [Ok(()); 3]);
        assert_eq!(take(1, 0), Err(2));
        assert_eq!(take(2, 0), Ok(()));
        assert_eq!([take(1, 2), take(1, 2)], [Ok(()), Err(2)]);
        assert_eq!(
            [take(1, 3600), take(1, 3600), take(1, 3600), take(1, 3600)],
            [Ok(()), Ok(()), Ok(()), Err(2)]
        );
    }
}
