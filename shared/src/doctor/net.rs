//! Ports of this machine, and what the node behind one says.

use std::{io, net::SocketAddr, path::Path, time::SystemTime};

use prometheus::Registry;
use serde_json::Value;
use tokio::time::Duration;

use super::{Finding, disk::secret};
use crate::serve::server::tls::{Standing, Tls, TlsFiles, Validity};

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A certificate that is good for less is to be renewed.
const CERTIFICATE_LEFT_MIN: Duration = Duration::from_secs(30 * DAY_S);
const DAY_S: u64 = 24 * 3_600;

/// The node cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// No answer.
    #[error(
        "{url} does not answer: start the node, or give the --listen and --admin-listen it runs with"
    )]
    Silent {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
    /// An answer that is no JSON.
    #[error("{url} answers something else than a node")]
    Foreign {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
}

/// Can the port be bound, or is it ours already?
pub fn port(name: &'static str, address: SocketAddr, is_running: bool) -> Finding {
    let bound = std::net::TcpListener::bind(address).map(drop);
    match (bound, is_running) {
        (Ok(()), false) => Finding::good(name, format!("{address} is free")),
        (Ok(()), true) => Finding::warning(
            name,
            format!("{address} is free although the node runs"),
            "it runs with another configuration than doctor was given",
        ),
        (Err(error), true) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::good(name, format!("{address} is taken, as the node runs"))
        }
        (Err(error), _) => {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    format!(
                        "another program uses it: ss -ltnp 'sport = :{}'",
                        address.port()
                    )
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 are root's: take a higher one behind a proxy".into()
                }
                _ => "is the address one of this machine?".into(),
            };
            Finding::bad(name, format!("{address}: {error}"), remedy)
        }
    }
}

/// Can the public port's certificate be used, for how long, and is its key the node's alone?
pub async fn tls(files: &TlsFiles) -> [Finding; 2] {
    let certificate = match Tls::load(files, &Registry::new()).await {
        Ok(tls) => certificate(&files.certificate_file, tls.validity(), SystemTime::now()),
        Err(error) => Finding::bad(
            CERTIFICATE,
            crate::cli::with_causes(&error),
            "the node does not start with it: name the certificate, those that vouch for it, and its key (PEM)",
        ),
    };
    [certificate, secret("TLS key", &files.key_file)]
}

const CERTIFICATE: &str = "TLS certificate";

/// How a certificate that goes with its key stands by its dates.
fn certificate(file: &Path, validity: Option<Validity>, now: SystemTime) -> Finding {
    let (name, file) = (CERTIFICATE, file.display());
    let renew = "renew it: a node that runs takes over a changed file by itself";
    let Some(validity) = validity else {
        let seen = format!("{file} goes with its key, and its dates cannot be read");
        return Finding::warning(name, seen, "do clients take it?");
    };
    match validity.at(now) {
        Standing::Good(left) => {
            let days = left.as_secs() / DAY_S;
            let seen = format!("{file} goes with its key and is {validity}, for {days} days");
            match left < CERTIFICATE_LEFT_MIN {
                true => Finding::warning(name, seen, renew),
                false => Finding::good(name, seen),
            }
        }
        Standing::Over => {
            let seen = format!("{file} has expired: it was {validity}");
            Finding::bad(name, seen, renew)
        }
        Standing::Early => {
            let seen = format!("{file} is not yet good: it will be {validity}");
            let remedy =
                "is the clock of this machine right? Else use the certificate before it until then";
            Finding::bad(name, seen, remedy)
        }
    }
}

/// JSON from this machine; any status.
pub async fn get(url: String) -> Result<Value, Unanswered> {
    crate::api::install_tls_provider();
    let silent = |cause| Unanswered::Silent {
        url: url.clone(),
        cause,
    };
    let client = reqwest::Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .no_proxy();
    let client = client.build().map_err(silent)?;
    let answer = client.get(&url).send().await.map_err(silent)?;
    let foreign = |cause| Unanswered::Foreign {
        url: url.clone(),
        cause,
    };
    answer.json().await.map_err(foreign)
}

/// An address of this machine for one to listen on: "all" is reached at loopback.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = match address.is_ipv4() {
            true => std::net::Ipv4Addr::LOCALHOST.into(),
            false => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_port_is_free_taken_or_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap();
        assert_eq!(port("p", taken, false).verdict, Verdict::Bad);
        assert_eq!(port("p", taken, true).verdict, Verdict::Good);
        drop(listener);
        assert_eq!(port("p", taken, false).verdict, Verdict::Good);
        assert_eq!(port("p", taken, true).verdict, Verdict::Warning);
    }

    #[tokio::test]
    async fn a_certificate_is_judged_by_its_dates() {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate_file: dir.path().join("certificate.pem"),
            key_file: dir.path().join("key.pem"),
        };
        let now = SystemTime::now();
        let day = Duration::from_secs(DAY_S);
        let minute = Duration::from_secs(60);
        for (from, until, verdict, says) in [
            (now - day, now + day * 31, Verdict::Good, "for 30 days"),
            (
                now - day,
                now + day * 30 - minute,
                Verdict::Warning,
                "for 29 days",
            ),
            (now - day * 90, now - minute, Verdict::Bad, "has expired"),
            (
                now + minute,
                now + day * 90,
                Verdict::Bad,
                "is not yet good",
            ),
        ] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (from.into(), until.into());
            let made = params.self_signed(&key).unwrap();
            std::fs::write(&files.key_file, key.serialize_pem()).unwrap();
            std::fs::write(&files.certificate_file, made.pem()).unwrap();
            let [finding, _] = tls(&files).await;
            assert_eq!(finding.verdict, verdict, "{finding}");
            assert!(finding.seen.contains(says), "{finding}");
            let date = httpdate::fmt_http_date(until);
            assert!(finding.seen.contains(&date), "{finding}");
        }
        let unread = certificate(&files.certificate_file, None, now);
        assert_eq!(unread.verdict, Verdict::Warning);
    }

    #[test]
    fn all_addresses_are_reached_at_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:3333", "127.0.0.1:3333"),
            ("[::]:3333", "[::1]:3333"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
