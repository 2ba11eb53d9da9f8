//! Bytes and pages.

use super::View;
use super::repeats::repeats;
use crate::app::migration::{Channel, ChannelKind, Observed, RamCount};
use crate::model;

fn damaged(o: &Observed) -> Option<String> {
    let why = o.damage().or_else(|| o.unreadable())?;
    Some(
        match why {
            "snaplen" => "the capture was cut by its snap length: not every record could be read",
            "gap" => "bytes of the stream are missing in the capture: not every record could be read",
            "beginning" => "the beginning of the stream is not in the capture",
            "tls" => "the stream is encrypted",
            "limit" => "a bound of the tool was reached: not every record was read",
            "unknown-format" => "the format of the stream is not known",
            _ => "a part of the stream made no sense: not every record could be read",
        }
        .to_owned(),
    )
}

/// Bytes: what the stream carried from the view that read most of it, what the wire carried from the sender's view.
pub(super) fn bytes(views: &[View<'_>], best: &View<'_>, sent: &View<'_>) -> model::MigrationBytes {
    let o = best.observed;
    let mut why = Vec::new();
    let facts: Vec<_> = sent.observed.channels.iter().map(|c| c.facts.map(|f| (f, c.report.sender))).collect();
    let sum = |figure: &dyn Fn(&Channel) -> Option<u64>| o.channels.iter().map(figure).sum::<Option<u64>>();
    let all = |figure: &dyn Fn(&crate::app::migration::ConnectionFacts, crate::base::net::Side) -> u64| {
        facts.iter().map(|f| f.as_ref().map(|(f, side)| figure(f, *side))).sum::<Option<u64>>()
    };
    let read = damaged(o);
    let (ram, device_state) = match &read {
        None => {
            let ram: RamCount = total(o);
            (Some(ram.bytes), o.channels.iter().find_map(|c| c.report.device_bytes))
        }
        Some(reason) => {
            why.push(reason.clone());
            (None, o.channels.iter().find_map(|c| c.report.device_bytes))
        }
    };
    if sent.observed.tunnelled() {
        why.push(
            "the stream shares its connection with the calls of libvirt: the bytes on the wire are those of the connection".to_owned(),
        );
    }
    model::MigrationBytes {
        wire: all(&|f, _| f.sides[0].wire + f.sides[1].wire),
        payload: sum(&|c| Some(c.report.sent_bytes)),
        retransmitted: all(&|f, side| f.sides[side.index()].retransmitted),
        ram,
        device_state,
        storage: storage(views, &mut why),
        unnamed: o.unreadable().is_none().then(|| o.channels.iter().map(|c| c.report.damage.unnamed).sum()),
        why: (!why.is_empty()).then(|| why.join("; ")),
    }
}

/// Storage copied over NBD, or in the stream itself; 0 where there was none. From the first point that could read it.
fn storage(views: &[View<'_>], why: &mut Vec<String>) -> Option<u64> {
    let read = |o: &Observed| {
        let known = o.storage.iter().all(|s| !s.report.tls && (!s.report.damaged || s.report.derived));
        let nbd: u64 = o.storage.iter().map(|s| s.report.written).sum();
        let inside: u64 = o.channels.iter().map(|c| c.report.storage_bytes).sum();
        known.then_some(nbd + inside)
    };
    let copied = views.iter().any(|v| !v.observed.storage.is_empty());
    let candidates = views.iter().filter(|v| !copied || !v.observed.storage.is_empty());
    let found = candidates.map(|v| read(v.observed)).find(Option::is_some).flatten();
    if found.is_none() {
        let tls = views.iter().flat_map(|v| &v.observed.storage).any(|s| s.report.tls);
        let what = if tls { "encrypted" } else { "not wholly captured" };
        why.push(format!("storage (NBD) was copied, but the connection is {what}"));
    }
    found
}

fn total(o: &Observed) -> RamCount {
    let mut all = RamCount::default();
    for channel in &o.channels {
        all.add(&channel.report.ram);
    }
    all
}

/// Pages, if every record was read. Those that QEMU queued twice on its multifd channels count once, as in QMP's figures.
pub(super) fn pages(best: &View<'_>) -> model::Pages {
    let o = best.observed;
    let ram_total_bytes = o.channels.iter().find_map(|c| c.report.ram_total);
    if let Some(why) = damaged(o) {
        return model::Pages { ram_total_bytes, why: Some(why), ..model::Pages::default() };
    }
    if !o.channels.iter().any(|c| c.report.kind == ChannelKind::Main) {
        let why = Some("the main connection was not captured".to_owned());
        return model::Pages { ram_total_bytes, why, ..model::Pages::default() };
    }
    let mut all = total(o);
    let unique = unique(o);
    let mut why = Vec::new();
    if unique.is_none() {
        why.push("the guest is larger than the set of pages that is kept: what was sent again is not known");
    }
    let repeats = repeats(o);
    for repeat in repeats.iter().flatten() {
        let count = if repeat.compressed { &mut all.compressed } else { &mut all.normal };
        *count = count.saturating_sub(1);
    }
    if repeats.is_none() {
        why.push("there are more multifd packets than are kept: pages that QEMU queued twice count twice");
    }
    model::Pages {
        normal: Some(all.normal),
        zero: Some(all.zero),
        xbzrle: Some(all.xbzrle),
        xbzrle_bytes: Some(all.xbzrle_bytes),
        compressed_bytes: Some(all.compressed_bytes),
        compressed: Some(all.compressed),
        resent: unique.map(|u| all.pages().saturating_sub(u)),
        repeated: repeats.map(|r| r.len() as u64),
        ram_total_bytes,
        why: (!why.is_empty()).then(|| why.join("; ")),
    }
}

/// Pages that were sent at least once, over all channels.
fn unique(o: &Observed) -> Option<u64> {
    let mut channels = o.channels.iter();
    let mut all = channels.next()?.report.seen.clone()?;
    for channel in channels {
        all.merge(channel.report.seen.as_ref()?).ok()?;
    }
    Some(all.len())
}
