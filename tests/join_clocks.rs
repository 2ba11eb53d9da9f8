//! Clocks that differ, captures that begin late and stop early, addresses that are translated: the figures must not change.

mod common;
#[path = "common/joined.rs"]
mod joined;
#[path = "common/run.rs"]
mod run;

use lmpcap::base::clock::ClockChoice;
use lmpcap::base::role::Role;
use lmpcap::base::time::{NS_PER_MS, NS_PER_S, Nanos, Timestamp};
use lmpcap::join::Method;
use run::Run;

use joined::{Tamper, untouched};

/// A clock that is `offset` ahead at the start of the captures and gains `ppm`.
#[derive(Clone, Copy, Debug)]
struct Wrong {
    offset: i64,
    ppm: i64,
}

impl Wrong {
    fn read(self, t: Timestamp, origin: Timestamp) -> Timestamp {
        let gained = i128::from((t - origin).0) * i128::from(self.ppm) / 1_000_000;
        t + Nanos(self.offset + gained as i64)
    }

    fn tamper(self, origin: Timestamp) -> Tamper {
        Box::new(move |t, _| Some(self.read(t, origin)))
    }
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if (a - b).abs() < 2.0)
}

#[test]
fn wrong_clocks_come_back_right() {
    let cases = [
        ("lossy", Wrong { offset: 3600 * NS_PER_S, ppm: 200 }, Wrong { offset: -1234 * NS_PER_MS, ppm: -150 }),
        ("vxlan", Wrong { offset: -2500 * NS_PER_MS, ppm: -200 }, Wrong { offset: 3600 * NS_PER_S, ppm: 200 }),
        ("hls-any", Wrong { offset: -3600 * NS_PER_S, ppm: 35 }, Wrong { offset: -3599 * NS_PER_S, ppm: -200 }),
        ("pcapng", Wrong { offset: 150_000, ppm: 0 }, Wrong { offset: 40 * NS_PER_S, ppm: 7 }),
        ("libvirt-copy-storage", Wrong { offset: 1700 * NS_PER_S, ppm: -90 }, Wrong { offset: -900 * NS_PER_S, ppm: 180 }),
    ];
    for (name, client, destination) in cases {
        let Some(right) = Run::plain(name) else { return };
        let origin = right.joined.spans[right.point(Role::Client)].unwrap().0;
        let wrong = Run::read(name, ClockChoice::Estimate, |role| match role {
            Role::Client => client.tamper(origin),
            Role::Destination => destination.tamper(origin),
            _ => untouched(),
        })
        .unwrap();
        for (role, clock) in [(Role::Client, client), (Role::Destination, destination)] {
            let p = right.point(role);
            let found = &wrong.joined.clocks[p];
            let unsure = found.map.uncertainty.unwrap();
            assert_eq!(found.method, Method::Estimated, "{name} {role}: {found:?}");
            assert!(unsure <= Nanos(NS_PER_MS), "{name} {role}: {found:?}");
            assert!(found.samples > 100, "{name} {role}: {found:?}");
            let (first, last) = right.joined.spans[p].unwrap();
            for i in 0..=10 {
                let t = first + Nanos((last - first).0 / 10 * i);
                let off = (found.map.to_reference(clock.read(t, origin)) - t).0.abs();
                assert!(off <= unsure.0, "{name} {role} at {t}: off by {off} ns, said ± {} ns", unsure.0);
            }
        }
        for (a, b) in right.delays().iter().zip(wrong.delays()) {
            if a.samples == 0 || b.samples == 0 {
                // Absent, with the reason: too small for what is known of the clocks.
                assert!([a, &b].into_iter().any(|d| d.why.as_deref().is_some_and(|why| why.contains("known to"))), "{name}: {a:?} {b:?}");
                continue;
            }
            assert!(b.samples.abs_diff(a.samples) <= 2, "{name}: {a:?} {b:?}");
            for (x, y) in [(a.mean_ms, b.mean_ms), (a.p50_ms, b.p50_ms), (a.p95_ms, b.p95_ms), (a.p99_ms, b.p99_ms), (a.max_ms, b.max_ms)] {
                assert!(close(x, y), "{name}: {a:?} {b:?}");
            }
        }
        for (a, b) in right.jitters().iter().zip(wrong.jitters()) {
            assert!(close(a.mean_ms, b.mean_ms) && close(a.p99_ms, b.p99_ms) && close(a.rfc3550_ms, b.rfc3550_ms), "{name}: {a:?} {b:?}");
        }
        for (a, b) in [(right.to_vm(), wrong.to_vm()), (right.out_of_vm(), wrong.out_of_vm())] {
            assert_eq!(
                (a.lost, a.not_captured, a.ambiguous, a.unknown),
                (b.lost, b.not_captured, b.ambiguous, b.unknown),
                "{name}: {a:?} {b:?}"
            );
            // A window's packets may fall on the other side of the switch.
            assert!(a.delivered.abs_diff(b.delivered) <= 2 && a.misdelivered.abs_diff(b.misdelivered) <= 2, "{name}: {a:?} {b:?}");
        }
    }
}

#[test]
fn a_stepped_clock_is_noticed() {
    let Some(right) = Run::plain("online") else { return };
    let (first, last) = right.joined.spans[right.point(Role::Destination)].unwrap();
    let step_at = first + Nanos((last - first).0 / 3);
    let step = Nanos(70 * NS_PER_MS);
    let wrong = Run::read("online", ClockChoice::Estimate, |role| match role {
        Role::Destination => Box::new(move |t, _| Some(if t < step_at { t } else { t + step })),
        _ => untouched(),
    })
    .unwrap();
    let found = &wrong.joined.clocks[right.point(Role::Destination)];
    assert_eq!(found.map.pieces.len(), 2, "{found:?}");
    assert!(found.why.as_deref().is_some_and(|why| why.contains("stepped")), "{found:?}");
    let unsure = found.map.uncertainty.unwrap();
    assert!(unsure <= Nanos(NS_PER_MS), "{found:?}");
    for (t, read) in [(first, first), (step_at - Nanos(100 * NS_PER_MS), step_at - Nanos(100 * NS_PER_MS)), (last, last + step)] {
        let off = (found.map.to_reference(read) - t).0.abs();
        assert!(off <= unsure.0, "at {t}: off by {off} ns, said ± {} ns", unsure.0);
    }
}

#[test]
fn one_direction_bounds_one_side() {
    // The destination's capture has only what the source sent: nothing encloses its offset.
    let Some(run) = Run::read("none", ClockChoice::Estimate, |role| match role {
        Role::Destination => Box::new(|t, bytes: &mut Vec<u8>| {
            let from_source = bytes.get(26..30) == Some(&[10, 0, 0, 11]) && bytes.get(12..14) == Some(&[8, 0]);
            from_source.then_some(t)
        }),
        _ => untouched(),
    }) else {
        return;
    };
    let found = &run.joined.clocks[run.point(Role::Destination)];
    assert_eq!((found.method, found.map.uncertainty), (Method::Estimated, None), "{found:?}");
    assert!(found.why.as_deref().is_some_and(|why| why.contains("one direction")), "{found:?}");
    let offset = found.map.to_reference(run.joined.spans[2].unwrap().0) - run.joined.spans[2].unwrap().0;
    assert!(offset.0.abs() < 5 * NS_PER_MS, "{found:?}");
    let figures = run.figures();
    let delay = figures.delay(
        lmpcap::measure::path::figures::End::Point(1),
        lmpcap::measure::path::figures::End::Point(2),
        |e| e.proto == 6 && e.dst.to_string() == "10.0.0.12",
        |_| true,
    );
    assert_eq!((delay.mean_ms, delay.samples), (None, 0));
    assert!(delay.why.unwrap().contains("one direction"));
}

#[test]
fn captures_that_begin_late_and_stop_early_lose_nothing() {
    let Some(whole) = Run::plain("online") else { return };
    let (first, last) = whole.joined.spans[whole.point(Role::Source)].unwrap();
    let at = |tenths: i64| first + Nanos((last - first).0 / 10 * tenths);
    for (cut, from, to) in [
        (Role::Source, at(2), Timestamp::MAX),
        (Role::Client, at(5), Timestamp::MAX),
        (Role::Client, Timestamp::MIN, at(6)),
        (Role::Source, at(1), at(4)),
        (Role::Destination, at(8), Timestamp::MAX),
    ] {
        let run = Run::read("online", ClockChoice::Estimate, |role| {
            let (from, to) = if role == cut { (from, to) } else { (Timestamp::MIN, Timestamp::MAX) };
            Box::new(move |t, _| (from <= t && t < to).then_some(t))
        })
        .unwrap();
        for f in [run.to_vm(), run.out_of_vm()].into_iter().chain(run.between_nodes()) {
            assert_eq!((f.lost, f.ambiguous, f.unknown, f.not_captured), (0, 0, 0, 0), "{cut} {from} {to}: {f:?}");
        }
    }
}

#[test]
fn losses_near_the_ends_of_a_capture_are_still_counted() {
    // Cut the client's capture: what was dropped while it ran stays lost, what was dropped before does not count.
    let Some(whole) = Run::plain("lossy") else { return };
    let (first, last) = whole.joined.spans[whole.point(Role::Client)].unwrap();
    let middle = first + Nanos((last - first).0 / 2);
    let halves = [(Timestamp::MIN, middle), (middle, Timestamp::MAX)].map(|(from, to)| {
        let run = Run::read("lossy", ClockChoice::Estimate, |role| match role {
            Role::Client => Box::new(move |t, _| (from <= t && t < to).then_some(t)),
            _ => untouched(),
        });
        let run = run.unwrap();
        [run.to_vm(), run.out_of_vm()]
    });
    for way in 0..2 {
        let all = [whole.to_vm(), whole.out_of_vm()][way].lost;
        let sum = halves[0][way].lost + halves[1][way].lost;
        assert!(sum <= all && sum + 1 >= all, "{way}: {sum} of {all}: {halves:?}");
    }
}

/// Rewrites the VM's address (the first IPv4 header of an Ethernet frame) as a floating IP would.
fn float(bytes: &mut [u8]) {
    for at in [26, 30] {
        if bytes.get(12..14) == Some(&[8, 0]) && bytes.get(at..at + 4) == Some(&[192, 0, 2, 50]) {
            bytes[at..at + 4].copy_from_slice(&[203, 0, 113, 9]);
        }
    }
}

/// Rewrites the client's port, as masquerading would.
fn masquerade(bytes: &mut [u8]) {
    if bytes.get(12..14) == Some(&[8, 0]) && bytes.get(23) == Some(&6) {
        let own = bytes.get(26..30) == Some(&[192, 0, 2, 10]);
        let at = if own { 34 } else { 36 };
        if bytes.len() > at + 2 && (own || bytes.get(30..34) == Some(&[192, 0, 2, 10])) {
            bytes[at] ^= 0x11;
        }
    }
}

#[test]
fn translated_addresses_and_ports_change_nothing() {
    for name in ["lossy", "online"] {
        let Some(plain) = Run::plain(name) else { return };
        let run = Run::read(name, ClockChoice::Estimate, |role| match role {
            Role::Client => Box::new(|t, bytes: &mut Vec<u8>| {
                float(bytes);
                masquerade(bytes);
                Some(t)
            }),
            _ => untouched(),
        })
        .unwrap();
        for (a, b) in [(plain.to_vm(), run.to_vm()), (plain.out_of_vm(), run.out_of_vm())] {
            // The receiver counts as the last point sees it, the sender as the first does.
            assert_eq!(
                (a.lost, a.ambiguous, a.unknown, a.not_captured),
                (b.lost, b.ambiguous, b.unknown, b.not_captured),
                "{name}: {a:?} {b:?}"
            );
            assert!(a.delivered.abs_diff(b.delivered) <= 4, "{name}: {a:?} {b:?}");
        }
        let [a, b] = [plain.delays(), run.delays()].map(|d| d[0].mean_ms.unwrap());
        assert!((a - b).abs() < 0.05, "{a} {b}");
    }
}

#[test]
fn different_snap_lengths_change_nothing() {
    for name in ["vxlan", "online"] {
        let Some(plain) = Run::plain(name) else { return };
        let cut = if name == "vxlan" { 128 } else { 68 };
        let run = Run::read(name, ClockChoice::Estimate, |role| match role {
            Role::Client => Box::new(move |t, bytes: &mut Vec<u8>| {
                bytes.truncate(cut);
                Some(t)
            }),
            _ => untouched(),
        })
        .unwrap();
        assert_eq!((plain.to_vm(), plain.out_of_vm()), (run.to_vm(), run.out_of_vm()), "{name}");
    }
}

#[test]
fn trusted_and_given_clocks_are_taken_as_said() {
    let Some(trusted) = Run::read("none", ClockChoice::Trusted, |_| untouched()) else { return };
    assert!(trusted.joined.clocks.iter().all(|c| matches!(c.method, Method::Reference | Method::Trusted) && c.map.pieces.is_empty()));
    assert_eq!((trusted.to_vm().lost, trusted.out_of_vm().lost), (0, 0));
    let late = Wrong { offset: 2500 * NS_PER_MS, ppm: 0 };
    let origin = Timestamp(0);
    let choice: ClockChoice = "client=-2.5s".parse().unwrap();
    let given = Run::read("none", choice, |role| if role == Role::Client { late.tamper(origin) } else { untouched() }).unwrap();
    assert_eq!(given.joined.clocks[0].method, Method::Given);
    assert_eq!(given.to_vm(), trusted.to_vm());
    let [a, b] = [trusted.delays(), given.delays()].map(|d| d[1].mean_ms.unwrap());
    assert!((a - b).abs() < 0.001, "{a} {b}");
    // Clocks that are said to agree and do not: the delay is absent, not negative.
    let wrong =
        Run::read("none", ClockChoice::Trusted, |role| if role == Role::Client { late.tamper(origin) } else { untouched() }).unwrap();
    let [to, _] = wrong.delays();
    assert!(to.mean_ms.is_none() && to.why.unwrap().contains("do not agree"));
}
