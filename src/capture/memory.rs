//! Frames from memory, for tests and examples.

use crate::base::anomaly::{Anomalies, Place};
use crate::base::time::Timestamp;
use crate::error::Result;

use super::{FileFacts, Frame, InterfaceFacts, LinkType, Source};

/// A frame that owns its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnedFrame {
    /// Time of capture.
    pub at: Timestamp,
    /// Link type.
    pub link: LinkType,
    /// Interface within the point.
    pub interface: u16,
    /// Length on the wire.
    pub wire_len: u32,
    /// Captured bytes.
    pub bytes: Vec<u8>,
}

impl OwnedFrame {
    /// An Ethernet frame captured whole on interface 0.
    pub fn ethernet(at: Timestamp, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { at, link: LinkType::ETHERNET, interface: 0, wire_len: bytes.len() as u32, bytes }
    }
}

impl From<Frame<'_>> for OwnedFrame {
    fn from(frame: Frame<'_>) -> Self {
        let Frame { at, link, interface, wire_len, bytes, .. } = frame;
        Self { at, link, interface, wire_len, bytes: bytes.to_vec() }
    }
}

/// A point whose frames are in memory, handed on in the order given.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    frames: Vec<OwnedFrame>,
    next: usize,
    facts: FileFacts,
    interfaces: Vec<InterfaceFacts>,
    anomalies: Anomalies,
}

impl MemorySource {
    /// From `frames`.
    pub fn new(frames: impl IntoIterator<Item = OwnedFrame>) -> Self {
        let frames: Vec<_> = frames.into_iter().collect();
        let mut facts = FileFacts { path: "memory".into(), format: "memory", ..FileFacts::default() };
        let mut interfaces = Vec::new();
        for frame in &frames {
            facts.packets += 1;
            facts.bytes_captured += frame.bytes.len() as u64;
            facts.bytes_wire += u64::from(frame.wire_len);
            facts.first = Some(facts.first.map_or(frame.at, |t| t.min(frame.at)));
            facts.last = Some(facts.last.map_or(frame.at, |t| t.max(frame.at)));
            if !facts.link_types.contains(&frame.link.0) {
                facts.link_types.push(frame.link.0);
            }
            let id = usize::from(frame.interface);
            if interfaces.len() <= id {
                interfaces.resize(id + 1, InterfaceFacts::default());
            }
            interfaces[id] = InterfaceFacts { id: id as u32, link: frame.link.0, ..InterfaceFacts::default() };
        }
        Self { frames, next: 0, facts, interfaces, anomalies: Anomalies::default() }
    }
}

impl Source for MemorySource {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        let Some(frame) = self.frames.get(self.next) else { return Ok(None) };
        self.next += 1;
        let place = Place { file: 0, frame: self.next as u64 };
        let OwnedFrame { at, link, interface, wire_len, ref bytes } = *frame;
        Ok(Some(Frame { at, place, link, interface, wire_len, bytes }))
    }

    fn files(&self) -> Vec<FileFacts> {
        vec![self.facts.clone()]
    }

    fn interfaces(&self) -> Vec<InterfaceFacts> {
        self.interfaces.clone()
    }

    fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }
}
