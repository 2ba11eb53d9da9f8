//! How a migration ended, as its connections tell it at one capture point.

use super::channel::ChannelKind;
use super::ledger::Observed;
use crate::flow::EndOfStream;

/// How a migration ended at a capture point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// The destination has taken over, as far as the stream can say.
    Completed,
    /// The source gave up.
    Cancelled,
    /// The destination gave up or vanished.
    Failed,
    /// The capture does not show the end.
    Incomplete,
}

impl Outcome {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The outcome and how it was told.
pub(super) fn told(o: &Observed) -> (Outcome, String) {
    let say = |outcome, why: &str| (outcome, why.to_owned());
    let t = &o.timeline;
    let Some(main) = o.channels.iter().find(|c| c.report.kind == ChannelKind::Main) else { return without_main(o) };
    let complete = o.channels.iter().any(|c| c.report.complete && matches!(c.report.kind, ChannelKind::Main | ChannelKind::Recovery));
    let end =
        o.channels.iter().rev().find(|c| matches!(c.report.kind, ChannelKind::Main | ChannelKind::Recovery)).and_then(|c| c.report.end);
    match (t.shut, t.shut_value) {
        (Some(_), Some(0)) if complete => return say(Outcome::Completed, "the destination said on the return path that it has finished"),
        (Some(_), Some(0)) => {
            return say(Outcome::Completed, "the destination said on the return path that it has finished; the stream's end was not read");
        }
        (Some(_), Some(error)) => {
            return (Outcome::Failed, format!("the destination said on the return path that it failed: {}", error as i32));
        }
        _ => {}
    }
    let receiver_first = match (t.fin, t.receiver_fin) {
        (Some(ours), Some(theirs)) => theirs.at < ours.at,
        (None, Some(_)) => true,
        _ => t.rst_by_sender == Some(false) && t.fin.is_none_or(|f| t.rst.is_some_and(|r| r.at < f.at)),
    };
    if complete {
        if !main.report.return_path {
            return say(
                Outcome::Completed,
                "the stream was sent to its end; there is no return path on which the destination would say that it took over",
            );
        }
        if receiver_first && main.report.answered_bytes > 0 {
            return say(Outcome::Failed, "the stream was sent to its end, but the destination closed without saying that it has finished");
        }
        return say(Outcome::Completed, "the stream was sent to its end; the destination's last word on the return path was not captured");
    }
    match end.map(|e| e.0) {
        Some(EndOfStream::CaptureEnded) | Some(EndOfStream::Limit) | None
            if t.fin.is_none() && t.receiver_fin.is_none() && t.rst.is_none() =>
        {
            say(Outcome::Incomplete, "the capture shows neither the stream's end nor the closing of its connection")
        }
        _ if receiver_first => say(Outcome::Failed, "the destination closed the connection before the stream's end"),
        Some(EndOfStream::Reset) if t.fin.is_none() && t.rst_by_sender != Some(true) => {
            say(Outcome::Failed, "the connection was reset before the stream's end")
        }
        _ => say(Outcome::Cancelled, "the source closed the connection before the stream's end"),
    }
}

fn without_main(o: &Observed) -> (Outcome, String) {
    let say = |outcome, why: &str| (outcome, why.to_owned());
    let Some(first) = o.channels.first() else { return say(Outcome::Incomplete, "nothing was read") };
    let t = &o.timeline;
    match first.report.kind {
        ChannelKind::Multifd(_) | ChannelKind::Preempt | ChannelKind::Recovery | ChannelKind::Main => {
            say(Outcome::Incomplete, "the main connection of this migration was not captured")
        }
        ChannelKind::Tls | ChannelKind::Opaque(_) => {
            let reset = t.rst.is_some() && t.fin.is_none();
            let receiver_first = match (t.fin, t.receiver_fin) {
                (Some(ours), Some(theirs)) => theirs.at < ours.at,
                (None, theirs) => theirs.is_some(),
                _ => false,
            };
            match (reset, t.fin.is_some() || t.receiver_fin.is_some()) {
                (true, _) => say(Outcome::Failed, "the connection was reset; its content is not readable"),
                (false, false) => say(Outcome::Incomplete, "the capture ends before the connection does"),
                (false, true) if receiver_first && first.report.answered_bytes == 0 => {
                    say(Outcome::Failed, "the receiver closed the connection first; its content is not readable")
                }
                (false, true) => {
                    say(Outcome::Completed, "the connection was closed in good order; its content is not readable, so this is a guess")
                }
            }
        }
    }
}
