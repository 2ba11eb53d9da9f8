//! When the guest stopped on the source.
//!
//! From above: the first byte of the switch-over is written only with the guest stopped, wherever it is seen.
//! From below, the latest of:
//! - the last frame that the VM sent on the source before that byte: it was running then;
//! - the last segment of the stream before that byte that left after a rest: it was written just then, and QEMU writes pre-copy while the
//!   guest runs. A pre-copy byte as such proves nothing of the kind: it may have waited in the send buffer while the guest stopped.
//!
//! The estimate lies [`SYNC`] after the last pre-copy byte, or that much before the switch-over's first byte where only that is known:
//! between both QEMU reads the dirty bitmap for the last time, which takes milliseconds, then stops the guest, and what follows (draining
//! of disks, a manager's consent) may take any time.

use super::{Bound, Inputs};
use crate::app::migration::{ChannelKind, Mark};
use crate::base::interval::Interval;
use crate::base::role::Role;
use crate::base::time::{Nanos, Timestamp};
use crate::measure::presence::{Bounded, Sender};

/// The last reading of the dirty bitmap before the stop: 0.3 to 4 ms in measured runs.
const SYNC: Nanos = Nanos(2_000_000);

/// What was found.
pub(super) struct Stop {
    pub(super) interval: Interval<Timestamp>,
    pub(super) why: Vec<String>,
    pub(super) evidence: Vec<Bound>,
}

/// The stop, or why it cannot be told.
pub(super) fn stop(inputs: &Inputs<'_>) -> Result<Stop, String> {
    let mut why = Vec::new();
    let upper = upper(inputs, &mut why).ok_or("no point holds the end of the migration stream")?;
    let from_guest = last_frame(inputs, upper.at);
    let from_stream = last_rest(inputs).or_else(|| last_rest_received(inputs, &mut why));
    let from_client = if from_guest.is_none() { last_answer(inputs, upper.at) } else { None };
    if from_guest.is_none() && !inputs.macs.is_empty() && inputs.has(Role::Source) {
        why.push("no frame of the VM was captured on the source before the stop".to_owned());
    }
    if from_stream.is_none() {
        why.push("no pre-copy byte left the source after a rest: the send buffer may have delayed them".to_owned());
    }
    let lower = [&from_guest, &from_client, &from_stream].into_iter().flatten().max_by_key(|b| b.at);
    let first = inputs.span.map(|s| s.0);
    let flushed = flushed(inputs);
    let low = lower.map_or_else(
        || {
            why.push("from below the stop is bounded by the start of the migration only".to_owned());
            first.map_or(upper.at, |f| f.min(upper.at))
        },
        |low| low.at,
    );
    let estimate = match flushed.or(last_part(inputs).max(from_stream.as_ref().map(|s| s.seen))) {
        Some(flushed) => (flushed + Nanos((upper.seen - flushed).0 / 2)).min(flushed + SYNC),
        None => upper.seen - SYNC,
    };
    let interval = if low <= upper.at {
        Interval::new(low, estimate, upper.at)
    } else {
        why.push("the bounds of the stop contradict each other: the clocks are not related as well as they say".to_owned());
        Interval::new(upper.at, estimate, low)
    };
    let evidence = [from_guest, from_client, from_stream, Some(upper)].into_iter().flatten().collect();
    Ok(Stop { interval, why, evidence })
}

fn upper(inputs: &Inputs<'_>, why: &mut Vec<String>) -> Option<Bound> {
    let of = |pick: &dyn Fn(&crate::app::migration::Timeline) -> Option<Mark>, what: &str| {
        let found = inputs.points.iter().enumerate().filter_map(|(i, p)| {
            let mark = pick(&p.migration?.timeline)?;
            Some((mark, inputs.not_after(i, mark.latest, mark.latest.at, what)))
        });
        found.min_by_key(|(_, b)| b.at)
    };
    if let Some((mark, bound)) = of(&|t| t.switchover_first, "first byte of the switch-over: the guest is stopped") {
        if !mark.is_exact() {
            why.push("the first byte of the switch-over was not captured: a later one bounds the stop".to_owned());
        }
        return Some(bound);
    }
    why.push("the switch-over could not be read from the stream: its last byte bounds the stop".to_owned());
    of(&|t| t.packaged_end.or(t.eof).or(t.last_byte), "last byte of the stream: the guest is stopped").map(|(_, b)| b)
}

/// The last frame that the VM sent on the source at or before `until`.
fn last_frame(inputs: &Inputs<'_>, until: Timestamp) -> Option<Bound> {
    let at_source = |role: Role| {
        let views = inputs.points.iter().enumerate().filter(move |(_, p)| p.role == role);
        views.flat_map(|(i, p)| p.presence.senders().iter().filter(|s| inputs.macs.contains(&s.mac)).map(move |s| (i, p, s)))
    };
    // A point without a role may be the source, or the network between: frames pass it later than they were sent, by microseconds in
    // the same place. Points with another role saw the VM's frames after a way through the network.
    let mut candidates: Vec<_> = at_source(Role::Source).collect();
    if candidates.is_empty() {
        candidates = at_source(Role::Unknown).collect();
    }
    // The copy nearest to the VM says best when it was sent: the one that came in from it, outside any tunnel.
    let nearness = |s: &Sender| (s.is_outgoing(), s.tunnel.is_some());
    let best = candidates.iter().map(|(_, _, s)| nearness(s)).min()?;
    let found = candidates.into_iter().filter(|(_, _, s)| nearness(s) == best).filter_map(|(i, p, s)| {
        let (moment, at) = match s.last_before(p.own(until) - p.uncertainty())? {
            Bounded::Exact(moment) => (moment, moment.at),
            Bounded::Between(from, _) => (s.first, from.max(s.first.at)),
        };
        Some(inputs.not_before(i, moment, at, "last frame that the VM sent on the source"))
    });
    found.max_by_key(|b| b.at)
}

/// The last segment before the switch-over that left the source after a rest.
fn last_rest(inputs: &Inputs<'_>) -> Option<Bound> {
    let found = inputs.points.iter().enumerate().filter(|(_, p)| p.role == Role::Source).filter_map(|(i, p)| {
        let migration = p.migration?;
        let until = migration.timeline.switchover_first?.earliest.at;
        let before = until - Nanos(1);
        migration
            .channels
            .iter()
            // What leaves on channels beside the main one may be of after the stop: their pages go ahead of the main channel's word. What a
            // tunnel carries leaves when the daemon in between comes to it.
            .filter(|c| !c.report.tunnelled && !matches!(c.report.kind, ChannelKind::Multifd(_) | ChannelKind::Preempt))
            .filter_map(|c| p.pace.of(c.flow)?.lanes[c.report.sender.index()].rested_before(before, Nanos(0)))
            .max_by_key(|m| m.at)
            .map(|m| inputs.not_before(i, m, m.at, "last pre-copy segment that left after a rest"))
    });
    found.max_by_key(|b| b.at)
}

/// A rest of the stream at the destination this long is no delay of the network: QEMU's rate limit works in steps of 100 ms.
const LONG_REST: Nanos = Nanos(10_000_000);

/// The last segment before the switch-over that came to the destination after a long rest, less a round trip.
fn last_rest_received(inputs: &Inputs<'_>, why: &mut Vec<String>) -> Option<Bound> {
    let found = inputs.points.iter().enumerate().filter(|(_, p)| p.role == Role::Destination).filter_map(|(i, p)| {
        let migration = p.migration?;
        let line = &migration.timeline;
        // From the SYN to the first byte it takes a round trip at least.
        let way = line.first_byte?.at.at - line.syn?.at;
        let before = line.switchover_first?.earliest.at - Nanos(1);
        migration
            .channels
            .iter()
            // What leaves on channels beside the main one may be of after the stop: their pages go ahead of the main channel's word. What a
            // tunnel carries leaves when the daemon in between comes to it.
            .filter(|c| !c.report.tunnelled && !matches!(c.report.kind, ChannelKind::Multifd(_) | ChannelKind::Preempt))
            .filter_map(|c| p.pace.of(c.flow)?.lanes[c.report.sender.index()].rested_before(before, LONG_REST))
            .max_by_key(|m| m.at)
            .map(|m| inputs.not_before(i, m, m.at - way, "last pre-copy segment that came after a rest"))
    });
    let found = found.max_by_key(|b| b.at)?;
    why.push("the source was not captured: from below the stop is bounded by the stream at the destination, less a round trip".to_owned());
    Some(found)
}

/// What the client sent last that the VM answered before it stopped.
fn last_answer(inputs: &Inputs<'_>, until: Timestamp) -> Option<Bound> {
    let (point, moment, sent) = super::client::last_answered(inputs, until)?;
    Some(inputs.not_before(point, moment, sent, "last answer of the VM at the client before the stop"))
}

/// When the last pre-copy byte passed the source; it may have waited in the send buffer.
fn last_part(inputs: &Inputs<'_>) -> Option<Timestamp> {
    inputs.by_role(Role::Source).find_map(|(_, p)| {
        let mark = p.migration?.timeline.last_part.filter(Mark::is_exact)?;
        Some(p.reference(mark.at.at))
    })
}

/// When QEMU flushed the end of pre-copy, if that went out by itself: the guest ran then, unless the send buffer held it back.
fn flushed(inputs: &Inputs<'_>) -> Option<Timestamp> {
    inputs.by_role(Role::Source).find_map(|(_, p)| {
        let mark = p.migration?.timeline.last_flush.filter(Mark::is_exact)?;
        Some(p.reference(mark.at.at))
    })
}
