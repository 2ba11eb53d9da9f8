//! Calls over AMQP, each once: what several points saw of one is known by its id.

use std::collections::HashMap;

use super::outcome;
use crate::app::amqp::ledger::{Leg, Rpc};
use crate::base::net::Side;
use crate::base::time::Timestamp;
use crate::engine::assemble::Known;
use crate::measure::control::Step;
use crate::model::Control;

/// One call, as the points saw it.
struct Seen<'a> {
    by: Vec<(&'a Known, &'a Rpc)>,
}

/// The steps; `points` with the caller's own before others.
pub(super) fn steps(points: &[&Known]) -> Vec<Step> {
    let mut calls: Vec<Seen<'_>> = Vec::new();
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for point in points {
        for call in &point.result.state.ledgers.amqp.calls {
            // A message whose id was not captured cannot be told from another: it stands for itself.
            let id = call.message.unique_id.as_deref().or(call.message.msg_id.as_deref());
            match id.and_then(|id| by_id.get(id)) {
                Some(i) => calls[*i].by.push((point, call)),
                None => {
                    if let Some(id) = id {
                        by_id.insert(id, calls.len());
                    }
                    calls.push(Seen { by: vec![(point, call)] });
                }
            }
        }
    }
    // They are told once already: nothing else is the same.
    let one = |(i, seen): (usize, &Seen<'_>)| Some(Step { control: seen.step()?, same: format!("amqp {i}"), ..Step::default() });
    calls.iter().enumerate().filter_map(one).collect()
}

impl Seen<'_> {
    fn step(&self) -> Option<Control> {
        // Sent and answered at one point: its clock alone matters.
        let sent = self.by.iter().find(|s| s.1.sent.is_some() && answer(s.1).is_some());
        let (point, call) = sent.or_else(|| self.by.iter().find(|s| s.1.sent.is_some())).or(self.by.first())?;
        let at = |point: &Known, leg: &Leg| point.clock.to_reference(leg.1.at);
        let asked = call.sent.as_ref().or(call.taken.as_ref())?;
        let time: Timestamp = at(point, asked);
        let answered = answer(call).map(|leg| at(point, leg)).or_else(|| self.by.iter().find_map(|(p, c)| Some(at(p, answer(c)?))));
        let message = &call.message;
        let takers = self.by.iter().map(|s| s.1.takers).max().unwrap_or(0);
        let taken = self.by.iter().find_map(|s| s.1.taken.as_ref()).filter(|_| takers == 1);
        let to = match taken {
            Some(leg) => leg.0.end(Side::Client).to_string(),
            None if message.routing_key.is_empty() => message.exchange.clone(),
            None => message.routing_key.clone(),
        };
        let from = if call.sent.is_some() { asked.0.end(Side::Client) } else { asked.0.end(Side::Server) };
        Some(Control {
            time: Some(time),
            from: from.to_string(),
            to,
            what: message.method.clone()?,
            detail: self.detail(call),
            // A reply can stand before its call only where clocks are not related.
            ms: answered.map(|t| (t - time).ms()).filter(|ms| *ms >= 0.0),
            point: point.role.name().to_owned(),
            frame: asked.1.place.frame,
            kind: "rpc".to_owned(),
            chain: message.request_id.clone(),
            // A cast, a fanout and a notification want no answer.
            outcome: message.reply_queue.is_some().then(|| outcome(self.failure().is_some(), answered.is_some())).flatten(),
            ..Control::default()
        })
    }

    fn failure(&self) -> Option<&String> {
        self.by.iter().find_map(|s| s.1.message.failure.as_ref())
    }

    fn detail(&self, call: &Rpc) -> String {
        let message = &call.message;
        let kind = match () {
            () if message.notification => "notification",
            () if message.exchange.ends_with("_fanout") => "fanout",
            () if message.reply_queue.is_some() => "call",
            () => "cast",
        };
        let topic = if message.routing_key.is_empty() { &message.exchange } else { &message.routing_key };
        let parts = [
            Some(format!("AMQP {kind} to {topic}")),
            message.request_id.clone(),
            self.failure().map(|class| format!("error: {class}")),
            message.completed.is_none().then(|| "not all of it was captured".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// When the caller had its answer, else when it was on its way.
fn answer(call: &Rpc) -> Option<&Leg> {
    call.reply_taken.as_ref().or(call.reply_sent.as_ref())
}
