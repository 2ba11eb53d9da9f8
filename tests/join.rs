//! Real captures through the joiner: clocks, paths, loss.

mod common;
#[path = "common/joined.rs"]
mod joined;

#[path = "common/run.rs"]
mod run;

use std::net::IpAddr;
use std::path::Path;

use lmpcap::measure::path::figures::End;
use run::{Run, VM};

/// Runs in which the lab dropped nothing.
const CLEAN: [&str; 14] = [
    "vxlan",
    "hls-any",
    "online",
    "none",
    "offline-full",
    "pcapng",
    "guest-dead",
    "cancel",
    "libvirt-any",
    "libvirt-tunnelled",
    "libvirt-copy-storage",
    "ceph-v2-any",
    "openstack-live",
    "openstack-abort",
];

#[test]
fn nothing_is_lost_where_nothing_was_dropped() {
    for name in CLEAN {
        let Some(run) = Run::plain(name) else { return };
        let (to, from) = (run.to_vm(), run.out_of_vm());
        for (way, f) in [("to", to), ("from", from)] {
            assert!(f.delivered > 400, "{name} {way}: {f:?}");
            assert_eq!((f.lost, f.ambiguous, f.unknown, f.not_captured), (0, 0, 0, 0), "{name} {way}: {f:?}");
            // The guest's first large frame is told to be too big for the tunnel.
            assert_eq!(f.refused > 0, name == "vxlan" && way == "from", "{name} {way}: {f:?}");
        }
        assert_eq!(from.misdelivered, 0, "{name}");
        assert!(to.misdelivered < 150, "{name}: {to:?}");
        for f in run.between_nodes() {
            assert!(f.delivered > 50, "{name}: {f:?}");
            assert_eq!((f.lost, f.ambiguous, f.unknown, f.misdelivered, f.refused), (0, 0, 0, 0, 0), "{name}: {f:?}");
        }
        let c = &run.joined.counters;
        assert_eq!((c.overflow, c.crowded, c.flows_forgotten, c.ends_folded), (0, 0, 0, 0), "{name}: {c:?}");
        assert!(c.most_held < 60_000, "{name}: {c:?}");
    }
}

#[test]
fn what_a_capture_missed_is_not_lost() {
    // dumpcap says that it dropped 318 frames on the source's NIC; the destination has them all.
    let Some(run) = Run::plain("ceph-v1-pcapng") else { return };
    let [there, back] = run.between_nodes();
    assert_eq!((there.lost, back.lost), (0, 0), "{there:?} {back:?}");
    assert_eq!(there.not_captured + back.not_captured + back.ambiguous, 318, "{there:?} {back:?}");
    assert_eq!((run.to_vm().lost, run.out_of_vm().lost), (0, 0));
}

#[test]
fn lost_is_what_the_network_dropped() {
    let Some(run) = Run::plain("lossy") else { return };
    let dropped = |comment: &str| {
        let rules = run.truth()["dropped"]["nftables"].as_array().unwrap().clone();
        let rule = rules.iter().find(|r| r["rule"]["comment"] == comment).unwrap();
        rule["rule"]["expr"].as_array().unwrap().iter().find_map(|e| e["counter"]["packets"].as_u64()).unwrap()
    };
    let (to, from) = (run.to_vm(), run.out_of_vm());
    assert_eq!(to.lost, dropped("from-client"), "{to:?}");
    // The client's capture ends before its ping does, and the network dropped one reply after that: the ping's own output tells.
    let figures = run.figures();
    let pings = figures.fates(run.client(), End::Vm, |e| e.dst == IpAddr::V4(VM) && e.proto == 1, |_| true);
    let captured = pings.delivered + pings.lost + pings.misdelivered;
    let answered: std::collections::BTreeSet<u64> = ping_numbers(&run.folder);
    let late = (captured + 1..=*answered.last().unwrap()).filter(|n| !answered.contains(n)).count() as u64;
    assert_eq!(from.lost + late, dropped("to-client"), "{from:?} {late}");
    for f in [to, from] {
        assert_eq!((f.ambiguous, f.unknown, f.not_captured, f.refused), (0, 0, 0, 0), "{f:?}");
    }
    // While nobody ran the guest, its pings reached the source: 0.8 s at 50 a second, less what the network dropped.
    assert!((25..45).contains(&to.misdelivered), "{to:?}");
    for f in run.between_nodes() {
        assert_eq!((f.lost, f.ambiguous), (0, 0), "{f:?}");
    }
}

/// Numbers of the replies that the ping printed.
fn ping_numbers(folder: &Path) -> std::collections::BTreeSet<u64> {
    let text = std::fs::read(folder.join("ping.txt")).or_else(|_| {
        let packed = std::fs::File::open(folder.join("ping.txt.zst")).unwrap();
        zstd::decode_all(packed)
    });
    let text = String::from_utf8(text.unwrap()).unwrap();
    let number = |line: &str| line.split("icmp_seq=").nth(1)?.split(' ').next()?.parse().ok();
    text.lines().filter_map(number).collect()
}
