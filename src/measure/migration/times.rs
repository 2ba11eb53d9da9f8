//! Start, end and length of a migration, as QEMU counts them.
//!
//! QEMU's `total-time` begins inside the command `migrate`, before it connects, and ends when the return path has closed (SHUT came), or
//! without a return path when the socket has taken the last byte (`migration/migration.c`, `migrate_init`, `migration_completion_end`).
//! libvirt connects itself and hands the socket over, so that the command comes after the SYN: it lies between shortly before the SYN and
//! the first byte. QEMU takes the difference of two times in whole milliseconds.

use super::View;
use crate::base::interval::Interval;
use crate::base::time::{Nanos, Timestamp};

/// From the command to the SYN: 0.1 to 5 ms in measured runs. The wire does not show it.
const BEFORE_SYN: Nanos = Nanos(5_000_000);
/// What rounding of both ends to milliseconds may add or take away.
const ROUNDING: Nanos = Nanos(1_000_000);
/// From SHUT or the last byte to the end that QEMU counts: its threads are woken, up to 5 ms in measured runs.
const AFTER_LAST: Nanos = Nanos(5_000_000);

pub(super) struct Times {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub total: Option<Interval>,
    pub setup: Option<f64>,
}

pub(super) fn times(views: &[View<'_>], sent: &View<'_>) -> Times {
    let t = &sent.observed.timeline;
    let at = |m: Timestamp| sent.clock.to_reference(m);
    let first = t.syn.or(t.first_byte.map(|m| m.at));
    let start = first.map(|m| at(m.at));
    let closed = [t.fin, t.receiver_fin, t.rst].into_iter().flatten().map(|m| m.at).min();
    let last_byte = [t.last_byte, t.vmdesc_end, t.eof].into_iter().flatten().map(|m| m.at.at).max();
    let last_heard = sent.observed.channels.iter().filter_map(|c| c.end()).map(|m| m.at).max();
    let end = t.shut.map(|m| m.at).or(closed).or(last_byte).or(last_heard).map(at);
    let known_start = t.syn.is_some();
    let over = t.shut.is_some() || closed.is_some();
    let begun = t.first_byte.map(|m| m.at.at);
    let total = match (first, t.shut.map(|m| m.at), last_byte) {
        (Some(first), Some(shut), _) if known_start => Some(length(first.at, begun, shut, shut)),
        (Some(first), None, Some(last)) if known_start && over => Some(length(first.at, begun, last, closed.unwrap_or(last).max(last))),
        _ => None,
    };
    let setup = t.syn.zip(t.setup_end).map(|(syn, end)| (end.at.at - syn.at).ms());
    let _ = views;
    Times { start, end, total, setup }
}

/// From the SYN, or from later but not after the first byte, to the end, which lies between `end` and `latest`.
fn length(syn: Timestamp, first_byte: Option<Timestamp>, end: Timestamp, latest: Timestamp) -> Interval {
    let least = (end - first_byte.unwrap_or(end) - ROUNDING).ms().max(0.0);
    let most = (latest - syn + BEFORE_SYN + AFTER_LAST + ROUNDING).ms();
    Interval::new(least, (end - syn).ms(), most)
}
