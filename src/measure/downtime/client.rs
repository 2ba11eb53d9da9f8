//! What the client saw: the network's downtime and that of each service.
//!
//! `network` runs from the VM's last packet at the client to the first after; announcements are no packets for the client. Where the
//! client was idle, that is an upper bound. `service` windows are waits longer than the usual ones of that service and direction (the resolution); those
//! outside the pause count only when several times as long.
//!
//! A wait begins with the last packet where packets come at a steady pace (probes), and with the first request that went unanswered where
//! they do not: idling is no downtime.

use super::evidence::Evidence;
use super::{Inputs, Pause, PointView, alone};
use crate::base::interval::Interval;
use crate::base::net::Side;
use crate::base::role::Role;
use crate::base::time::{Nanos, Timestamp};
use crate::flow::Moment;
use crate::measure::meter::ChannelKey;
use crate::measure::presence::announce::Kind;
use crate::measure::service::{Direction, Quiet, Wait};
use crate::model;

/// Waits outside the pause count when longer than this many usual ones, and than a moment that people notice.
pub(super) const UNUSUAL: i64 = 5;
pub(super) const NOTICED: Nanos = Nanos(100_000_000);
/// Waits outside the pause that are listed, the longest.
const LISTED: usize = 32;
/// Nothing came back: at least this many requests, or this long after a single one.
const DEAD_ASKS: u32 = 3;
const DEAD_WAIT: Nanos = Nanos(5_000_000_000);
/// A client that asks for nothing for longer than this after the pause tells nothing of when the network was back.
const IDLE: Nanos = Nanos(100_000_000);
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
    out.network = network(inputs, index, view, anchor, out.vm.ms, evidence);
    // Until the network is back, services cannot be.
    let back = out.network.end.map(|e| view.own(e.upper));
    out.service = services(inputs, view, anchor, anchor.until(back));
}

/// The point that speaks for the client.
fn client<'a>(inputs: &'a Inputs<'_>) -> Option<(usize, &'a PointView<'a>)> {
    let talks = |p: &PointView<'_>| p.meter.channels.iter().any(|c| vm_side(inputs, &c.key).is_some());
    inputs.by_role(Role::Client).find(|(_, p)| matches!(p.role, Role::Client | Role::Unknown) && talks(p))
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

/// The latest moment at which something was sent at the client that the VM answered, with its answer: the VM ran then or later. Only answers
/// that came before `until` (reference clock) count.
pub(super) fn last_answered(inputs: &Inputs<'_>, until: Timestamp) -> Option<(usize, Moment, Timestamp)> {
    let (index, view) = client(inputs)?;
    let until = view.own(until) - view.uncertainty();
    let pairs = view.meter.channels.iter().enumerate().filter(|(_, c)| c.key.proto == 0);
    let directions = pairs.filter_map(|(i, c)| {
        let side = vm_side(inputs, &c.key)?;
        Some(&view.services.track(i as u32)?.sides[side.index()])
    });
    let answers = directions.flat_map(|d| {
        let kept = d.quiet().into_iter().flat_map(|q| q.iter()).map(|q| (q.start, q.answers));
        kept.chain(d.last.map(|last| (last, d.last_answers())))
    });
    answers.filter(|(moment, _)| moment.at <= until).filter_map(|(moment, sent)| Some((index, moment, sent?))).max_by_key(|a| a.2)
}

/// Where on the client's clock the pause lies.
#[derive(Clone, Copy)]
enum Anchor {
    /// From the guest's stop, at the latest, to its resume, at the latest.
    Pause(Timestamp, Timestamp),
    /// Only the VM's first announcement after it is known, on this clock at the earliest and at the latest.
    Announced(Timestamp, Timestamp),
    /// Only that it lies within the migration.
    Migration(Timestamp, Timestamp),
    /// Nothing is known of it: it did not take place, or was not captured.
    None,
}

fn anchor(inputs: &Inputs<'_>, view: &PointView<'_>, pause: Option<Pause>) -> Anchor {
    let slack = view.uncertainty();
    if let Some(pause) = pause {
        let end = pause.end.map_or_else(|| inputs.span.map_or(pause.start.upper, |s| s.1.max(pause.start.upper)), |e| e.upper);
        // From where on the guest stands still for certain: from below the stop may not be known at all.
        return Anchor::Pause(view.own(pause.start.upper.min(end)) - slack, view.own(end) + slack);
    }
    let announced = announced_within(inputs, view);
    match (announced, inputs.outcome) {
        (_, Some(crate::app::migration::Outcome::Cancelled | crate::app::migration::Outcome::Failed)) => Anchor::None,
        (Some((from, to)), _) => Anchor::Announced(from, to),
        (None, _) => inputs.span.map_or(Anchor::None, |(from, to)| Anchor::Migration(view.own(from), view.own(to))),
    }
}

/// The VM's first announcement of this migration that a point saw.
fn first_announcement(inputs: &Inputs<'_>, view: &PointView<'_>) -> Option<Moment> {
    let from = inputs.span.map(|s| s.0).or(inputs.after).unwrap_or(Timestamp::MIN);
    let to = inputs.before.filter(|_| inputs.span.is_none()).unwrap_or(Timestamp::MAX);
    let of_vm = view.presence.announcements().iter().filter(|a| inputs.macs.contains(&a.mac) && a.kind == Kind::Rarp);
    let mut times = of_vm.map(|a| a.when);
    times.find(|when| (from..to).contains(&view.reference(when.at)))
}

/// The VM's first announcement of this migration, on the client's clock: as the client saw it, else as another point did.
fn announced_within(inputs: &Inputs<'_>, view: &PointView<'_>) -> Option<(Timestamp, Timestamp)> {
    if let Some(when) = first_announcement(inputs, view) {
        return Some((when.at, when.at));
    }
    let others =
        inputs.points.iter().filter_map(|p| Some((p.reference(first_announcement(inputs, p)?.at), p.uncertainty() + view.uncertainty())));
    others.min().map(|(at, slack)| (view.own(at) - slack, view.own(at) + slack))
}

impl Anchor {
    /// True if the silence between two packets belongs to the pause.
    fn touches(self, last: Timestamp, end: Timestamp) -> bool {
        match self {
            Self::Pause(from, to) => last <= to && end >= from,
            // The announcement comes just after the resume, so the silence contains it or ended at it.
            Self::Announced(from, to) => last <= to && end >= from,
            Self::Migration(from, to) => last <= to && end >= from,
            Self::None => false,
        }
    }

    /// The same, but lasting until `back` at least.
    fn until(self, back: Option<Timestamp>) -> Self {
        match (self, back) {
            (Self::Pause(from, to), Some(back)) => Self::Pause(from, to.max(back)),
            _ => self,
        }
    }

    /// The end of the pause at the latest.
    fn over(self) -> Option<Timestamp> {
        match self {
            Self::Pause(_, to) | Self::Migration(_, to) => Some(to),
            Self::Announced(_, to) => Some(to),
            Self::None => None,
        }
    }
}

pub(super) fn around(view: &PointView<'_>, at: Timestamp) -> Interval<Timestamp> {
    let (t, slack) = (view.reference(at), view.uncertainty());
    Interval::new(t - slack, t, t + slack)
}

fn network(
    inputs: &Inputs<'_>,
    index: usize,
    view: &PointView<'_>,
    anchor: Anchor,
    vm: Option<Interval>,
    evidence: &mut Evidence<'_>,
) -> model::Window {
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
    // Without a migration to relate it to, the end of the VM is told all the same.
    if let Some(dead) = dead.filter(|d| anchor.over().map_or_else(|| alone::is(inputs), |over| d.last.at <= over)) {
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
    if alone::is(inputs) && matches!(anchor, Anchor::None) {
        return alone::network(index, view, direction, evidence);
    }
    let Some(silence) = longest(direction, anchor) else {
        window.why = Some(unseen(direction, anchor));
        if let (Some(over), Some(silences)) = (anchor.over(), direction.quiet())
            && direction.last.is_some_and(|l| l.at > over)
        {
            let bound = silences.forgotten_around(over).ms();
            let pause = vm.map_or((0.0, bound), |p| (p.lower.min(bound), p.estimate));
            window.ms = Some(Interval::new(pause.0, pause.1, bound));
            window.recovered = Some(true);
        }
        return window;
    };
    evidence.add("last packet of the VM at the client", index, silence.start);
    if let (Anchor::Announced(..), Some(first)) = (anchor, first_announcement(inputs, view)) {
        evidence.add("first RARP of the VM at the client", index, first);
    }
    evidence.add("first packet of the VM at the client after the pause", index, silence.end);
    window.start = Some(around(view, silence.start.at));
    window.end = Some(around(view, silence.end.at));
    window.recovered = Some(true);
    let gap = silence.length().ms();
    window.ms = Some(Interval::exact(gap));
    let wait = direction.waits().find(|w| w.end == silence.end);
    let mut why = Vec::new();
    match wait.and_then(|w| w.asked) {
        Some(asked) => {
            why.push(format!("the first unanswered request came {:.1} ms after the VM's last packet", (asked - silence.start.at).ms()))
        }
        None => why.push("nothing that was asked of the VM in it had to wait for long".to_owned()),
    }
    let wanted = wait.map_or_else(|| silence.end.at - direction.forgotten_around(silence.end.at), |w| w.since());
    if let (Some(pause), Some(over)) = (vm, anchor.over())
        && wanted > over
    {
        // All that is certain is that the VM could not send while it stood still.
        let estimate = if wanted - over > IDLE { pause.estimate } else { gap };
        let least = pause.lower.min(gap);
        window.ms = Some(Interval::new(least, estimate, gap));
        let (start, end) = (around(view, silence.start.at), around(view, silence.end.at));
        window.end = Some(Interval { lower: end.lower.min(start.lower + Nanos((least * 1e6) as i64)), ..end });
        why.push(format!(
            "nothing was asked of the VM for {:.1} ms after the pause: the network may have been back by then",
            (wanted - over).ms()
        ));
    }
    let (ended_by, after) = ended_by(inputs, view, silence, wait.as_ref(), direction);
    window.ended_by = Some(ended_by.to_owned());
    why.extend(after);
    if matches!(anchor, Anchor::Migration(..)) {
        why.push("taken for the pause because it is the longest silence during the migration".to_owned());
    }
    window.why = Some(why.join("; "));
    window
}

/// The longest time without a packet of the VM that touches the pause.
fn longest(direction: &Direction, anchor: Anchor) -> Option<Quiet> {
    let quiet = direction.quiet()?;
    quiet.iter().filter(|s| anchor.touches(s.start.at, s.end.at)).max_by_key(Quiet::length)
}

/// Why there is no such time.
fn unseen(direction: &Direction, anchor: Anchor) -> String {
    match (anchor.over(), direction.quiet()) {
        (None, _) => "no pause to relate it to: no migration was completed in this capture".to_owned(),
        (Some(over), _) if direction.last.is_some_and(|l| l.at <= over) => {
            "the VM sent nothing to the client after the pause, and was asked for nothing".to_owned()
        }
        (Some(over), Some(silences)) => {
            format!("the client was without packets of the VM for less than {:.1} ms", silences.forgotten_around(over).ms())
        }
        (Some(_), None) => "the VM sent too little to the client".to_owned(),
    }
}

/// What brought the packets back.
fn ended_by(
    inputs: &Inputs<'_>,
    view: &PointView<'_>,
    silence: Quiet,
    wait: Option<&Wait>,
    direction: &Direction,
) -> (&'static str, Option<String>) {
    if let Some(note) = wait.and_then(|w| timer(w, direction)) {
        return ("retransmission-timer", Some(note));
    }
    let within = |at: Timestamp| silence.start.at <= at && at <= silence.end.at;
    if inputs.port_bindings.iter().any(|t| within(view.own(*t))) {
        return ("port-binding", None);
    }
    let heard = view.presence.announcements().iter().find(|a| inputs.macs.contains(&a.mac) && within(a.when.at));
    match heard {
        Some(a) => {
            let note = format!("it came {:.1} ms after the VM's first {}", (silence.end.at - a.when.at).ms(), a.kind.name());
            ("announcement", Some(note))
        }
        None => ("traffic", None),
    }
}

/// A wait that a TCP sender's retransmission timer ended (RFC 6298), and whose.
fn timer(wait: &Wait, direction: &Direction) -> Option<String> {
    if wait.resent {
        return Some("ended when the VM's TCP sent again".to_owned());
    }
    let again = wait.asked_again?;
    let usual = direction.answers.quantile(0.5).map_or(SMALL, Nanos);
    (wait.end.at - again <= SMALL + usual + usual).then(|| {
        format!(
            "the client's TCP waited for its retransmission timer: it sent again {:.1} ms before the answer",
            (wait.end.at - again).ms()
        )
    })
}

/// The usual length of a wait where nothing is known of a pause.
pub(super) fn usual_of_all(direction: &Direction) -> Option<Nanos> {
    usual(direction, Anchor::None, true)
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

fn services(inputs: &Inputs<'_>, view: &PointView<'_>, anchor: Anchor, recovery: Anchor) -> Vec<model::ServiceWindow> {
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
                recovery,
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
    /// The anchor, lasting until the network is back.
    recovery: Anchor,
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
            // A client that sends nothing by itself misses nothing; one whose TCP sends again had got no answer.
            let known = !matches!(self.anchor, Anchor::Migration(..)) && (self.from_vm || wait.resent);
            let (paused, in_pause) = (self.anchor.touches(start, wait.end.at), known && self.recovery.touches(start, wait.end.at));
            let limit = match usual {
                // What was asked after the pause and before the network was back had to wait for long, or was not hit.
                Some(usual) if in_pause && !paused => Nanos(usual.0.saturating_mul(UNUSUAL)),
                Some(usual) if in_pause => usual,
                Some(usual) => Nanos(usual.0.saturating_mul(UNUSUAL)).max(NOTICED),
                None if in_pause => SMALL,
                _ => continue,
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
            None if self.steady => wait.last.at,
            None => wait.since(),
            Some(asked) if self.steady => {
                let spacing = usual.unwrap_or(Nanos(0));
                wait.last.at.max(asked - spacing - Nanos(spacing.0 / 2))
            }
            Some(asked) => asked,
        }
    }

    fn note(&self, wait: &Wait) -> Option<String> {
        if !self.steady
            && let Some(note) = timer(wait, self.direction)
        {
            return Some(note);
        }
        if !self.from_vm && wait.asked.is_none() {
            return Some("the client itself sent nothing".to_owned());
        }
        (wait.asks > 1).then(|| format!("{} requests in it", wait.asks))
    }
}
