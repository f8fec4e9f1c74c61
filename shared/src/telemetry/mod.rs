//! What a node tells about itself: log lines, request metrics, and the admin port with `/metrics`,
//! `/livez` and `/readyz`.
//!
//! - [`log`]: `tracing` to standard error, pretty on a terminal and JSON elsewhere
//! - [`http`]: the middleware that times, counts and logs requests
//! - [`admin`]: the admin server
//!
//! Metrics live in one [`prometheus::Registry`] that is made in `main` and passed on; there is no
//! global one. Labels are words from enums or route patterns, never ids.

pub mod admin;
pub mod http;
pub mod log;

pub use admin::{AdminServer, Check, Health};
pub use http::RequestTelemetry;
pub use log::{LogConfig, LogFormat, init_logging};
