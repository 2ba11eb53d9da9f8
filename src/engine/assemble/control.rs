//! The control timeline: who asked whom for what, each call once, however many points saw it.

mod amqp;

use super::Known;
use crate::app::libvirt::Call;
use crate::base::role::Role;
use crate::base::time::{NS_PER_MS, Nanos, Timestamp};
use crate::flow::FlowKey;
use crate::model::Control;

/// Two points see one message within this on the reference clock.
const SAME: Nanos = Nanos(50 * NS_PER_MS);

/// All steps in the order of time.
pub(super) fn timeline(points: &[Known]) -> Vec<Control> {
    let mut steps: Vec<Control> = Vec::new();
    // The caller's own point comes first: what another one adds is left out where it is the same.
    let mut order: Vec<&Known> = points.iter().collect();
    order.sort_by_key(|p| match p.role {
        Role::Source => 0,
        Role::Controller => 1,
        Role::Destination => 2,
        _ => 3,
    });
    for point in &order {
        let mine: Vec<Control> = point.result.state.ledgers.libvirt.iter().filter_map(|(key, call)| step(point, key, call)).collect();
        let known = steps.len();
        for new in mine {
            let same = |old: &Control| {
                let near = old.time.zip(new.time).is_some_and(|(a, b)| (a - b).0.abs() <= SAME.0);
                near && (&old.from, &old.to, &old.what, &old.detail) == (&new.from, &new.to, &new.what, &new.detail)
            };
            if !steps[..known].iter().any(same) {
                steps.push(new);
            }
        }
    }
    steps.extend(amqp::steps(&order));
    steps.sort_by_key(|s| s.time);
    steps
}

fn step(point: &Known, key: &FlowKey, call: &Call) -> Option<Control> {
    let when = call.asked.or(call.answered)?;
    let at = |t: Timestamp| point.clock.to_reference(t);
    let ms = call.asked.zip(call.answered).map(|(a, b)| (at(b.at) - at(a.at)).ms());
    let serial = format!("libvirt RPC, serial {}", call.serial);
    let error = call.error.as_ref().map(|e| format!("error: {e}"));
    let detail: Vec<String> = [Some(serial), call.detail.clone(), error].into_iter().flatten().collect();
    Some(Control {
        time: Some(at(when.at)),
        from: key.end(call.from).to_string(),
        to: key.end(call.from.other()).to_string(),
        what: call.name(),
        detail: detail.join("; "),
        ms,
        point: point.role.name().to_owned(),
        frame: when.place.frame,
    })
}
