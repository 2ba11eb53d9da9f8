//! A bar over the bytes of the input; hidden when standard error is not a terminal or the work is short.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the bar is drawn anew.
const TICK: Duration = Duration::from_millis(100);
/// Work shorter than this shows no bar.
const PATIENCE: u32 = 5;

/// Shows how far the reading of `read` is, until dropped.
pub struct Progress {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to show `read` of `total` bytes (a spinner where the total is unknown).
    pub fn show(total: Option<u64>, read: Arc<AtomicU64>, quiet: bool) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        if quiet || !std::io::stderr().is_terminal() {
            return Self { done, thread: None };
        }
        let stop = Arc::clone(&done);
        let thread = thread::spawn(move || {
            for _ in 0..PATIENCE {
                thread::park_timeout(TICK);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            let bar = match total {
                Some(total) => ProgressBar::new(total),
                None => ProgressBar::new_spinner(),
            };
            let template = match total {
                Some(_) => "reading {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
                None => "reading {spinner} {bytes} {bytes_per_sec}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            while !stop.load(Ordering::Relaxed) {
                bar.set_position(read.load(Ordering::Relaxed));
                bar.tick();
                thread::park_timeout(TICK);
            }
            bar.finish_and_clear();
        });
        Self { done, thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The bar's thread holds nothing that matters: if it failed, the analysis has not.
            let _ = thread.join();
        }
    }
}
