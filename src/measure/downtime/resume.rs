//! When the guest resumed on the destination.
//!
//! From above: the first frame of the VM after the stream's end. QEMU queues its announcements (RARP) until the guest runs and sends them at
//! that moment (`net/announce.c`, `net/queue.c`), so the first one is also the best estimate. A copy of it anywhere bounds the resume.
//! From below, the latest of:
//! - the last byte of the stream at the destination (post-copy: of the package, and PONG 3): before that the guest cannot run;
//! - the call by which a manager lets the guest run (libvirt's Finish), as it reached the destination;
//! - [`FLUSH`] before the first announcement at the destination, if the second follows as QEMU's schedule has it, so that the first one
//!   captured is the first one sent.
//!
//! A request that reached the VM's port on the destination and was answered late proves nothing: a guest that has just been resumed may need
//! tens of milliseconds to answer.

use super::{Bound, Inputs};
use crate::base::interval::Interval;
use crate::base::net::Mac;
use crate::base::role::Role;
use crate::base::time::{Nanos, Timestamp};
use crate::flow::Moment;
use crate::measure::presence::Bounded;
use crate::measure::presence::announce::{Announcement, Kind};

/// From the resume to the first announcement on the VM's port: 20 to 100 µs in measured runs; a busy host may take longer.
const FLUSH: Nanos = Nanos(5_000_000);
/// QEMU's second announcement is due 50 ms after the first (`migration/options.c`), or was queued with it; the third comes 150 ms later.
const SECOND: Nanos = Nanos(80_000_000);

/// What was found.
pub(super) struct Resume {
    pub(super) interval: Interval<Timestamp>,
    pub(super) ended_by: String,
    pub(super) why: Vec<String>,
    pub(super) evidence: Vec<Bound>,
}

/// Why the resume was not seen.
pub(super) struct Unseen {
    /// The destination's side of the VM was captured: it did not resume as far as the capture goes.
    pub(super) open: bool,
    pub(super) why: String,
}

/// The resume, or why it cannot be told.
pub(super) fn resume(inputs: &Inputs<'_>, stop: Interval<Timestamp>) -> Result<Resume, Unseen> {
    let mut why = Vec::new();
    let loaded = loaded(inputs);
    let finish = inputs.by_role(Role::Destination).find_map(|(i, p)| {
        // The call must have reached the destination: seen elsewhere it was seen earlier, which still bounds from below.
        p.finish_call.map(|m| inputs.not_before(i, m, m.at, "call that lets the guest run on the destination"))
    });
    if loaded.is_none() {
        why.push("the end of the stream was not seen".to_owned());
    }
    let floor = [&loaded, &finish].into_iter().flatten().map(|b| b.at).max().unwrap_or(stop.lower).max(stop.lower);
    let announced = announced(inputs, floor);
    let sent = first_frame(inputs, floor);
    let reply = inputs.points.iter().enumerate().filter_map(|(i, p)| {
        let m = p.finish_reply?;
        Some(inputs.not_after(i, m, m.at, "reply that says that the guest runs"))
    });
    let reply = reply.min_by_key(|b| b.at);
    let upper = [announced.first.as_ref(), sent.as_ref(), reply.as_ref()].into_iter().flatten().min_by_key(|b| b.at).cloned();
    let Some(upper) = upper else {
        let seen =
            inputs.points.iter().any(|p| p.role == Role::Destination && p.presence.senders().iter().any(|s| inputs.macs.contains(&s.mac)));
        let why = match (inputs.macs.is_empty(), seen) {
            (true, _) => "the VM's MAC address is not known: its first frame on the destination cannot be told",
            (false, false) => "no frame of the VM and no announcement was captured after the stream: the end of the pause cannot be told",
            (false, true) => "the VM sent nothing after the stream until the end of the capture",
        };
        return Err(Unseen { open: seen, why: why.to_owned() });
    };
    let announced_elsewhere = !announced.at_destination;
    let (announced, flush) = (announced.first, announced.flush);
    let lower = [&loaded, &finish, &flush].into_iter().flatten().max_by_key(|b| b.at);
    let low = lower.map_or(stop.lower, |b| b.at.max(stop.lower));
    let by_announcement = announced.as_ref().is_some_and(|b| b.at == upper.at) || flush.is_some();
    // Without an announcement the first frame is an answer, and the guest had run for some time by then.
    let estimate = if let Some(flush) = &flush {
        flush.seen + FLUSH
    } else if by_announcement {
        upper.seen
    } else {
        lower.map_or(upper.seen, |l| l.seen + Nanos((upper.seen - l.seen).0 / 2))
    };
    if !by_announcement {
        why.push(
            "no announcement of the VM was captured: the end of the pause lies between the end of the stream and the VM's first sign"
                .to_owned(),
        );
    } else if announced_elsewhere {
        why.push(
            "the VM's announcement was not captured on the destination: the end of the pause is seen late by its way through the network"
                .to_owned(),
        );
    }
    let interval = if low <= upper.at {
        Interval::new(low, estimate, upper.at)
    } else {
        why.push("the bounds of the resume contradict each other: the clocks are not related as well as they say".to_owned());
        Interval::new(upper.at, estimate, low)
    };
    let ended_by = upper.what.clone();
    let evidence = [loaded, finish, Some(upper)].into_iter().flatten().collect();
    Ok(Resume { interval, ended_by, why, evidence })
}

/// The last byte without which the guest cannot run, as near to the destination as it was seen.
fn loaded(inputs: &Inputs<'_>) -> Option<Bound> {
    let postcopy = inputs.postcopy();
    let found = inputs.points.iter().enumerate().filter_map(|(i, p)| {
        let line = &p.migration?.timeline;
        let marks = if postcopy { [line.packaged_end, line.postcopy_run, None] } else { [line.eof, line.vmdesc_end, line.last_byte] };
        let mark = marks.into_iter().flatten().map(|m| m.earliest).max_by_key(|m| m.at)?;
        // PONG 3 is sent before the guest starts, but has a way to go before another point sees it.
        let pong = line.pong3.filter(|_| postcopy && p.role == Role::Destination);
        let (moment, what) = match pong {
            Some(pong) if pong.at > mark.at => (pong, "PONG 3: the destination has loaded the device state"),
            _ if postcopy => (mark, "last byte of the post-copy package"),
            _ => (mark, "last byte of the stream"),
        };
        Some(inputs.not_before(i, moment, moment.at, what))
    });
    found.max_by_key(|b| b.at)
}

/// Announcements of the VM after the stream.
#[derive(Default)]
struct Announced {
    /// The first copy of the first one, anywhere.
    first: Option<Bound>,
    /// What the train at the destination says from below.
    flush: Option<Bound>,
    /// One was captured on the destination.
    at_destination: bool,
}

/// The announcements at or after `floor`.
fn announced(inputs: &Inputs<'_>, floor: Timestamp) -> Announced {
    let until = inputs.before.unwrap_or(Timestamp::MAX);
    let mut found = Announced::default();
    for (i, p) in inputs.points.iter().enumerate() {
        let from = p.own(floor) - p.uncertainty();
        for mac in inputs.macs {
            let mut train: Vec<&Announcement> = p.presence.announcements().of(*mac).filter(|a| a.when.at >= from).collect();
            train.retain(|a| p.reference(a.when.at) < until);
            train.sort_by_key(|a| a.when.at);
            let Some(first) = train.first() else { continue };
            let what = format!("first {} of the VM", first.kind.name());
            let upper = inputs.not_after(i, first.when, first.when.at, what);
            if p.role == Role::Destination {
                found.at_destination = true;
                if is_schedule(&train, *mac) {
                    let flush = inputs.not_before(i, first.when, first.when.at - FLUSH, "first RARP of the VM, sent when it resumed");
                    // Of a VM with several interfaces the first one to speak counts.
                    if found.flush.as_ref().is_none_or(|f| flush.at < f.at) {
                        found.flush = Some(flush);
                    }
                }
            }
            if found.first.as_ref().is_none_or(|f| upper.at < f.at) {
                found.first = Some(upper);
            }
        }
    }
    found
}

/// True if the second RARP follows the first as QEMU schedules it. Copies of one frame lie within a millisecond and on different
/// interfaces; queued ones come as close, on the same.
fn is_schedule(train: &[&Announcement], mac: Mac) -> bool {
    let Some(first) = train.first().filter(|a| a.kind == Kind::Rarp && a.mac == mac) else { return false };
    let same =
        |a: &&&Announcement| a.kind == Kind::Rarp && a.interface == first.interface && a.if_index == first.if_index && a.sll == first.sll;
    train.iter().filter(same).nth(1).is_some_and(|second| second.when.at - first.when.at <= SECOND)
}

/// The first frame of the VM on the destination at or after `floor`. Before that time its frames there are the network's flooding.
fn first_frame(inputs: &Inputs<'_>, floor: Timestamp) -> Option<Bound> {
    let until = inputs.before.unwrap_or(Timestamp::MAX);
    let found = inputs.points.iter().enumerate().filter(|(_, p)| p.role == Role::Destination).flat_map(|(i, p)| {
        p.presence.senders().iter().filter(|s| inputs.macs.contains(&s.mac)).filter_map(move |s| {
            let (moment, at): (Moment, Timestamp) = match s.first_after(p.own(floor) + p.uncertainty())? {
                Bounded::Exact(moment) => (moment, moment.at),
                Bounded::Between(_, to) => (s.last, to),
            };
            (p.reference(at) < until).then(|| inputs.not_after(i, moment, at, "first frame of the VM on the destination"))
        })
    });
    found.min_by_key(|b| b.at)
}
