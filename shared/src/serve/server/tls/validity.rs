//! From when to when a certificate is good, as it says itself. It is read as a client would read it: who checks
//! a certificate at the beginning of time and at its end is told its dates.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};

/// When a certificate is good: it, and those in its file that vouch for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From here on all of them are good.
    pub not_before: SystemTime,
    /// After this one of them is not good any more.
    pub not_after: SystemTime,
}

/// Where a moment is in that span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not yet good.
    Early,
    /// Good for so long.
    Good(Duration),
    /// Not good any more.
    Over,
}

impl Validity {
    /// Of these certificates together. `None` if there is none, or one of them cannot be read.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let mut spans = chain.iter().map(span);
        let first = spans.next()??;
        let together = spans.try_fold(first, |(before, after), span| {
            let (not_before, not_after) = span?;
            Some((not_before.max(before), not_after.min(after)))
        });
        let (not_before, not_after) = together?;
        Some(Self {
            not_before,
            not_after,
        })
    }

    /// How it stands at a moment.
    pub fn at(&self, now: SystemTime) -> Standing {
        match self.not_after.duration_since(now) {
            _ if now < self.not_before => Standing::Early,
            Ok(left) => Standing::Good(left),
            Err(_) => Standing::Over,
        }
    }

    /// Its end, in seconds since the Unix epoch.
    pub fn not_after_s(&self) -> i64 {
        let since_epoch = self.not_after.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since_epoch.unwrap_or_default().as_secs();
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, until] = [self.not_before, self.not_after].map(httpdate::fmt_http_date);
        write!(f, "good from {from} until {until}")
    }
}

/// The first and the last moment of one certificate. Its dates are looked at before who vouches for it, and
/// here nobody does.
fn span(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let nobody = RootCertStore::empty();
    let refused = |seconds| {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], at, &[]) {
            Err(Error::InvalidCertificate(why)) => Some(why),
            _ => None,
        }
    };
    let not_before = match refused(0)? {
        CertificateError::NotValidYetContext { not_before, .. } => not_before.as_secs(),
        // It begins there.
        _ => 0,
    };
    let CertificateError::ExpiredContext { not_after, .. } = refused(u64::MAX)? else {
        return None;
    };
    let moment = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    Some((moment(not_before)?, moment(not_after.as_secs())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(from: i32, until: i32) -> CertificateDer<'static> {
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        made(params, from, until)
    }

    fn made(
        mut params: rcgen::CertificateParams,
        from: i32,
        until: i32,
    ) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn all_certificates_of_a_file_must_be_good() {
        let (long, short) = (certificate(2020, 4096), certificate(2024, 2030));
        let alone = Validity::of(std::slice::from_ref(&long)).unwrap();
        assert_eq!(
            alone.to_string(),
            "good from Wed, 01 Jan 2020 00:00:00 GMT until Sun, 01 Jan 4096 00:00:00 GMT"
        );
        let both = Validity::of(&[long.clone(), short.clone()]).unwrap();
        assert_eq!(both, Validity::of(&[short, long.clone()]).unwrap());
        assert_eq!(both.not_after_s(), 1_893_456_000);
        assert_eq!(Validity::of(&[]), None);
        assert_eq!(Validity::of(&[long, vec![48, 3].into()]), None);
        // Of one that vouches for others, and of one that was always good.
        let mut authority = rcgen::CertificateParams::new([]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = Validity::of(&[made(authority, 1970, 2030)]).unwrap();
        assert_eq!(authority.not_before, SystemTime::UNIX_EPOCH);
        assert_eq!(authority.not_after_s(), 1_893_456_000);
    }

    #[test]
    fn the_first_moment_and_the_last_are_good() {
        let validity = Validity::of(&[certificate(2024, 2030)]).unwrap();
        let (from, until) = (validity.not_before, validity.not_after);
        let second = Duration::from_secs(1);
        let all = until.duration_since(from).unwrap();
        for (now, standing) in [
            (from - second, Standing::Early),
            (from, Standing::Good(all)),
            (until - second, Standing::Good(second)),
            (until, Standing::Good(Duration::ZERO)),
            (until + second, Standing::Over),
        ] {
            assert_eq!(validity.at(now), standing);
        }
    }
}
