//! Start, end and length of a migration, as QEMU counts them.
//!
//! QEMU's `total-time` begins inside the command `migrate`, before it connects, and ends when the return path has closed (SHUT came), or
//! without a return path when the socket has taken the last byte (`migration/migration.c`, `migrate_init`, `migration_completion_end`).
//! libvirt connects itself and hands the socket over, so that the command comes after the SYN: it lies between shortly before the SYN and
//! the first byte. QEMU takes the difference of two times in whole milliseconds.

use super::View;
use crate::app::migration::Observed;
use crate::base::interval::Interval;
use crate::base::time::{Nanos, Timestamp};

/// From the command to the SYN: 0.1 to 8 ms in measured runs. The wire does not show it.
const BEFORE_SYN: Nanos = Nanos(10_000_000);
/// From SHUT or the last byte to the end that QEMU counts, where the closing of the connection, which comes after it, was not captured.
const AFTER_LAST: Nanos = Nanos(25_000_000);
/// What rounding of both ends to milliseconds may add or take away.
const ROUNDING: Nanos = Nanos(1_000_000);
/// Bytes that QEMU may have written and that have not left: Linux lets a socket buffer grow to 4 MiB (tcp_wmem), queues below it hold more.
const BUFFERED: u64 = 8 << 20;

pub(super) struct Times {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub total: Option<Interval>,
    pub setup: Option<f64>,
}

pub(super) fn times(sent: &View<'_>) -> Times {
    let t = &sent.observed.timeline;
    let at = |m: Timestamp| sent.clock.to_reference(m);
    let first = t.syn.or(t.first_byte.map(|m| m.at));
    let closed = [t.fin, t.receiver_fin, t.rst].into_iter().flatten().map(|m| m.at).min();
    let last_byte = [t.last_byte, t.vmdesc_end, t.eof].into_iter().flatten().map(|m| m.at.at).max();
    let last_heard = sent.observed.channels.iter().filter_map(|c| c.end()).map(|m| m.at).max();
    let end = t.shut.map(|m| m.at).or(closed).or(last_byte).or(last_heard).map(at);
    let over = t.shut.is_some() || closed.is_some();
    // A tunnel was open before: QEMU is told to migrate when its stream is, and writes at once.
    let syn = t.syn.or(t.first_byte.map(|m| m.at).filter(|_| sent.observed.tunnelled()));
    let total = match (syn, t.shut.map(|m| m.at), last_byte) {
        (Some(syn), Some(shut), _) => {
            let after = t.fin.map_or(shut + AFTER_LAST, |f| f.at.max(shut));
            // The thread that waits for SHUT, then the one that ends the migration.
            let estimate = shut + Nanos((after - shut).0.min(AFTER_LAST.0) / 2);
            Some(length(t.first_byte.map_or(syn.at, |m| m.at.at), syn.at, (shut, estimate, after)))
        }
        (Some(syn), None, Some(last)) if over => {
            let after = t.fin.map_or(last + AFTER_LAST, |f| f.at.max(last));
            let least = written(sent.observed).unwrap_or(syn.at).min(last);
            Some(length(t.first_byte.map_or(syn.at, |m| m.at.at), syn.at, (least, last, after)))
        }
        _ => None,
    };
    let setup = syn.zip(t.setup_end).map(|(syn, end)| (end.at.at - syn.at).ms());
    Times { start: first.map(|m| at(m.at)), end, total, setup }
}

/// When the last byte had not been written yet: it left in a burst that began after a rest, or after bytes that filled any buffer.
fn written(o: &Observed) -> Option<Timestamp> {
    let main = o.channels.first()?;
    let facts = main.facts?;
    let rest = facts.sides[main.report.sender.index()].bursts[3].map(|b| b.first.at);
    let t = &o.timeline;
    let marks = [t.first_byte, t.first_part, t.last_part, t.switchover_first, t.end_section_end, t.first_full, t.eof];
    let passes = main.report.passes.iter().map(|p| (p.first, p.offset));
    let known = marks.into_iter().flatten().map(|m| (m.earliest, m.offset)).chain(passes);
    let full = known.filter(|(_, offset)| offset + BUFFERED <= main.report.sent_bytes).map(|(m, _)| m.at).max();
    rest.max(full)
}

/// From the SYN, or from later but not after the first byte, to an end of which two bounds and the estimate are known.
fn length(first_byte: Timestamp, syn: Timestamp, (least, estimate, most): (Timestamp, Timestamp, Timestamp)) -> Interval {
    let lower = (least - first_byte - ROUNDING).ms().max(0.0);
    Interval::new(lower, (estimate - syn).ms(), (most - syn + BEFORE_SYN + ROUNDING).ms())
}
