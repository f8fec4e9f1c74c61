//! What happens to resumable uploads, as metrics.

use shared::api::{ApiError, ErrorKind};

use super::Metrics;
use crate::http::upload::admission;

/// How a session came to its end.
#[derive(Debug, Clone, Copy)]
pub enum SessionEnd {
    /// It became an object, or the object came by another way.
    Finished,
    /// Nobody asked for it for too long.
    Expired,
    /// Its client ended it.
    Terminated,
    /// Its bytes were those of another object.
    WrongHash,
    /// Its files were gone.
    Lost,
}

impl SessionEnd {
    pub(super) const ALL: [Self; 5] = [
        Self::Finished,
        Self::Expired,
        Self::Terminated,
        Self::WrongHash,
        Self::Lost,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Expired => "expired",
            Self::Terminated => "terminated",
            Self::WrongHash => "wrong_hash",
            Self::Lost => "lost",
        }
    }
}

/// How a body came to its end.
#[derive(Debug, Clone, Copy)]
pub enum BodyEnd {
    /// It was whole.
    Whole,
    /// The line broke.
    Cut,
    /// The client fell silent.
    Silent,
    /// Another request took over, or the node stops.
    TakenOver,
    /// It has another checksum.
    WrongChecksum,
    /// It was too long.
    TooLong,
    /// The disk failed.
    Failed,
}

impl BodyEnd {
    pub(super) const ALL: [Self; 7] = [
        Self::Whole,
        Self::Cut,
        Self::Silent,
        Self::TakenOver,
        Self::WrongChecksum,
        Self::TooLong,
        Self::Failed,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::TakenOver => "taken_over",
            Self::WrongChecksum => "wrong_checksum",
            Self::TooLong => "too_long",
            Self::Failed => "failed",
        }
    }

    /// The end by the answer.
    pub fn of(answer: &Result<(), ApiError>) -> Self {
        match answer.as_ref().map_err(|error| error.kind) {
            Ok(()) => Self::Whole,
            Err(ErrorKind::BrokenBody) => Self::Cut,
            Err(ErrorKind::RequestTimeout) => Self::Silent,
            Err(ErrorKind::Conflict | ErrorKind::Unavailable) => Self::TakenOver,
            Err(ErrorKind::WrongChecksum) => Self::WrongChecksum,
            Err(ErrorKind::WrongSize) => Self::TooLong,
            Err(_) => Self::Failed,
        }
    }
}

impl Metrics {
    /// A session has ended.
    pub fn session_ended(&self, how: SessionEnd) {
        self.tus_ended.with_label_values(&[how.word()]).inc();
    }

    /// The body of a request has ended.
    pub fn body_ended(&self, how: BodyEnd) {
        self.tus_bodies.with_label_values(&[how.word()]).inc();
    }

    /// So many sessions there are.
    pub fn sessions_are(&self, open: usize, finished: usize) {
        for (state, count) in [("open", open), ("finished", finished)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.tus_sessions.with_label_values(&[state]).set(count);
        }
    }

    /// An upload was refused, by whichever protocol.
    pub fn upload_refused(&self, error: &ApiError) {
        let outcome = if error.status.is_client_error() {
            "refused"
        } else {
            "failed"
        };
        let labels = [outcome, admission::reason(error.kind)];
        self.uploads.with_label_values(&labels).inc();
    }
}
