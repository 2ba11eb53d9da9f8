//! Which of the three experiments a run is, told from its traffic: no video, video from the VM, video from elsewhere.

use std::net::IpAddr;

use super::video::Session;

/// What was inferred, and from what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// `no-video`, `offline-video`, `online-video` or `unknown`.
    pub name: &'static str,
    /// A sentence.
    pub why: String,
}

/// Infers the scenario from the video sessions of the point nearest to the viewer and the addresses of the VM.
///
/// The VM serves offline video; video from any other server is online, and so is video that the VM itself fetches. Where both
/// are there the larger download counts.
pub fn infer(sessions: &[Session], vm_ips: &[IpAddr]) -> Scenario {
    let videos: Vec<&Session> = sessions.iter().filter(|s| s.bytes > 0 || !s.pieces.is_empty()).collect();
    if videos.is_empty() {
        return Scenario { name: "no-video", why: "No video session was found in the traffic.".to_owned() };
    }
    if vm_ips.is_empty() {
        return Scenario { name: "unknown", why: "There is video, but the VM's address is not known.".to_owned() };
    }
    let by = |from_vm: bool| {
        let mine = videos.iter().filter(|s| vm_ips.contains(&s.server) == from_vm);
        let bytes: u64 = mine.clone().map(|s| s.bytes).sum();
        (mine.max_by_key(|s| s.bytes), bytes)
    };
    let ((offline, inside), (online, outside)) = (by(true), by(false));
    let chosen = match (offline, online) {
        (Some(s), None) => ("offline-video", s),
        (None, Some(s)) => ("online-video", s),
        (Some(s), Some(_)) if inside >= outside => ("offline-video", s),
        (_, Some(s)) => ("online-video", s),
        (None, None) => return Scenario { name: "no-video", why: "No video session was found in the traffic.".to_owned() },
    };
    let (name, session) = chosen;
    let host = session.host.as_deref().map(|h| format!(" ({h})")).unwrap_or_default();
    let whose = if name == "offline-video" { "the VM" } else { "not the VM" };
    let guess = if session.kind == super::video::Kind::Encrypted { ", taken for video by its size" } else { "" };
    let why = format!("The largest video is {} from {}{host}, which is {whose}{guess}.", session.kind.name(), session.server);
    Scenario { name, why }
}
