//! Tokens of the operator API: JSON Web Tokens (RFC 7519) signed with HMAC-SHA256, each good for one
//! path and one body, and not for long.
//!
//! HS256 is the only algorithm that is linked at all, so a token cannot choose another.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result as JwtResult},
    signature::{Error as SignatureError, Signer, Verifier},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use shared::config::Secret;

/// A token is refused when it is older.
pub const AGE_MAX: Duration = Duration::from_secs(300);
/// How far a client's clock may be ahead.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("no token: send the header 'Authorization: Bearer <token>'")]
    Missing,
    /// It cannot be read, or its signature is not that of the secret.
    #[error("the token is not valid: {0}")]
    Invalid(String),
    /// It is too old, or of the future.
    #[error("the token was issued at {issued_at_s} (seconds since 1970), now it is {now_s}: it must be at most {} s old; check the clocks", AGE_MAX.as_secs())]
    OutOfTime {
        /// What the token says.
        issued_at_s: u64,
        /// What our clock says.
        now_s: u64,
    },
    /// It was made for another path.
    #[error("the token is for '{signed}', not for '{requested}'")]
    OtherUrl {
        /// What the token says.
        signed: String,
        /// What was asked.
        requested: String,
    },
    /// It was made for another body.
    #[error("the token is for another body than the one sent")]
    OtherBody,
}

/// What a token says. The names are the reference node's.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// Seconds since 1970 at which it was made.
    iat: u64,
    /// Path and query of the request.
    #[serde(rename = "reqUrl")]
    url: String,
    /// The body, as JSON; absent, null and `{}` all mean: none.
    #[serde(rename = "reqBody", default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

/// A request as a token binds it.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// Path and query.
    pub url: &'a str,
    /// The body, if there is one.
    pub body: Option<&'a Value>,
}

/// Checks a token against the request it came with.
pub fn check(
    secret: &Secret,
    token: &str,
    request: Bound<'_>,
    now: SystemTime,
) -> Result<(), TokenError> {
    use_hmac_alone();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(secret.expose().as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|error| TokenError::Invalid(error.to_string()))?
        .claims;
    let now_s = seconds(now);
    let oldest = now_s.saturating_sub(AGE_MAX.as_secs());
    if !(oldest..=now_s + AHEAD_MAX.as_secs()).contains(&claims.iat) {
        return Err(TokenError::OutOfTime {
            issued_at_s: claims.iat,
            now_s,
        });
    }
    if claims.url != request.url {
        return Err(TokenError::OtherUrl {
            signed: claims.url,
            requested: request.url.to_owned(),
        });
    }
    if said(claims.body.as_ref()) != said(request.body) {
        return Err(TokenError::OtherBody);
    }
    Ok(())
}

/// Makes a token for a request.
pub fn sign(secret: &Secret, request: Bound<'_>, now: SystemTime) -> Result<String, TokenError> {
    use_hmac_alone();
    let claims = Claims {
        iat: seconds(now),
        url: request.url.to_owned(),
        body: request.body.cloned(),
    };
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| TokenError::Invalid(error.to_string()))
}

/// Nothing, if nothing is said.
fn said(body: Option<&Value>) -> Option<&Value> {
    body.filter(|body| !body.is_null() && body.as_object().is_none_or(|map| !map.is_empty()))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// HMAC-SHA256 with a secret; signs and verifies.
struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(algorithm: Algorithm, secret: &[u8]) -> JwtResult<Self> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(mac))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let mac = self.0.clone().chain_update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let mac = self.0.clone().chain_update(message);
        mac.verify_slice(signature)
            .map_err(SignatureError::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn use_hmac_alone() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.as_bytes())?)),
        verifier_factory: |algorithm, key| {
            let secret = key.try_get_as_bytes()?;
            Ok(Box::new(Hs256::new(*algorithm, secret)?))
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    // Fails from the second call on, when it is installed.
    let _ = PROVIDER.install_default();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "/api/v1/set-worker";

    fn secret() -> Secret {
        Secret::new("an operator's secret")
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_good_for_its_request_and_its_time() {
        let now = SystemTime::now();
        let body = json!({ "workerId": 3 });
        let request = Bound {
            url: URL,
            body: Some(&body),
        };
        let token = sign(&secret(), request, now).unwrap();
        assert_eq!(check(&secret(), &token, request, now), Ok(()));
        assert_eq!(check(&secret(), &token, request, now + AGE_MAX), Ok(()));
        let late = check(&secret(), &token, request, now + AGE_MAX + AHEAD_MAX);
        assert!(
            matches!(late, Err(TokenError::OutOfTime { .. })),
            "{late:?}"
        );
        let early = check(&secret(), &token, request, at(1_000));
        assert!(
            matches!(early, Err(TokenError::OutOfTime { .. })),
            "{early:?}"
        );

        let other = Bound {
            url: "/api/v1/set-worker?x",
            ..request
        };
        let refused = check(&secret(), &token, other, now);
        assert!(
            matches!(refused, Err(TokenError::OtherUrl { .. })),
            "{refused:?}"
        );
        let body = json!({ "workerId": 4 });
        let other = Bound {
            body: Some(&body),
            ..request
        };
        assert_eq!(
            check(&secret(), &token, other, now),
            Err(TokenError::OtherBody)
        );
        let refused = check(&Secret::new("another"), &token, request, now);
        assert!(
            matches!(refused, Err(TokenError::Invalid(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn no_body_may_be_said_in_three_ways() {
        let now = SystemTime::now();
        let (empty, null) = (json!({}), Value::Null);
        let ways = [None, Some(&empty), Some(&null)];
        for signed in ways {
            let token = sign(
                &secret(),
                Bound {
                    url: URL,
                    body: signed,
                },
                now,
            )
            .unwrap();
            for sent in ways {
                let request = Bound {
                    url: URL,
                    body: sent,
                };
                assert_eq!(
                    check(&secret(), &token, request, now),
                    Ok(()),
                    "{signed:?} {sent:?}"
                );
            }
        }
    }

    #[test]
    fn other_algorithms_and_tokens_without_a_time_are_refused() {
        // Header and claims as text, so that they can be what our own code never writes.
        let token = |header: &str, claims: &str, key: &str| {
            let text = |part: &str| base64_url(part.as_bytes());
            let message = format!("{}.{}", text(header), text(claims));
            let mac = Hs256::new(Algorithm::HS256, key.as_bytes()).unwrap();
            let signature = mac.try_sign(message.as_bytes()).unwrap();
            format!("{message}.{}", base64_url(&signature))
        };
        let now = SystemTime::now();
        let request = Bound {
            url: URL,
            body: None,
        };
        let good = format!(r#"{{"iat":{},"reqUrl":"{URL}"}}"#, seconds(now));
        let hs256 = r#"{"alg":"HS256","typ":"JWT"}"#;
        let key = "an operator's secret";
        let checked = |token: &str| check(&secret(), token, request, now);
        assert_eq!(checked(&token(hs256, &good, key)), Ok(()));
        for (header, claims) in [
            (r#"{"alg":"none"}"#, good.as_str()),
            (r#"{"alg":"HS512"}"#, &good),
            (r#"{"alg":"RS256"}"#, &good),
            (hs256, r#"{"reqUrl":"/api/v1/set-worker"}"#),
            (hs256, r#"{"iat":"now","reqUrl":"/api/v1/set-worker"}"#),
            (hs256, "{}"),
        ] {
            let refused = checked(&token(header, claims, key));
            assert!(
                matches!(refused, Err(TokenError::Invalid(_))),
                "{header} {claims}: {refused:?}"
            );
        }
        let unsigned = token(r#"{"alg":"none"}"#, &good, key);
        let unsigned = unsigned.rsplit_once('.').unwrap().0;
        assert!(matches!(
            checked(&format!("{unsigned}.")),
            Err(TokenError::Invalid(_))
        ));
        assert!(matches!(checked("garbage"), Err(TokenError::Invalid(_))));
    }

    #[test]
    fn tokens_of_another_library_are_read() {
        // Made by PyJWT 2.15.1; the second expired at 1700000060, by the machine's own clock.
        const GOOD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXFCb2R5Ijp7ImJ1Y2tldHMiOlsiMDowIiwiMDoxIl19LCJyZXFVcmwiOiIvYXBpL3YxL3NldC1idWNrZXRzIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjQxMDAwMDAwMDB9.5EjLBH_7CkF_7wD-wnIz2SQ9HU7a1T5zyL66wuPdV8Y";
        const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXFCb2R5Ijp7ImJ1Y2tldHMiOlsiMDowIiwiMDoxIl19LCJyZXFVcmwiOiIvYXBpL3YxL3NldC1idWNrZXRzIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDAwNjB9.tdaYWV5cBeG3zueh_9IWandN1RGmwX4qJwgNjdMpZVc";
        let body = json!({ "buckets": ["0:0", "0:1"] });
        let request = Bound {
            url: "/api/v1/set-buckets",
            body: Some(&body),
        };
        let soon_after = at(1_700_000_100);
        assert_eq!(check(&secret(), GOOD, request, soon_after), Ok(()));
        let expired = check(&secret(), EXPIRED, request, soon_after);
        assert!(
            matches!(expired, Err(TokenError::Invalid(_))),
            "{expired:?}"
        );
    }

    fn base64_url(bytes: &[u8]) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }
}
