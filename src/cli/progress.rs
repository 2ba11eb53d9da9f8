//! A bar over the bytes of the input; hidden when standard error is not a terminal or the work is short.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};

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

/// How often a batch says how far it is where there is no terminal: a log on a cluster.
const LOG: Duration = Duration::from_secs(30);

/// How far a batch is: runs done, bytes, time left.
pub struct Tally {
    state: Arc<TallyState>,
    thread: Option<JoinHandle<()>>,
}

struct TallyState {
    runs: u64,
    bytes: u64,
    runs_done: AtomicU64,
    bytes_done: AtomicU64,
    /// What is being read of the runs under way, and their sizes.
    now: Mutex<Vec<(Arc<AtomicU64>, u64)>>,
    done: AtomicBool,
}

impl TallyState {
    fn position(&self) -> u64 {
        let now = self.now.lock().map_or(0, |now| now.iter().map(|(read, size)| read.load(Ordering::Relaxed).min(*size)).sum());
        (self.bytes_done.load(Ordering::Relaxed) + now).min(self.bytes)
    }
}

impl Tally {
    /// Starts to show how far `runs` runs of `bytes` bytes are.
    pub fn start(runs: u64, bytes: u64, quiet: bool) -> Self {
        let state = Arc::new(TallyState {
            runs,
            bytes,
            runs_done: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            now: Mutex::default(),
            done: AtomicBool::new(false),
        });
        let shown = Arc::clone(&state);
        let thread = (!quiet).then(|| thread::spawn(move || if std::io::stderr().is_terminal() { bar(&shown) } else { log(&shown) }));
        Self { state, thread }
    }

    /// A run of `bytes` bytes begins; what is read of it is to be counted in the result.
    pub fn begin(&self, bytes: u64) -> Arc<AtomicU64> {
        let read = Arc::new(AtomicU64::new(0));
        if let Ok(mut now) = self.state.now.lock() {
            now.push((Arc::clone(&read), bytes));
        }
        read
    }

    /// It has ended.
    pub fn end(&self, read: &Arc<AtomicU64>, bytes: u64) {
        if let Ok(mut now) = self.state.now.lock() {
            now.retain(|(other, _)| !Arc::ptr_eq(other, read));
        }
        self.state.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        self.state.runs_done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.state.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // As with [`Progress`]: nothing depends on it.
            let _ = thread.join();
        }
    }
}

fn bar(state: &TallyState) {
    let bar = ProgressBar::new(state.bytes);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:24} {bytes}/{total_bytes} {eta} left") {
        bar.set_style(style);
    }
    while !state.done.load(Ordering::Relaxed) {
        bar.set_message(format!("runs {}/{}", state.runs_done.load(Ordering::Relaxed), state.runs));
        bar.set_position(state.position());
        bar.tick();
        thread::park_timeout(TICK);
    }
    bar.finish_and_clear();
}

fn log(state: &TallyState) {
    let began = Instant::now();
    let mut last = began;
    while !state.done.load(Ordering::Relaxed) {
        thread::park_timeout(TICK);
        if last.elapsed() < LOG {
            continue;
        }
        last = Instant::now();
        let (position, seconds) = (state.position(), began.elapsed().as_secs_f64());
        let left = (position > 0).then(|| seconds * (state.bytes - position) as f64 / position as f64);
        let left = left.map_or_else(String::new, |s| format!(", about {} left", HumanDuration(Duration::from_secs_f64(s))));
        let (done, total) = (HumanBytes(position), HumanBytes(state.bytes));
        super::say(&format!("lmpcap: {}/{} runs, {done} of {total}{left}", state.runs_done.load(Ordering::Relaxed), state.runs));
    }
}
