//! HTTP, video and the scenario: read at the point nearest to the viewer.

use super::Known;
use crate::base::net::Side;
use crate::base::role::Role;
use crate::base::time::Timestamp;
use crate::flow::FlowRecord;
use crate::measure::http::{self, Opening, Window};
use crate::measure::scenario;
use crate::measure::video::{self, Context, PlaybackOptions, Session};
use crate::model::{Report, Vm};

/// Fills `http`, `video`, the curves of buffers and the inferred scenario.
pub(super) fn fill(report: &mut Report, points: &[Known], vm: &Vm, player: PlaybackOptions) {
    let Some(point) = nearest(points) else { return };
    let web = &point.result.state.ledgers.web;
    let windows: Vec<Window> = report
        .migrations
        .iter()
        .filter(|m| m.moved())
        .filter_map(|m| {
            // What a client notices is the network's window; where that is not known, the guest's pause.
            let window = if m.downtime.network.start.is_some() { &m.downtime.network } else { &m.downtime.vm };
            Some(Window { start: window.start?, end: window.end })
        })
        .collect();
    let openings: Vec<Opening> = point.result.state.flows.records().filter_map(|(_, record)| opening(record)).collect();
    report.http = http::assemble(web, &openings, &point.clock, point.role.name(), &vm.ips, &windows);
    let context = Context {
        clock: &point.clock,
        vm_ips: &vm.ips,
        windows: &windows,
        origin: report.series.origin.unwrap_or_default(),
        end: point.span().map_or(Timestamp::MAX, |s| s.1),
        playback: player,
    };
    let sessions = video::sessions(web, &context);
    report.video = sessions.iter().map(Session::report).collect();
    report.series.video = sessions.iter().map(Session::rate_curve).collect();
    report.series.buffer = sessions.iter().filter_map(|s| s.curve(context.origin)).collect();
    let inferred = scenario::infer(&sessions, &vm.ips);
    let given = report.run.scenario_source == "given";
    if given {
        report.run.scenario_inferred = Some(inferred.name.to_owned());
    } else {
        report.run.scenario = inferred.name.to_owned();
    }
    if given && inferred.name != "unknown" && report.run.scenario != inferred.name {
        report.warnings.push(format!("The scenario was given as {}; the traffic is that of {}.", report.run.scenario, inferred.name));
    }
    if inferred.name == "unknown" || report.run.scenario != inferred.name {
        report.warnings.push(format!("Scenario {} inferred: {}", inferred.name, inferred.why));
    }
    report.run.scenario_why = Some(inferred.why);
}

/// When a TCP connection was asked for, if its SYN is in the capture.
fn opening(record: &FlowRecord) -> Option<Opening> {
    record.tcp(Side::Client)?.isn?;
    let answered = record.tcp(Side::Server).and_then(|side| side.begun);
    Some(Opening { key: *record.key(), syn: record.first(), last: record.last(), answered })
}

/// The client's point, else the one that saw most of the web.
fn nearest(points: &[Known]) -> Option<&Known> {
    let seen = |p: &&Known| p.result.state.ledgers.web.weight();
    points.iter().find(|p| p.role == Role::Client).or_else(|| points.iter().filter(|p| seen(p).1 > 0).max_by_key(seen))
}
