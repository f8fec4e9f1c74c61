//! The protocol's headers, read and written.

use std::time::SystemTime;

use actix_web::{
    HttpRequest, HttpResponseBuilder,
    http::header::{self, HttpDate},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use shared::{
    api::{ApiError, ErrorKind},
    blob::ResumableId,
};

use super::super::upload::{admission::Ids, finish::Uploaded};

/// The version of the protocol.
pub const VERSION: &str = "1.0.0";
/// Its extensions that are spoken here.
pub const EXTENSIONS: &str = "creation,creation-with-upload,expiration,checksum,termination";
/// The version a message is of.
pub const TUS_RESUMABLE: &str = "tus-resumable";
/// Versions spoken here.
pub const TUS_VERSION: &str = "tus-version";
/// Where the session is.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// Bytes of the object.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// What the client says of the object.
pub const UPLOAD_METADATA: &str = "upload-metadata";
/// When the session will have expired.
pub const UPLOAD_EXPIRES: &str = "upload-expires";
/// The checksum of a body.
pub const UPLOAD_CHECKSUM: &str = "upload-checksum";
/// The answer to a finished upload.
pub const UPLOAD_RECEIPT: &str = "upload-receipt";
/// Media type of a body.
pub const BODY_TYPE: &str = "application/offset+octet-stream";

/// Longest `Upload-Metadata`.
const METADATA_BYTES_MAX: usize = 4096;

fn refuse(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, message)
}

/// A header as text. `None` if it is absent.
pub fn text<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = request.headers().get(name) else {
        return Ok(None);
    };
    let text = value.to_str();
    text.map(Some).map_err(|_| {
        refuse(format!(
            "the header '{name}' has characters that are not ASCII"
        ))
    })
}

/// A header that is a number of bytes. `None` if it is absent.
pub fn bytes(request: &HttpRequest, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = text(request, name)? else {
        return Ok(None);
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.map(Some).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        refuse(format!(
            "the header '{name}' is '{shown}', which is not a number of bytes"
        ))
    })
}

/// A header that is a number of bytes and must be there.
pub fn needed_bytes(request: &HttpRequest, name: &str) -> Result<u64, ApiError> {
    bytes(request, name)?.ok_or_else(|| refuse(format!("the header '{name}' is missing")))
}

/// The request must be of the version spoken here.
pub fn check_version(request: &HttpRequest) -> Result<(), ApiError> {
    let version = text(request, TUS_RESUMABLE)?;
    if version == Some(VERSION) {
        return Ok(());
    }
    let is = match version {
        None => "missing".to_owned(),
        Some(other) => format!("'{}'", other.chars().take(40).collect::<String>()),
    };
    let message = format!("the header 'Tus-Resumable' is {is}: send '{VERSION}'");
    Err(ApiError::new(ErrorKind::PreconditionFailed, message))
}

/// Has the request a body of this protocol? A body of another type is refused.
pub fn has_body(request: &HttpRequest) -> Result<bool, ApiError> {
    match text(request, header::CONTENT_TYPE.as_str())? {
        Some(BODY_TYPE) => Ok(true),
        _ if is_empty(request)? => Ok(false),
        other => {
            let shown: String = other.unwrap_or_default().chars().take(80).collect();
            let message = format!("content type '{shown}' is not '{BODY_TYPE}'");
            Err(ApiError::new(ErrorKind::UnsupportedMediaType, message))
        }
    }
}

fn is_empty(request: &HttpRequest) -> Result<bool, ApiError> {
    let length = bytes(request, header::CONTENT_LENGTH.as_str())?;
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    Ok(length.unwrap_or_default() == 0 && !is_chunked)
}

/// `Upload-Metadata` as it came, and the ids in it.
pub fn metadata(request: &HttpRequest) -> Result<(String, Ids), ApiError> {
    let raw = text(request, UPLOAD_METADATA)?.unwrap_or_default();
    if raw.len() > METADATA_BYTES_MAX {
        let message = format!("'Upload-Metadata' is longer than {METADATA_BYTES_MAX} bytes");
        return Err(refuse(message));
    }
    let pairs: Vec<(&str, &str)> = raw
        .split(',')
        .map(|pair| pair.trim().split_once(' ').unwrap_or((pair.trim(), "")))
        .collect();
    let ids = Ids::read(|name| {
        let pair = pairs.iter().find(|(key, _)| *key == name);
        let (_, value) = pair.ok_or_else(|| {
            refuse(format!(
                "'Upload-Metadata' must name '{name}' (and its value in base64)"
            ))
        })?;
        let decoded = BASE64.decode(value.trim()).ok();
        decoded
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| {
                refuse(format!(
                    "the value of '{name}' in 'Upload-Metadata' is not base64"
                ))
            })
    })?;
    Ok((raw.to_owned(), ids))
}

/// Where a session is asked for.
pub fn location(id: ResumableId) -> String {
    format!("{}/{id}", shared::api::TUS_ROUTE)
}

/// Writes when the session expires.
pub fn write_expiry(answer: &mut HttpResponseBuilder, expires: Option<SystemTime>) {
    if let Some(at) = expires {
        answer.insert_header((UPLOAD_EXPIRES, HttpDate::from(at).to_string()));
    }
}

/// Writes the answer to a finished upload.
pub fn write_receipt(
    answer: &mut HttpResponseBuilder,
    uploaded: &Uploaded,
) -> Result<(), ApiError> {
    let json = serde_json::to_vec(uploaded).map_err(ApiError::internal)?;
    answer.insert_header((UPLOAD_RECEIPT, BASE64.encode(json)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use shared::ids::{BagId, ChannelId, ObjectId, StorageBucketId};

    use super::*;

    fn with(name: &'static str, value: &str) -> HttpRequest {
        TestRequest::default()
            .insert_header((name, value))
            .to_http_request()
    }

    fn encoded(pairs: &[(&str, &str)]) -> String {
        let pairs = pairs
            .iter()
            .map(|(key, value)| format!("{key} {}", BASE64.encode(value)));
        pairs.collect::<Vec<_>>().join(",")
    }

    #[test]
    fn the_ids_are_found_in_the_metadata() {
        let pairs = [
            ("filename", "a film.mp4"),
            ("dataObjectId", "7"),
            ("storageBucketId", "3"),
            ("bagId", "dynamic:channel:1"),
        ];
        let raw = format!("{}, is_private", encoded(&pairs));
        let (kept, ids) = metadata(&with(UPLOAD_METADATA, &raw)).unwrap();
        assert_eq!(kept, raw);
        let expected = Ids {
            object: ObjectId(7),
            bucket: StorageBucketId(3),
            bag: BagId::Channel(ChannelId(1)),
        };
        assert_eq!(ids, expected);
    }

    #[test]
    fn bad_metadata_is_named() {
        let cases = [
            (String::new(), "dataObjectId"),
            (encoded(&[("dataObjectId", "7")]), "storageBucketId"),
            ("dataObjectId %%%".into(), "not base64"),
            (encoded(&[("dataObjectId", "007")]), "007"),
            ("x".repeat(5000), "4096"),
        ];
        for (raw, named) in cases {
            let error = metadata(&with(UPLOAD_METADATA, &raw)).unwrap_err();
            assert_eq!(error.status, 400);
            assert!(error.message.contains(named), "{}", error.message);
        }
    }

    #[test]
    fn numbers_of_bytes_are_plain_digits() {
        assert_eq!(bytes(&with(UPLOAD_OFFSET, "0"), UPLOAD_OFFSET), Ok(Some(0)));
        assert_eq!(bytes(&with("x", "0"), UPLOAD_OFFSET), Ok(None));
        for wrong in ["", "-1", "+1", "1e3", "18446744073709551616"] {
            let error = bytes(&with(UPLOAD_OFFSET, wrong), UPLOAD_OFFSET).unwrap_err();
            assert_eq!(error.status, 400, "{wrong}");
            assert!(error.message.contains(&format!("'{wrong}'")));
        }
    }
}
