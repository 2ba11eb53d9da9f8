//! SIGINT and SIGTERM ask the engine to stop; what is written so far keeps its temporary name and is removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator;

use super::say;

/// How long the engine may take to stop. It looks after every few thousand frames; a pipe from which nothing comes lets it wait for ever.
const PATIENCE: Duration = Duration::from_secs(3);

/// A signal that was caught.
pub struct Caught {
    /// Its name.
    pub name: &'static str,
    /// Exit code, 128 + number as shells count.
    pub code: u8,
}

/// Remembers signals.
pub struct Signals {
    /// Set as soon as one came.
    pub stop: Arc<AtomicBool>,
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to listen. A second SIGINT ends the process at once.
    pub fn install() -> Self {
        let all = Self { stop: Arc::default(), interrupt: Arc::default(), terminate: Arc::default() };
        for (signal, own, code) in [(SIGINT, &all.interrupt, 130), (SIGTERM, &all.terminate, 143)] {
            // Registering can fail only for signals that cannot be caught; then the default remains: the process ends.
            let _ = flag::register_conditional_shutdown(signal, code, Arc::clone(own));
            let _ = flag::register(signal, Arc::clone(own));
            let _ = flag::register(signal, Arc::clone(&all.stop));
        }
        if let Ok(mut pending) = iterator::Signals::new([SIGINT, SIGTERM]) {
            thread::spawn(move || {
                if let Some(signal) = pending.forever().next() {
                    thread::sleep(PATIENCE);
                    let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
                    say(&format!("lmpcap: stopped by {name}; nothing was left half-written under a final name"));
                    std::process::exit(128 + signal);
                }
            });
        }
        all
    }

    /// The signal that came, if any.
    pub fn caught(&self) -> Option<Caught> {
        if self.interrupt.load(Ordering::Relaxed) {
            Some(Caught { name: "SIGINT", code: 130 })
        } else if self.terminate.load(Ordering::Relaxed) {
            Some(Caught { name: "SIGTERM", code: 143 })
        } else {
            None
        }
    }
}
