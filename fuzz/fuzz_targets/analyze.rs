#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use lmpcap::engine::{Options, analyze};
use lmpcap::run::RunSpec;

// A whole analysis of a small capture: whatever the file holds, it ends with a report or an error.
fuzz_target!(|data: &[u8]| {
    let folder = std::env::var_os("LMPCAP_FUZZ_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("lmpcap-fuzz-{}.pcap", std::process::id()));
    std::fs::write(&path, data).expect("the folder can be written");
    if let Ok(run) = RunSpec::from_path(&path) {
        let _ = analyze(&run, &Options::default());
    }
});
