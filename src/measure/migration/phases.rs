//! Phases of a migration: setup, iteration, stop-and-copy, load, post-copy.

use super::View;
use crate::app::migration::{ChannelKind, Mark, Observed};
use crate::base::role::Role;
use crate::base::time::Timestamp;
use crate::flow::Moment;
use crate::model;

pub(super) fn phases(views: &[View<'_>], sent: &View<'_>) -> Vec<model::Phase> {
    let o = sent.observed;
    let t = &o.timeline;
    let at = |m: Moment| Some(sent.clock.to_reference(m.at));
    let mark = |m: Mark| at(m.at);
    let mut phases = Vec::new();
    let mut add = |name: &str, start: Option<Timestamp>, end: Option<Timestamp>, bytes: u64| {
        if start.is_some() && end.is_some() {
            phases.push(model::Phase { name: name.to_owned(), start, end, bytes });
        }
    };
    let begin = t.syn.or(t.first_byte.map(|m| m.at));
    let setup_end = t.setup_end.or(t.first_part);
    add("setup", begin.and_then(at), setup_end.and_then(mark), setup_end.map_or(0, |m| m.offset));
    let copied_to = t.last_flush.or(t.last_part).or(t.switchover_first).or(t.last_byte);
    if let (Some(from), Some(to)) = (t.first_part, copied_to) {
        add("iteration", mark(from), mark(to), to.offset.saturating_sub(from.offset) + beside(o, None, Some(to.at.at)));
    }
    let stopped_until = t.packaged_end.or(t.eof);
    if let (Some(from), Some(to)) = (t.switchover_first, stopped_until) {
        let helped = copied_to.map(|m| m.at.at);
        add("stop-and-copy", mark(from), mark(to), to.offset.saturating_sub(from.offset) + beside(o, helped, Some(to.at.at)));
    }
    if let (Some(from), Some(to)) = (t.packaged_end, t.eof.or(t.last_byte)) {
        add("postcopy", mark(from), mark(to), to.offset.saturating_sub(from.offset) + beside(o, Some(from.at.at), None));
    }
    load(views, sent, &mut add);
    phases
}

/// From the arrival of EOF at the destination until it says that it has finished; its own point says best when that was.
fn load(views: &[View<'_>], sent: &View<'_>, add: &mut impl FnMut(&str, Option<Timestamp>, Option<Timestamp>, u64)) {
    let view = views.iter().find(|v| v.role == Role::Destination && v.observed.timeline.eof.is_some()).unwrap_or(sent);
    let t = &view.observed.timeline;
    let (Some(eof), Some(shut)) = (t.eof, t.shut) else { return };
    if t.packaged_end.is_some() {
        return;
    }
    let bytes = t.vmdesc_end.map_or(0, |m| m.offset.saturating_sub(eof.offset));
    let at = |t: Timestamp| Some(view.clock.to_reference(t));
    add("load", at(eof.at.at), at(shut.at), bytes);
}

/// Bytes that multifd and preempt channels carried in a span of time, by the last burst that ended in it.
fn beside(o: &Observed, from: Option<Timestamp>, to: Option<Timestamp>) -> u64 {
    let helpers = o.channels.iter().filter(|c| matches!(c.report.kind, ChannelKind::Multifd(_) | ChannelKind::Preempt));
    helpers
        .map(|c| {
            let upto = |t: Option<Timestamp>| match t {
                None => c.report.sent_bytes,
                Some(t) => c.report.data_ends.iter().rev().find(|m| m.at.at <= t).map_or(0, |m| m.offset),
            };
            upto(to).saturating_sub(from.map_or(0, |f| upto(Some(f))))
        })
        .sum()
}
