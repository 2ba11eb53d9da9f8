//! Real captures through the joiner: clocks, paths, loss.

mod common;
#[path = "common/joined.rs"]
mod joined;

use std::net::IpAddr;

use joined::{Reader, files, join};
use lmpcap::base::clock::ClockChoice;
use lmpcap::base::role::Role;
use lmpcap::base::time::Timestamp;
use lmpcap::join::Ends;
use lmpcap::measure::path::figures::{End, Figures};
use lmpcap::measure::path::stay::Stays;

fn as_is(t: Timestamp) -> Option<Timestamp> {
    Some(t)
}

#[test]
fn look() {
    let Some(folder) = common::capture(&std::env::var("RUN").unwrap_or("lossy".into())) else { return };
    let roles = files(&folder);
    let t0 = std::time::Instant::now();
    let points = roles.iter().map(|(role, files)| (*role, Reader::new(files, as_is))).collect();
    let (joined, meter) = join(points, ClockChoice::Estimate);
    println!("{:?} {:?}", t0.elapsed(), joined.counters);
    for ((role, _), (clock, span)) in roles.iter().zip(joined.clocks.iter().zip(&joined.spans)) {
        println!("{role} {clock:?} {span:?}");
    }
    let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap();
    let at = |list: &str, what: &str| {
        let e = truth[list].as_array()?.iter().find(|e| e["event"] == what)?;
        Some(Timestamp((e["t"].as_f64()? * 1e9) as i64))
    };
    let p = |r: Role| roles.iter().position(|x| x.0 == r);
    let stays = match at("source_events", "STOP") {
        Some(stop) => Stays::moved(p(Role::Source), &[(stop, at("destination_events", "RESUME"), p(Role::Destination))]),
        None => Stays::always(p(Role::Source).unwrap()),
    };
    let figures = Figures::new(&meter, &joined, &stays);
    for e in &joined.ends {
        println!("{e:?}");
    }
    let vm: IpAddr = "192.0.2.50".parse().unwrap();
    let c = End::Point(p(Role::Client).unwrap());
    let (s, d) = (End::Point(p(Role::Source).unwrap()), End::Point(p(Role::Destination).unwrap()));
    let all = |_: Timestamp| true;
    let any = |_: &Ends| true;
    for (name, from, to, wanted) in [
        ("client>vm", c, End::Vm, &(|e: &Ends| e.dst == vm) as &dyn Fn(&Ends) -> bool),
        ("vm>client", End::Vm, c, &|e: &Ends| e.src == vm),
        ("source>destination", s, d, &|e: &Ends| e.src.to_string().ends_with(".0.11") ),
        ("destination>source", d, s, &|e: &Ends| e.src.to_string().ends_with(".0.12")),
    ] {
        println!("{name} {:?}", figures.fates(from, to, wanted, all));
        println!("   {:?}", figures.delay(from, to, wanted, all));
        println!("   {:?}", figures.jitter(from, to, wanted, all));
        println!("   {:?}", figures.loss(from, to, wanted, all));
    }
    let _ = any;
}

struct Lone(Vec<String>);
impl lmpcap::join::Passages for Lone {
    fn passage(&mut self, p: &lmpcap::join::Passage<'_>) {
        if p.lone() {
            self.0.push(format!("{:?} ends {} seen {:b} proof {:?} flags {:x} place {:?} wire {}", p.sent, p.ends, p.seen, p.proof, p.flags, p.place, p.wire));
        }
    }
}

#[test]
fn lone() {
    let Some(folder) = common::capture(&std::env::var("RUN").unwrap_or("lossy".into())) else { return };
    let roles = files(&folder);
    let mut readers: Vec<_> = roles.iter().map(|(_, files)| Reader::new(files, as_is)).collect();
    let names: Vec<Role> = roles.iter().map(|r| r.0).collect();
    let mut joiner = lmpcap::join::Joiner::new(&names, ClockChoice::Estimate, Lone(vec![]));
    while let Some(p) = joiner.next_point() {
        match readers[p].next() {
            Some(batch) => joiner.batch(p, batch),
            None => joiner.end_of_point(p),
        }
    }
    let (joined, lone) = joiner.finish();
    for (i, e) in joined.ends.iter().enumerate() {
        println!("{} {e:?}", i + 1);
    }
    lone.0.iter().for_each(|l| println!("{l}"));
}
