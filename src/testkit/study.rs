//! Studies made by hand: reports of many runs whose figures follow known rules, to test what sums them up.

use std::collections::BTreeMap;

use super::sample;
use crate::base::interval::Interval;
use crate::model::{Curve, Report};
use crate::study::figures::Run;

/// The scenarios with what they add: to the rate of dirtying in MB/s, to the downtime in ms.
const SCENARIOS: [(&str, f64, f64); 3] = [("no-video", 1.0, 0.0), ("offline-video", 6.0, 18.0), ("online-video", 14.0, 55.0)];
/// RAM of the VM in MiB.
const RAM: [u32; 2] = [1024, 2048];

/// A number from −1 to 1 that depends on `n` alone: tests repeat.
fn wave(n: u32, k: f64) -> f64 {
    (f64::from(n) * k).sin()
}

/// The report of run `n` of a scenario.
pub fn report(scenario: usize, ram_mib: u32, n: u32) -> Report {
    let (name, dirty, down) = SCENARIOS[scenario % SCENARIOS.len()];
    let mut report = sample::report();
    let seed = n * 7 + ram_mib / 512 + scenario as u32 * 31;
    report.run.name = format!("{name} {ram_mib} {n}");
    report.run.scenario = name.into();
    report.run.factors = [("ram_mib".to_owned(), ram_mib.to_string()), ("n".to_owned(), n.to_string())].into();
    report.run.link_bandwidth_bps = None;
    let ram = f64::from(ram_mib) * 1_048_576.0;
    let dirty = (dirty + 0.8 * wave(seed, 1.7)) * 1e6;
    let bytes = ram * 0.35 + dirty * 6.0 + 9e6 * wave(seed, 2.3);
    let total = bytes * 8.0 / 150e6 * 1000.0 + 400.0 + if n == 1 { 350.0 } else { 0.0 } + 60.0 * wave(seed, 3.1);
    let downtime = 24.0 + down + 4.0 * wave(seed, 5.3) + if n == 3 && scenario == 2 { 160.0 } else { 0.0 };
    let m = &mut report.migrations[0];
    m.total_ms = Some(Interval { lower: total - 3.0, estimate: total, upper: total + 3.0 });
    m.bytes.payload = Some(bytes as u64);
    m.pages.ram_total_bytes = Some(ram as u64);
    for pass in &mut m.passes {
        pass.dirty_bytes_per_s = pass.dirty_bytes_per_s.map(|_| dirty);
    }
    m.downtime.vm.ms = Some(Interval { lower: downtime - 2.5, estimate: downtime, upper: downtime + 9.0 });
    let network = downtime * 1.6 + 30.0;
    m.downtime.network.ms = Some(Interval { lower: network - 1.0, estimate: network, upper: network + 1.0 });
    for window in m.downtime.service.iter_mut().filter(|window| window.cause == "migration") {
        window.ms = window.ms.map(|ms| ms * 0.2 + network);
    }
    for qos in &mut report.qos {
        qos.throughput.bps = qos.throughput.bps.map(|bps| bps * (1.0 + 0.1 * wave(seed, 0.9)));
        qos.delay.mean_ms = qos.delay.mean_ms.map(|ms| ms * (1.0 + 0.2 * wave(seed, 1.1)));
    }
    // The stream lasts as long as the figures say, and ends at the switch-over of the sample.
    let end = 13.04;
    let start = end - total / 1000.0;
    let points = (0..(total / 100.0) as u32)
        .map(|i| (start + f64::from(i) * 0.1, bytes * 8000.0 / total * (1.0 + 0.08 * wave(seed + i, 1.3))))
        .collect();
    report.series.migration = vec![Curve { name: "1".into(), unit: "bps".into(), window_ms: 100.0, points }];
    report
}

/// The id of a run, as a tree of folders gives it.
pub fn id(scenario: usize, ram_mib: u32, n: u32) -> String {
    format!("{}/{ram_mib}/run{n}", SCENARIOS[scenario % SCENARIOS.len()].0)
}

/// `each` runs of each scenario and RAM.
pub fn runs(each: u32) -> Vec<Run> {
    let mut runs = Vec::new();
    for scenario in 0..SCENARIOS.len() {
        for ram in RAM {
            runs.extend((1..=each).map(|n| Run::of(id(scenario, ram, n), &report(scenario, ram, n), &BTreeMap::new())));
        }
    }
    runs
}

/// A study as it comes: runs that failed, an outage without an end, a cancelled migration, a downtime that is not known.
pub fn mixed() -> Vec<Run> {
    let mut runs = runs(5);
    let mut open = report(1, 2048, 6);
    open.migrations[0].downtime.network.recovered = Some(false);
    runs.push(Run::of(id(1, 2048, 6), &open, &BTreeMap::new()));
    let mut cancelled = report(1, 1024, 6);
    cancelled.migrations[0].outcome = "cancelled".into();
    runs.push(Run::of(id(1, 1024, 6), &cancelled, &BTreeMap::new()));
    let mut tunnel = report(0, 1024, 6);
    tunnel.migrations[0].downtime.vm.ms = None;
    tunnel.migrations[0].downtime.vm.why = Some("the stop of the guest is not known".into());
    runs.push(Run::of(id(0, 1024, 6), &tunnel, &BTreeMap::new()));
    let scenario = |name: &str| [("scenario".to_owned(), name.to_owned())].into();
    runs.push(Run::failed(
        "no-video/2048/run6",
        "source.pcap, byte 24: expected a packet record, found the end of the file",
        &scenario("no-video"),
    ));
    runs.push(Run::failed("online-video/2048/run6", "run.toml: expected a table [points]", &scenario("online-video")));
    runs
}

/// A study whose names would do harm in every format.
pub fn hostile() -> Vec<Run> {
    let mut runs = runs(4);
    for (i, run) in runs.iter_mut().enumerate() {
        run.id = format!("{} {i}", sample::HOSTILE);
        run.scenario = format!("{} {}", sample::HOSTILE, i % 2);
        run.factors.insert(sample::HOSTILE.to_owned(), format!("{}{}", sample::HOSTILE, i % 3));
    }
    runs.push(Run::failed(sample::HOSTILE, sample::HOSTILE, &BTreeMap::new()));
    runs
}
