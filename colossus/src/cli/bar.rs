//! How progress bars look: bytes read, speed, time left.

use indicatif::{ProgressBar, ProgressStyle};

/// From now on the bar goes to so many bytes. It draws nothing where stderr is no terminal.
pub fn begin(bar: &ProgressBar, bytes: u64, message: String) {
    let template = "{bar:32} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta}  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_length(bytes);
    bar.set_message(message);
}
