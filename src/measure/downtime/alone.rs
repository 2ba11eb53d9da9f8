//! What is told where no migration stream was captured: at a client alone, or beside a migration network of its own.
//!
//! Method: RARP in the VM's name is sent by the hypervisor that takes it over (QEMU `net/announce.c`), so it says that the VM moved, and when.
//! A client behind a router sees none of it: there the longest wait for the VM is told for what it is.
//!
//! Bias: a hypervisor that is told to announce a guest that did not move (QMP `announce-self`) looks like a migration.

use super::client::{NOTICED, UNUSUAL, around, usual_of_all};
use super::evidence::Evidence;
use super::{Inputs, PointView};
use crate::base::interval::Interval;
use crate::base::net::Mac;
use crate::base::time::{NS_PER_S, Nanos, Timestamp};
use crate::measure::presence::announce::Kind;
use crate::measure::presence::silence::Ranked;
use crate::measure::service::{Direction, Wait};
use crate::model;

/// Announcements further apart than this are of two migrations: QEMU repeats its own within a second, managers for a few.
const ANOTHER: Nanos = Nanos(10 * NS_PER_S);

/// When the VM was announced: first and last frame of each series, on the reference clock.
pub fn announced(points: &[PointView<'_>], macs: &[Mac]) -> Vec<(Timestamp, Timestamp)> {
    let of = |p: &PointView<'_>| -> Vec<Timestamp> {
        let all = p.presence.announcements().iter().filter(|a| a.kind == Kind::Rarp && macs.contains(&a.mac));
        all.map(|a| p.reference(a.when.at)).collect()
    };
    let mut times: Vec<Timestamp> = points.iter().flat_map(of).collect();
    times.sort_unstable();
    let mut series: Vec<(Timestamp, Timestamp)> = Vec::new();
    for at in times {
        match series.last_mut() {
            Some(last) if at - last.1 <= ANOTHER => last.1 = at,
            _ => series.push((at, at)),
        }
    }
    series
}

/// True if there is no migration that a silence could be related to.
pub(super) fn is(inputs: &Inputs<'_>) -> bool {
    inputs.span.is_none() && inputs.outcome.is_none()
}

/// The longest time that the client waited for the VM, if it is one that somebody notices.
pub(super) fn network(index: usize, view: &PointView<'_>, direction: &Direction, evidence: &mut Evidence<'_>) -> model::Window {
    let usual = usual_of_all(direction);
    let limit = usual.map_or(NOTICED, |u| Nanos(u.0.saturating_mul(UNUSUAL)).max(NOTICED));
    let mut window = model::Window::default();
    let Some(wait) = direction.waits().max_by_key(Wait::rank).filter(|w| w.rank() > limit.0) else {
        window.why = Some(format!("no migration was captured, and the client never waited longer than {:.1} ms for the VM", limit.ms()));
        return window;
    };
    evidence.add("last packet of the VM at the client", index, wait.last);
    evidence.add("first packet of the VM at the client after the silence", index, wait.end);
    let (gap, wanted) = ((wait.end.at - wait.last.at).ms(), Nanos(wait.rank()).ms());
    let idle = wait.since() - wait.last.at;
    // A client that idled before it asked does not know how long nobody would have answered.
    let steady = idle <= usual.map_or(Nanos(0), |u| u + Nanos(u.0 / 2));
    let start = around(view, wait.last.at);
    window.start = Some(Interval { upper: view.reference(wait.since()).max(start.upper), ..start });
    window.end = Some(around(view, wait.end.at));
    window.ms = Some(if steady { Interval::exact(gap) } else { Interval::new(wanted, wanted, gap) });
    window.recovered = Some(true);
    window.ended_by = Some("traffic".to_owned());
    window.why =
        Some("no migration was captured: the longest time in which the client waited for the VM, whatever it came from".to_owned());
    window
}
