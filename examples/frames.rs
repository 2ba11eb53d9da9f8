//! Reads captures as one point and says what was found: `cargo run --example frames -- FILE...`
use std::path::PathBuf;
use std::time::Instant;

use lmpcap::capture::{OpenOptions, Source, open_point};

fn main() {
    let mut paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let filter = std::env::var("FILTER").ok();
    paths.retain(|p| !p.as_os_str().is_empty());
    let start = Instant::now();
    let mut source = open_point(&paths, &OpenOptions { filter, progress: None }).unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(2)
    });
    let (mut frames, mut sum) = (0u64, 0u64);
    loop {
        match source.next_frame() {
            Ok(Some(frame)) => {
                frames += 1;
                sum = sum.wrapping_add(frame.bytes.first().copied().map_or(0, u64::from)).wrapping_add(frame.at.0 as u64);
            }
            Ok(None) => break,
            Err(e) => {
                eprintln!("{e}");
                std::process::exit(2)
            }
        }
    }
    let ns = start.elapsed().as_nanos() as f64;
    println!("{frames} frames, {:.1} ns each, {sum:x}", ns / frames.max(1) as f64);
    for file in source.files() {
        println!("{file:?}");
    }
    for interface in source.interfaces() {
        println!("{interface:?}");
    }
    for (kind, counted) in source.anomalies().iter() {
        println!("{kind}: {} {:?} {}", counted.count, counted.first, counted.detail.as_deref().unwrap_or(""));
    }
}
