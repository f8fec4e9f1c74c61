//! The lines that `publish` and `watch` print: one per step, with what came of it and how long it
//! took; a progress bar while bytes move.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// Columns of the step's name.
const NAME_WIDTH: usize = 12;

/// A step under way.
#[derive(Debug)]
pub struct Step {
    name: &'static str,
    since: Instant,
    bar: ProgressBar,
}

impl Step {
    /// A step whose length is not known.
    pub fn begin(name: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self::with_bar(name, bar)
    }

    /// A step that moves this many bytes.
    pub fn begin_bytes(name: &'static str, total: u64) -> Self {
        let bar = ProgressBar::new(total);
        let template = "  {prefix} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self::with_bar(name, bar)
    }

    fn with_bar(name: &'static str, bar: ProgressBar) -> Self {
        bar.set_prefix(format!("{name:<NAME_WIDTH$}"));
        Self {
            name,
            since: Instant::now(),
            bar,
        }
    }

    /// The bar, for whoever moves the bytes.
    pub fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// The step is done; returns how long it took.
    pub fn done(self, message: &str) -> Duration {
        let took = self.since.elapsed();
        self.bar.finish_and_clear();
        println!(
            "✓ {:<NAME_WIDTH$} {:>7.2} s  {message}",
            self.name,
            took.as_secs_f64()
        );
        took
    }
}

/// Megabytes per second, for people.
pub fn rate(bytes: u64, took: Duration) -> String {
    let per_second = bytes as f64 / took.as_secs_f64().max(1e-6);
    format!("{:.0} MB/s", per_second / 1e6)
}
