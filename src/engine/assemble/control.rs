//! The control timeline: who asked whom for what, each call once, however many points saw it.

mod amqp;

use super::Known;
use crate::app::libvirt;
use crate::app::openstack;
use crate::base::role::Role;
use crate::base::secret;
use crate::base::time::Timestamp;
use crate::flow::FlowKey;
use crate::measure::control::{Api, Step, merge};
use crate::model::Control;

/// All steps in the order of time.
pub(super) fn steps(points: &[Known]) -> Vec<Step> {
    let mut all: Vec<Step> = Vec::new();
    for (i, point) in points.iter().enumerate() {
        let ledgers = &point.result.state.ledgers;
        all.extend(ledgers.libvirt.iter().filter_map(|(key, call)| of_libvirt(point, i, key, call)));
        all.extend(ledgers.openstack.iter().filter_map(|call| of_api(point, i, call)));
    }
    // The caller's own point comes before others.
    let mut order: Vec<&Known> = points.iter().collect();
    order.sort_by_key(|p| rank(p, true));
    all.extend(amqp::steps(&order));
    merge(all)
}

/// Which point is believed where several have a call: the callers' own come first.
fn rank(point: &Known, answered: bool) -> u8 {
    let order = match point.role {
        Role::Source => 0,
        Role::Controller => 1,
        Role::Destination => 2,
        _ => 3,
    };
    order + if answered { 0 } else { 4 }
}

fn outcome(failed: bool, answered: bool) -> Option<String> {
    let outcome = match (failed, answered) {
        (true, _) => "failed",
        (false, true) => "ok",
        (false, false) => "unanswered",
    };
    Some(outcome.to_owned())
}

fn of_libvirt(point: &Known, index: usize, key: &FlowKey, call: &libvirt::Call) -> Option<Step> {
    let when = call.asked.or(call.answered)?;
    let at = |t: Timestamp| point.clock.to_reference(t);
    let ms = call.asked.zip(call.answered).map(|(a, b)| (at(b.at) - at(a.at)).ms());
    let serial = format!("libvirt RPC, serial {}", call.serial);
    let error = call.error.as_ref().map(|e| format!("error: {}", secret::text(e)));
    let detail: Vec<String> = [Some(serial), call.detail.clone(), error].into_iter().flatten().collect();
    let control = Control {
        time: Some(at(when.at)),
        from: key.end(call.from).to_string(),
        to: key.end(call.from.other()).to_string(),
        what: call.name(),
        detail: detail.join("; "),
        kind: "libvirt".to_owned(),
        outcome: outcome(call.error.is_some(), call.answered.is_some()),
        ms,
        point: point.role.name().to_owned(),
        frame: when.place.frame,
        ..Control::default()
    };
    let same = format!("{key} {} {} {} {}", call.from.index(), call.program, call.procedure, call.serial);
    Some(Step { control, point: index, same, rank: rank(point, ms.is_some()), api: None })
}

fn of_api(point: &Known, index: usize, call: &openstack::Call) -> Option<Step> {
    let asked = call.asked?;
    let at = |t: Timestamp| point.clock.to_reference(t);
    let ms = call.answered.map(|answered| (at(answered.at) - at(asked.at)).ms()).filter(|ms| *ms >= 0.0);
    let same = format!("{} {} {}", call.key, call.method, call.path);
    let line =
        [call.method.as_ref(), &call.path, &call.said.words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let answer = call.status.map(|s| s.to_string());
    let cut = call.why.map(|why| format!("not whole: {}", why.name()));
    let detail: Vec<String> = [Some(line), answer, cut].into_iter().flatten().collect();
    let control = Control {
        time: Some(at(asked.at)),
        from: call.key.client.to_string(),
        to: call.key.server.to_string(),
        what: call.step.what.to_owned(),
        detail: detail.join("; "),
        kind: "api".to_owned(),
        request_id: call.request_id.clone(),
        chain: call.for_request.clone().or_else(|| call.request_id.clone()),
        outcome: outcome(call.status.is_some_and(|s| s >= 400), call.status.is_some()),
        ms,
        point: point.role.name().to_owned(),
        frame: asked.place.frame,
        ..Control::default()
    };
    let api = Api {
        server: call.subject.clone(),
        hosts: Some((call.key.client.ip, call.key.server.ip)),
        tokens: call.tokens,
        user: call.said.user.clone(),
        state: call.said.server.clone(),
        status: call.status,
    };
    Some(Step { control, point: index, same, rank: rank(point, ms.is_some()), api: Some(api) })
}
