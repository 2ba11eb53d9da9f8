//! Passes over the guest's memory.
//!
//! Told from the order of the pages' addresses on the channel that carries most of them; pages of other channels are counted to the pass in
//! whose time they fall. Estimates, all of them: QEMU looks for dirty pages before a scan ends.

use super::View;
use super::repeats::{Repeat, repeats};
use crate::app::migration::{Channel, PassCount, RamCount};
use crate::base::time::Timestamp;
use crate::model;

/// A page and its header.
const PAGE_RECORD: f64 = 4104.0;

pub(super) fn passes(best: &View<'_>) -> Vec<model::Pass> {
    let o = best.observed;
    let Some(leader) = o.channels.iter().max_by_key(|c| c.report.ram.bytes) else { return Vec::new() };
    let whole = o.damage().is_none();
    let repeats = repeats(o).unwrap_or_default();
    let mut list = counted_once(leader, &repeats);
    for other in o.channels.iter().filter(|c| c.flow != leader.flow) {
        for pass in &counted_once(other, &repeats) {
            add(&mut list, pass);
        }
    }
    let page = f64::from(leader.report.page_size);
    let at = |t: Timestamp| best.clock.to_reference(t);
    // In a cut stream a pass is all bytes from its first record to that of the next.
    let bytes = |i: usize| {
        let pass = &list[i];
        if whole { pass.sent.bytes } else { list.get(i + 1).map_or(pass.offset_end, |n| n.offset).saturating_sub(pass.offset) }
    };
    (0..list.len())
        .map(|i| {
            let pass = &list[i];
            let seconds = (pass.last.at - pass.first.at).seconds();
            let dirtied =
                list.get(i + 1).map(|next| if whole { next.sent.pages() as f64 * page } else { bytes(i + 1) as f64 / PAGE_RECORD * page });
            model::Pass {
                index: i as u32 + 1,
                start: Some(at(pass.first.at)),
                end: Some(at(pass.last.at)),
                bytes: bytes(i),
                normal: whole.then_some(pass.sent.normal),
                zero: whole.then_some(pass.sent.zero),
                dirty_bytes_per_s: dirtied.filter(|_| seconds > 0.0).map(|d| d / seconds),
                estimated: true,
            }
        })
        .collect()
}

/// The passes of a channel without the pages that QEMU queued twice; their bytes stay.
fn counted_once(channel: &Channel, repeats: &[Repeat]) -> Vec<PassCount> {
    let mut passes = channel.report.passes.clone();
    for repeat in repeats.iter().filter(|r| r.flow == channel.flow) {
        if let Some(pass) = passes.iter_mut().rev().find(|p| p.offset <= repeat.offset) {
            let count = if repeat.compressed { &mut pass.sent.compressed } else { &mut pass.sent.normal };
            *count = count.saturating_sub(1);
        }
    }
    passes
}

/// Adds a pass of another channel to the one that it overlaps most.
fn add(list: &mut [PassCount], pass: &PassCount) {
    let overlap = |p: &PassCount| {
        let (from, to) = (p.first.at.max(pass.first.at), p.last.at.min(pass.last.at));
        (to - from).0
    };
    let Some(home) = list.iter_mut().max_by_key(|p| overlap(p)) else { return };
    let sent: &RamCount = &pass.sent;
    home.sent.add(sent);
    home.first = if pass.first.at < home.first.at { pass.first } else { home.first };
    home.last = if pass.last.at > home.last.at { pass.last } else { home.last };
}
