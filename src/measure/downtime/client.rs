//! What the client saw: the network's downtime and that of each service.
//!
//! `network` runs from the VM's last packet at the client to the first after, if packets were wanted in between; announcements are no
//! packets for the client. `service` windows are waits longer than the usual ones of that service and direction (the resolution); those
//! outside the pause count only when several times as long.
//!
//! A wait begins with the last packet where packets come at a steady pace (probes), and with the first request that went unanswered where
//! they do not: idling is no downtime.

use super::evidence::Evidence;
use super::{Inputs, Pause, PointView};
use crate::base::interval::Interval;
use crate::base::net::{Mac, Side};
use crate::base::role::Role;
use crate::base::time::{Nanos, Timestamp};
use crate::flow::Moment;
use crate::measure::meter::ChannelKey;
use crate::measure::service::{Direction, Wait};
use crate::model;

/// Waits outside the pause count when longer than this many usual ones.
const UNUSUAL: i64 = 3;
/// Waits outside the pause that are listed, the longest.
const LISTED: usize = 32;
/// Nothing came back: at least this many requests, or this long after a single one.
const DEAD_ASKS: u32 = 3;
const DEAD_WAIT: Nanos = Nanos(5_000_000_000);
/// Where nothing is usual yet, waits below this are not worth a line.
const SMALL: Nanos = Nanos(10_000_000);

/// Fills in `network` and `service`.
pub(super) fn windows(inputs: &Inputs<'_>, pause: Option<Pause>, out: &mut model::Downtime, evidence: &mut Evidence<'_>) {
    let Some((index, view)) = client(inputs) else {
        out.network.why = Some(if inputs.ips.is_empty() {
            "the VM's IP address is not known".to_owned()
        } else {
            "no capture at a client that talked to the VM".to_owned()
        });
        return;
    };
    let anchor = anchor(inputs, view, pause);
    out.network = network(inputs, index, view, anchor, evidence);
    out.service = services(inputs, view, anchor);
}

/// The point that speaks for the client.
fn client<'a>(inputs: &'a Inputs<'_>) -> Option<(usize, &'a PointView<'a>)> {
    let talks = |p: &PointView<'_>| p.meter.channels.iter().any(|c| vm_side(inputs, &c.key).is_some());
    inputs.by_role(Role::Client).find(|(_, p)| matches!(p.role, Role::Client | Role::Unknown) && talks(p)).map(|(i, p)| (i, p))
}

fn vm_side(inputs: &Inputs<'_>, key: &ChannelKey) -> Option<Side> {
    if inputs.ips.contains(&key.server) {
        Some(Side::Server)
    } else if inputs.ips.contains(&key.client) {
        Some(Side::Client)
    } else {
        None
    }
}

/// Where on the client's clock the pause lies.
#[derive(Clone, Copy)]
enum Anchor {
    /// Within these two.
    Pause(Timestamp, Timestamp),
    /// Only the VM's first announcement after it is known.
    Announced(Timestamp),
    /// Only that it lies within the migration.
    Migration(Timestamp, Timestamp),
    /// Nothing is known of it: it did not take place, or was not captured.
    None,
}

fn anchor(inputs: &Inputs<'_>, view: &PointView<'_>, pause: Option<Pause>) -> Anchor {
    let slack = view.uncertainty();
    if let Some(pause) = pause {
        let end = pause.end.map_or_else(|| inputs.span.map_or(pause.start.upper, |s| s.1.max(pause.start.upper)), |e| e.upper);
        return Anchor::Pause(view.own(pause.start.lower) - slack, view.own(end) + slack);
    }
    let (from, to) = inputs.span.map_or((Timestamp::MIN, Timestamp::MAX), |(from, _)| (view.own(from), Timestamp::MAX));
    let of_vm = |m: &Mac| inputs.macs.contains(m);
    let announced = view
        .presence
        .announcements()
        .iter()
        .find(|a| of_vm(&a.mac) && a.kind == crate::measure::presence::announce::Kind::Rarp && from <= a.when.at && a.when.at <= to);
    match (announced, inputs.outcome) {
        (_, Some(crate::app::migration::Outcome::Cancelled | crate::app::migration::Outcome::Failed)) => Anchor::None,
        (Some(a), _) => Anchor::Announced(a.when.at),
        (None, _) => inputs.span.map_or(Anchor::None, |(from, to)| Anchor::Migration(view.own(from), view.own(to))),
    }
}

impl Anchor {
    /// True if the silence between two packets belongs to the pause.
    fn touches(self, last: Timestamp, end: Timestamp) -> bool {
        match self {
            Self::Pause(from, to) => last <= to && end >= from,
            // The announcement comes just after the resume, so the silence contains it or ended at it.
            Self::Announced(at) => last <= at && end >= at,
            Self::Migration(from, to) => last <= to && end >= from,
            Self::None => false,
        }
    }

    /// The end of the pause at the latest.
    fn over(self) -> Option<Timestamp> {
        match self {
            Self::Pause(_, to) | Self::Migration(_, to) => Some(to),
            Self::Announced(at) => Some(at),
            Self::None => None,
        }
    }
}

fn around(view: &PointView<'_>, at: Timestamp) -> Interval<Timestamp> {
    let (t, slack) = (view.reference(at), view.uncertainty());
    Interval::new(t - slack, t, t + slack)
}

fn network(inputs: &Inputs<'_>, index: usize, view: &PointView<'_>, anchor: Anchor, evidence: &mut Evidence<'_>) -> model::Window {
    let pairs = view.meter.channels.iter().enumerate().filter(|(_, c)| c.key.proto == 0);
    let directions = pairs.filter_map(|(i, c)| {
        let side = vm_side(inputs, &c.key)?;
        Some(&view.services.track(i as u32)?.sides[side.index()])
    });
    let mut window = model::Window::default();
    let Some(direction) = directions.max_by_key(|d| d.packets) else {
        window.why = Some("the VM sent nothing to the client".to_owned());
        return window;
    };
    let dead = dead(direction, view, usual(direction, anchor, true));
    if let (Some(dead), Some(over)) = (dead, anchor.over()) {
        if dead.last.at <= over {
            evidence.add("last packet of the VM at the client", index, dead.last);
            window.start = Some(around(view, dead.last.at));
            window.recovered = Some(false);
            window.why = Some(format!(
                "not recovered by the end of the capture: {} requests in {:.1} s went unanswered",
                dead.asks,
                (view.last - dead.asked).seconds()
            ));
            return window;
        }
    }
    let Some(wait) = longest(direction, anchor) else {
        let shortest = anchor.over().map_or(Nanos(0), |over| direction.forgotten_around(over));
        window.why = Some(match anchor {
            Anchor::None => "no pause to relate it to: no migration was completed in this capture".to_owned(),
            _ => format!("the client wanted nothing of the VM while it stood still, or waited less than {:.0} ms", shortest.ms()),
        });
        return window;
    };
    evidence.add("last packet of the VM at the client", index, wait.last);
    evidence.add("first packet of the VM at the client after the pause", index, wait.end);
    window.start = Some(around(view, wait.last.at));
    window.end = Some(around(view, wait.end.at));
    window.ms = Some(Interval::exact((wait.end.at - wait.last.at).ms()));
    window.recovered = Some(true);
    let (ended_by, after) = ended_by(inputs, view, &wait, direction);
    window.ended_by = Some(ended_by.to_owned());
    let mut why = vec![match wait.asked {
        Some(asked) => format!("the first unanswered request came {:.1} ms after the VM's last packet", (asked - wait.last.at).ms()),
        None => "the VM was sending by itself".to_owned(),
    }];
    why.extend(after);
    if matches!(anchor, Anchor::Migration(..)) {
        why.push("taken for the pause because it is the longest wait during the migration".to_owned());
    }
    window.why = Some(why.join("; "));
    window
}

fn longest(direction: &Direction, anchor: Anchor) -> Option<Wait> {
    direction.waits().filter(|w| anchor.touches(w.last.at, w.end.at)).max_by_key(|w| w.end.at - w.last.at)
}

/// What brought the packets back.
fn ended_by(inputs: &Inputs<'_>, view: &PointView<'_>, wait: &Wait, direction: &Direction) -> (&'static str, Option<String>) {
    if let Some(note) = timer(wait, direction) {
        return ("retransmission-timer", Some(note));
    }
    let within = |at: Timestamp| wait.last.at <= at && at <= wait.end.at;
    if inputs.port_bindings.iter().any(|t| within(view.own(*t))) {
        return ("port-binding", None);
    }
    let heard = view.presence.announcements().iter().find(|a| inputs.macs.contains(&a.mac) && within(a.when.at));
    match heard {
        Some(a) => {
            let note = format!("the VM answered {:.1} ms after its first {}", (wait.end.at - a.when.at).ms(), a.kind.name());
            ("announcement", Some(note))
        }
        None => ("traffic", None),
    }
}

/// A wait that a TCP sender's retransmission timer ended (RFC 6298), and whose.
fn timer(wait: &Wait, direction: &Direction) -> Option<String> {
    if wait.resent {
        return Some("the VM's TCP waited for its retransmission timer".to_owned());
    }
    let again = wait.asked_again?;
    let usual = direction.answers.quantile(0.5).map_or(SMALL, Nanos);
    (wait.end.at - again <= SMALL + usual + usual).then(|| {
        format!("the client's TCP waited for its retransmission timer: sent again {:.1} ms before the answer", (wait.end.at - again).ms())
    })
}

/// The usual length of a wait, those of the pause left out; `None` if there is nothing to compare with.
fn usual(direction: &Direction, anchor: Anchor, spaced: bool) -> Option<Nanos> {
    let in_pause = direction.waits().filter(|w| anchor.touches(w.last.at, w.end.at)).count() as u64;
    let most = |h: &crate::measure::histogram::Histogram| {
        let rest = h.count().checked_sub(in_pause).filter(|n| *n > 0)?;
        h.quantile(0.95 * rest as f64 / h.count() as f64).map(Nanos)
    };
    if spaced && direction.asks.count() > 0 {
        return most(&direction.asks).max(most(&direction.paced));
    }
    most(&direction.answers).max(most(&direction.paced))
}

/// Requests that found no answer any more.
struct Dead {
    last: Moment,
    asked: Timestamp,
    asks: u32,
}

fn dead(direction: &Direction, view: &PointView<'_>, usual: Option<Nanos>) -> Option<Dead> {
    let open = direction.unanswered()?;
    // Who never answered is not down.
    let last = open.last?;
    let waited = view.last - open.asked;
    let patience = usual.map_or(SMALL, |u| Nanos(u.0.saturating_mul(UNUSUAL)));
    let enough = open.asks >= DEAD_ASKS || waited >= DEAD_WAIT;
    (direction.answers.count() > 0 && enough && waited > patience).then_some(Dead { last, asked: open.asked, asks: open.asks })
}

fn services(inputs: &Inputs<'_>, view: &PointView<'_>, anchor: Anchor) -> Vec<model::ServiceWindow> {
    let mut hit = Vec::new();
    let mut other = Vec::new();
    for (index, channel) in view.meter.channels.iter().enumerate().filter(|(_, c)| c.key.proto != 0) {
        let Some(vm) = vm_side(inputs, &channel.key) else { continue };
        let Some(track) = view.services.track(index as u32) else { continue };
        let peer = match vm {
            Side::Server => channel.key.client,
            Side::Client => channel.key.server,
        };
        let name = (inputs.service)(&channel.key);
        for side in [vm, vm.other()] {
            let direction = &track.sides[side.index()];
            let line = Line {
                view,
                anchor,
                direction,
                // Probes come at a pace of their own; TCP asks when it has something to ask.
                steady: channel.key.proto != 6,
                from_vm: side == vm,
                service: name.clone(),
                client: peer.to_string(),
            };
            line.windows(&mut hit, &mut other);
        }
    }
    other.sort_by(|a: &model::ServiceWindow, b| b.ms.partial_cmp(&a.ms).unwrap_or(std::cmp::Ordering::Equal));
    other.truncate(LISTED);
    hit.extend(other);
    hit.sort_by_key(|w| w.start);
    hit
}

/// One direction of one service.
struct Line<'a> {
    view: &'a PointView<'a>,
    anchor: Anchor,
    direction: &'a Direction,
    steady: bool,
    from_vm: bool,
    service: String,
    client: String,
}

impl Line<'_> {
    fn windows(&self, hit: &mut Vec<model::ServiceWindow>, other: &mut Vec<model::ServiceWindow>) {
        let usual = usual(self.direction, self.anchor, self.steady);
        for wait in self.direction.waits() {
            let start = self.start(&wait, usual);
            let length = wait.end.at - start;
            let in_pause = self.anchor.touches(wait.last.at, wait.end.at) && !matches!(self.anchor, Anchor::Migration(..));
            let limit = match usual {
                Some(usual) if in_pause => usual,
                Some(usual) => Nanos(usual.0.saturating_mul(UNUSUAL)).max(SMALL),
                None if in_pause => SMALL,
                None => continue,
            };
            if length <= limit {
                continue;
            }
            let mut window = self.window(start, usual, in_pause);
            window.end = Some(self.view.reference(wait.end.at));
            window.ms = Some(length.ms());
            window.recovered = true;
            window.note = self.note(&wait);
            if in_pause { hit.push(window) } else { other.push(window) }
        }
        if let Some(dead) = self.from_vm.then(|| dead(self.direction, self.view, usual)).flatten() {
            let in_pause = self.anchor.over().is_some_and(|over| dead.last.at <= over);
            let start = if self.steady { dead.last.at } else { dead.asked };
            let mut window = self.window(start, usual, in_pause);
            window.ms = Some((self.view.last - start).ms());
            window.note = Some(format!("not recovered by the end of the capture: {} requests went unanswered", dead.asks));
            hit.push(window);
        }
    }

    fn window(&self, start: Timestamp, usual: Option<Nanos>, in_pause: bool) -> model::ServiceWindow {
        model::ServiceWindow {
            service: self.service.clone(),
            client: self.client.clone(),
            direction: if self.from_vm { "from-vm" } else { "to-vm" }.to_owned(),
            start: Some(self.view.reference(start)),
            resolution_ms: usual.map(Nanos::ms),
            cause: if in_pause { "migration" } else { "other" }.to_owned(),
            ..model::ServiceWindow::default()
        }
    }

    /// Where the wait began.
    fn start(&self, wait: &Wait, usual: Option<Nanos>) -> Timestamp {
        match wait.asked {
            None => wait.last.at,
            Some(asked) if self.steady => {
                let spacing = usual.unwrap_or(Nanos(0));
                wait.last.at.max(asked - spacing - Nanos(spacing.0 / 2))
            }
            Some(asked) => asked,
        }
    }

    fn note(&self, wait: &Wait) -> Option<String> {
        if !self.steady {
            if let Some(note) = timer(wait, self.direction) {
                return Some(note);
            }
        }
        if !self.from_vm && wait.asked.is_none() {
            return Some("the client itself sent nothing".to_owned());
        }
        (wait.asks > 1).then(|| format!("{} requests in it", wait.asks))
    }
}
