//! Video sessions: what was fetched, how long it plays, and what a player would have made of it.
//!
//! A session is one viewer with one presentation. Its media seconds come from playlists, manifests and container heads, never
//! from guesses; where they are encrypted or missing, only download gaps are told and `knowable` is false.

mod collect;
mod dash;
mod encrypted;
mod hls;
mod p1203;
pub mod playback;
mod progressive;
mod rate;
mod rtp;
mod session;
mod supply;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::http::Window;
use crate::app::web::WebLedger;
use crate::base::clock::ClockMap;
use crate::base::limits::VIDEO_SESSIONS;
use crate::base::time::Timestamp;
use crate::model::{Curve, Video};

pub use p1203::p1203;
pub use playback::{Playback, PlaybackOptions, Supply};
pub use rate::Rate;
pub use session::{Kind, Piece, Session};

/// What is known of the run, to read sessions.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The point's clock.
    pub clock: &'a ClockMap,
    /// Addresses of the VM.
    pub vm_ips: &'a [IpAddr],
    /// When the VM was away.
    pub windows: &'a [Window],
    /// Time 0 of the curves.
    pub origin: Timestamp,
    /// Last packet of the point on the reference clock.
    pub end: Timestamp,
    /// The player.
    pub playback: PlaybackOptions,
}

/// The video sessions of one point, and their buffers over time.
pub fn assemble(web: &WebLedger, context: &Context<'_>) -> (Vec<Video>, Vec<Curve>) {
    let sessions = sessions(web, context);
    let curves = sessions.iter().filter_map(|s| s.curve(context.origin)).collect();
    (sessions.iter().map(Session::report).collect(), curves)
}

/// The sessions with all that is known of them, in the order of their starts, at most [`VIDEO_SESSIONS`].
pub fn sessions(web: &WebLedger, context: &Context<'_>) -> Vec<Session> {
    let viewers = collect::viewers(web, context.clock);
    let mut sessions = Vec::new();
    for viewer in viewers {
        let mut viewer = viewer;
        sessions.extend(hls::sessions(&mut viewer, context));
        sessions.extend(dash::sessions(&mut viewer, context));
        sessions.extend(progressive::sessions(&mut viewer, context));
    }
    sessions.extend(rtp::sessions(web, context));
    sessions.extend(encrypted::sessions(web, context));
    sessions.sort_by_key(|s| s.asked);
    sessions.truncate(VIDEO_SESSIONS);
    sessions
}
