//! The downtime of a migration: how long the guest stood still, how long the client saw nothing of it, and what each service lost.
//!
//! Three kinds, each with bounds that are proven from frames where frames prove anything:
//!
//! - `vm`: the guest's pause, from the stop on the source to the resume on the destination ([`stop`], [`resume`]).
//! - `network`: from the VM's last packet at the client to the first after ([`client`]).
//! - `service`: the same per service and direction, several windows if there are several ([`client`]).
//!
//! Without a stream the VM's announcement tells where the pause lies, and without that the longest wait stands alone ([`alone`]).
//!
//! Assumptions: a frame's capture time is its time at that interface; the points' clocks are related within the stated uncertainty,
//! which widens every bound that comes from another clock than the reference. Bias: a guest that neither sends nor is announced is
//! seen late, so the end of its pause is overestimated; the interval says so.

mod alone;
mod client;
mod evidence;
mod resume;
mod stop;

use std::net::IpAddr;

use super::meter::{ChannelKey, Meter};
use super::pace::Pace;
use super::presence::Presence;
use super::service::ServiceWatch;
use crate::app::migration::{Observed, Outcome};
use crate::base::clock::ClockMap;
use crate::base::interval::Interval;
use crate::base::net::Mac;
use crate::base::role::Role;
use crate::base::time::{Nanos, Timestamp};
use crate::flow::Moment;
use crate::model;
use evidence::Evidence;

pub use alone::announced;

/// What one capture point brings to the downtime of one migration.
pub struct PointView<'a> {
    /// Role in this migration: on the way home source and destination have changed places.
    pub role: Role,
    /// Role in the run: the name under which the point is reported.
    pub name: Role,
    /// From its clock to the reference clock.
    pub clock: &'a ClockMap,
    /// Paths of its files, by [`crate::base::anomaly::Place::file`].
    pub files: &'a [String],
    /// First packet, on its own clock.
    pub first: Timestamp,
    /// Last packet, on its own clock.
    pub last: Timestamp,
    /// Who was seen sending.
    pub presence: &'a Presence,
    /// Channels.
    pub meter: &'a Meter,
    /// Waits, by the channels of `meter`.
    pub services: &'a ServiceWatch,
    /// Pace of the migration's connections.
    pub pace: &'a Pace,
    /// This migration, if the point saw its stream.
    pub migration: Option<&'a Observed>,
    /// The call that lets the guest run (libvirt's Finish), if the point saw it.
    pub finish_call: Option<Moment>,
    /// The reply that says that the guest runs.
    pub finish_reply: Option<Moment>,
}

/// Everything that [`assemble`] needs.
pub struct Inputs<'a> {
    /// Capture points.
    pub points: &'a [PointView<'a>],
    /// MAC addresses of the VM.
    pub macs: &'a [Mac],
    /// IP addresses of the VM.
    pub ips: &'a [IpAddr],
    /// How the migration ended, all points considered.
    pub outcome: Option<Outcome>,
    /// End of the migration (or announcement) before this one, on the reference clock.
    pub after: Option<Timestamp>,
    /// Start of the migration (or announcement) after this one, on the reference clock.
    pub before: Option<Timestamp>,
    /// Start and end of the migration, on the reference clock; `None` if there was none.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Name of the service of a channel.
    pub service: &'a dyn Fn(&ChannelKey) -> String,
    /// Moments on the reference clock at which the orchestration switched the VM's network port over.
    pub port_bindings: &'a [Timestamp],
}

/// A bound that frames give, on the reference clock.
#[derive(Clone, Debug)]
struct Bound {
    /// The bound, the clock's uncertainty included.
    at: Timestamp,
    /// The frame's own time.
    seen: Timestamp,
    /// Which point, by index.
    point: usize,
    /// Which frame.
    moment: Moment,
    /// What it is, for people.
    what: String,
}

impl PointView<'_> {
    fn uncertainty(&self) -> Nanos {
        self.clock.uncertainty.unwrap_or(Nanos(0))
    }

    fn reference(&self, at: Timestamp) -> Timestamp {
        self.clock.to_reference(at)
    }

    /// The reference time `at` on this point's clock. The offset changes slowly, so one step back and one correction suffice.
    fn own(&self, at: Timestamp) -> Timestamp {
        let guess = at - (self.clock.to_reference(at) - at);
        guess - (self.clock.to_reference(guess) - at)
    }
}

impl Inputs<'_> {
    /// A bound from below: the truth is not earlier than the frame, less the clock's uncertainty.
    fn not_before(&self, point: usize, moment: Moment, at: Timestamp, what: impl Into<String>) -> Bound {
        let view = &self.points[point];
        let seen = view.reference(at);
        Bound { at: seen - view.uncertainty(), seen, point, moment, what: what.into() }
    }

    /// A bound from above.
    fn not_after(&self, point: usize, moment: Moment, at: Timestamp, what: impl Into<String>) -> Bound {
        let view = &self.points[point];
        let seen = view.reference(at);
        Bound { at: seen + view.uncertainty(), seen, point, moment, what: what.into() }
    }

    /// Points in the order in which their word counts for `role`: those of the role, then those without a role, then the rest.
    fn by_role(&self, role: Role) -> impl Iterator<Item = (usize, &PointView<'_>)> {
        let rank = move |p: &PointView<'_>| match p.role {
            r if r == role => 0,
            Role::Unknown => 1,
            _ => 2,
        };
        let mut order: Vec<_> = self.points.iter().enumerate().collect();
        order.sort_by_key(|(_, p)| rank(p));
        order.into_iter()
    }

    fn has(&self, role: Role) -> bool {
        self.points.iter().any(|p| p.role == role)
    }

    fn postcopy(&self) -> bool {
        self.points.iter().filter_map(|p| p.migration).any(|m| m.postcopy() == Some(true))
    }
}

/// Puts the downtime of one migration together. Works with whatever points there are; what is missing widens the bounds or leaves a
/// part unknown, with the reason.
pub fn assemble(inputs: &Inputs<'_>) -> model::Downtime {
    let mut evidence = Evidence::new(inputs);
    let mut out = model::Downtime::default();
    let (vm, pause) = vm_window(inputs, &mut evidence);
    out.vm = vm;
    client::windows(inputs, pause, &mut out, &mut evidence);
    (out.qemu_ms, out.why) = qemu_ms(inputs, out.vm.start);
    out.evidence = evidence.finish();
    out
}

/// The guest's pause, on the reference clock.
#[derive(Clone, Copy, Debug)]
struct Pause {
    start: Interval<Timestamp>,
    /// `None` if the resume was not seen.
    end: Option<Interval<Timestamp>>,
}

fn vm_window(inputs: &Inputs<'_>, evidence: &mut Evidence<'_>) -> (model::Window, Option<Pause>) {
    let why_not = |why: &str| (model::Window { why: Some(why.to_owned()), ..model::Window::default() }, None);
    match inputs.outcome {
        None => return why_not("no migration stream was captured"),
        Some(Outcome::Cancelled) => return why_not("the migration was cancelled: the guest stayed on the source"),
        Some(Outcome::Failed) => return why_not("the migration failed: the guest did not move"),
        Some(Outcome::Completed | Outcome::Incomplete) => {}
    }
    let stop = match stop::stop(inputs) {
        Ok(stop) => stop,
        Err(why) => return why_not(&why),
    };
    let resume = resume::resume(inputs, stop.interval);
    let mut why = stop.why;
    evidence.add_all(stop.evidence);
    let mut window = model::Window { start: Some(stop.interval), ..model::Window::default() };
    let end = match resume {
        Ok(resume) => {
            why.extend(resume.why);
            evidence.add_all(resume.evidence);
            window.ms = Some(stop.interval.ms_until(&resume.interval));
            window.recovered = Some(true);
            window.ended_by = Some(resume.ended_by);
            window.end = Some(resume.interval);
            Some(resume.interval)
        }
        Err(unseen) => {
            why.push(unseen.why);
            window.recovered = unseen.open.then_some(false);
            None
        }
    };
    for point in inputs.points.iter().filter(|p| p.clock.uncertainty.is_none()) {
        why.push(format!("the clock of {} could not be related to the others: bounds from it count as if it were right", point.name));
    }
    window.why = (!why.is_empty()).then(|| why.join("; "));
    (window, Some(Pause { start: stop.interval, end }))
}

/// The counterpart of QMP's `downtime` is one number: not given where its beginning is less certain than this.
const STOP_KNOWN_MS: f64 = 20.0;

/// QMP's `downtime` runs from just before the stop to the end of the migration thread: with a return path that is SHUT, without
/// one the last write.
fn qemu_ms(inputs: &Inputs<'_>, stop: Option<Interval<Timestamp>>) -> (Option<f64>, Option<String>) {
    if inputs.postcopy() {
        let why = "in post-copy QMP's downtime ends when the package is written, not when it is loaded: no counterpart on the wire";
        return (None, Some(why.to_owned()));
    }
    let Some(stop) = stop else { return (None, Some("the stop of the guest is not known".to_owned())) };
    let unsure = (stop.upper - stop.lower).ms();
    if unsure > STOP_KNOWN_MS {
        return (None, Some(format!("when the guest was stopped is known to within {unsure:.0} ms only")));
    }
    let ends = inputs.by_role(Role::Source).find_map(|(_, p)| {
        let line = &p.migration?.timeline;
        let end = line.shut.or(line.last_byte.or(line.eof).map(|m| m.at))?;
        Some((p.reference(end.at), line.shut.is_none()))
    });
    let written = "without a return path QMP's downtime ends when the last byte is handed to the kernel, which a full send buffer puts before its time on the wire";
    match ends {
        Some((end, unsure)) if end >= stop.estimate => (Some((end - stop.estimate).ms()), unsure.then(|| written.to_owned())),
        _ => (None, Some("the end of the stream was not seen".to_owned())),
    }
}

#[cfg(test)]
mod tests;
