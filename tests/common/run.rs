//! A real migration, joined.

#![allow(dead_code)]

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use lmpcap::base::clock::ClockChoice;
use lmpcap::base::role::Role;
use lmpcap::base::time::Timestamp;
use lmpcap::join::{Ends, Joined};
use lmpcap::measure::path::PathMeter;
use lmpcap::measure::path::figures::{End, Fates, Figures};
use lmpcap::measure::path::stay::Stays;
use lmpcap::model::{Delay, Jitter};

use crate::common;
use crate::joined::{Reader, Tamper, files, join, untouched};

pub const VM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
/// A run, joined.
pub struct Run {
    pub folder: PathBuf,
    pub roles: Vec<Role>,
    pub joined: Joined,
    pub meter: PathMeter,
    pub stays: Stays,
}

impl Run {
    /// `tamper` is asked for each role.
    pub fn read(name: &str, choice: ClockChoice, mut tamper: impl FnMut(Role) -> Tamper) -> Option<Self> {
        let folder = common::capture(name)?;
        let points = files(&folder);
        let roles: Vec<Role> = points.iter().map(|p| p.0).collect();
        let readers = points.iter().map(|(role, files)| (*role, Reader::new(files, tamper(*role)))).collect();
        let (joined, meter) = join(readers, choice);
        let stays = stays(&folder, &roles);
        Some(Self { folder, roles, joined, meter, stays })
    }

    pub fn plain(name: &str) -> Option<Self> {
        Self::read(name, ClockChoice::Estimate, |_| untouched())
    }

    pub fn point(&self, role: Role) -> usize {
        self.roles.iter().position(|r| *r == role).unwrap()
    }

    pub fn figures(&self) -> Figures<'_> {
        Figures::new(&self.meter, &self.joined, &self.stays)
    }

    pub fn client(&self) -> End {
        End::Point(self.point(Role::Client))
    }

    pub fn to_vm(&self) -> Fates {
        self.figures().fates(self.client(), End::Vm, |e| e.dst == IpAddr::V4(VM), |_| true)
    }

    pub fn out_of_vm(&self) -> Fates {
        self.figures().fates(End::Vm, self.client(), |e| e.src == IpAddr::V4(VM), |_| true)
    }

    /// Between the nodes, both ways: directions that no client has a part in.
    pub fn between_nodes(&self) -> [Fates; 2] {
        let (s, d) = (self.point(Role::Source), self.point(Role::Destination));
        // Addresses of the nodes in the lab: the last number tells which.
        let node = |ip: IpAddr, last: &[u8]| matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 10 && last.contains(&v4.octets()[3]));
        let openstack = self.folder.ends_with("openstack-live") || self.folder.ends_with("openstack-abort");
        let (source, destination): (&[u8], &[u8]) = if openstack { (&[12], &[11]) } else { (&[11], &[12]) };
        let there = |e: &Ends| node(e.src, source) && node(e.dst, destination);
        let back = |e: &Ends| node(e.src, destination) && node(e.dst, source);
        let figures = self.figures();
        [figures.fates(End::Point(s), End::Point(d), there, |_| true), figures.fates(End::Point(d), End::Point(s), back, |_| true)]
    }

    pub fn delays(&self) -> [Delay; 2] {
        let figures = self.figures();
        [
            figures.delay(self.client(), End::Vm, |e| e.dst == IpAddr::V4(VM), |_| true),
            figures.delay(End::Vm, self.client(), |e| e.src == IpAddr::V4(VM), |_| true),
        ]
    }

    pub fn jitters(&self) -> [Jitter; 2] {
        let figures = self.figures();
        [
            figures.jitter(self.client(), End::Vm, |e| e.dst == IpAddr::V4(VM), |_| true),
            figures.jitter(End::Vm, self.client(), |e| e.src == IpAddr::V4(VM), |_| true),
        ]
    }

    pub fn truth(&self) -> serde_json::Value {
        truth(&self.folder)
    }
}

pub fn truth(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap()
}

/// Where the VM was, from what QEMU said.
pub fn stays(folder: &Path, roles: &[Role]) -> Stays {
    let truth = truth(folder);
    let moment = |t: &serde_json::Value| t.as_f64().map(|t| Timestamp((t * 1e9) as i64));
    let event = |list: &str, what: &str| truth[list].as_array()?.iter().find(|e| e["event"] == what).and_then(|e| moment(&e["t"]));
    let stop = event("source_events", "STOP").or(moment(&truth["source_stop_at"]));
    let resume = event("destination_events", "RESUME").or(moment(&truth["destination_resume_at"]));
    let point = |role| roles.iter().position(|r| *r == role);
    match stop {
        Some(stop) => Stays::moved(point(Role::Source), &[(stop, resume, point(Role::Destination))]),
        None => Stays::always(point(Role::Source).unwrap()),
    }
}
