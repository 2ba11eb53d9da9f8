//! ISO base media files (ISO/IEC 14496-12) as they stream by: a walk over the boxes that buffers small ones only.
//!
//! Leaf boxes are decoded with `mp4-atom`; the walk is our own, since it must never hold a file in memory. Sample tables are
//! summed, not kept. What is not read: edit lists, encryption, items.

mod leaf;
mod walk;

pub use walk::Mp4Walk;

/// What the boxes say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mp4 {
    /// Length of the presentation, from `mvhd` or `mehd`.
    pub seconds: Option<f64>,
    /// Has `mvex`: media comes in fragments.
    pub fragmented: bool,
    /// Tracks of `moov`, at most [`crate::base::limits::MP4_TRACKS`].
    pub tracks: Vec<Track>,
    /// First byte of the first `mdat`'s content, as an offset in the file.
    pub media_start: Option<u64>,
    /// Bytes in all `mdat` boxes that were announced; `None` if one runs to the end of the file.
    pub media_bytes: Option<u64>,
    /// Media seconds that a `sidx` announces.
    pub index_seconds: Option<f64>,
    /// Ticks of each track in the fragments: track, sum of sample durations.
    pub fragments: Vec<(u32, u64)>,
    /// Some sample durations of the fragments lie in `trex` of another file: `fragments` is too small.
    pub default_durations: bool,
    /// The boxes stopped making sense or bytes are missing: what follows was not read.
    pub cut: bool,
}

/// One track.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// Its number.
    pub id: u32,
    /// Handler: `vide`, `soun`, …
    pub handler: String,
    /// Codec: type of the first sample entry, e.g. `avc1`.
    pub codec: String,
    /// Ticks per second.
    pub timescale: u32,
    /// Length in ticks.
    pub duration: u64,
    /// Picture width.
    pub width: u16,
    /// Picture height.
    pub height: u16,
    /// Samples.
    pub samples: u64,
    /// Bytes of all samples.
    pub bytes: u64,
}

impl Track {
    /// Length in seconds.
    pub fn seconds(&self) -> Option<f64> {
        (self.timescale > 0 && self.duration > 0).then(|| self.duration as f64 / f64::from(self.timescale))
    }
}

impl Mp4 {
    /// The first track with this handler.
    pub fn track(&self, handler: &str) -> Option<&Track> {
        self.tracks.iter().find(|t| t.handler == handler)
    }
}

/// True if `bytes` (8 or more) look like the start of a box that files or segments begin with.
pub fn looks_like_mp4(bytes: &[u8]) -> bool {
    let Some((size, kind)) = bytes.split_at_checked(4).and_then(|(s, r)| Some((s, r.get(..4)?))) else { return false };
    let size = u32::from_be_bytes([size[0], size[1], size[2], size[3]]);
    (size == 1 || (8..0x1000_0000).contains(&size))
        && matches!(kind, b"ftyp" | b"styp" | b"moov" | b"moof" | b"sidx" | b"emsg" | b"prft" | b"free" | b"skip" | b"wide" | b"mdat")
        && !(matches!(kind, b"free" | b"skip" | b"wide" | b"mdat") && bytes.len() < 12)
}

/// Where a `moov` box starts in a window of a file's end; it must begin with `mvhd`.
pub fn find_moov(window: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(window, b"moov")
        .find(|at| *at >= 4 && window.get(at + 8..at + 12) == Some(b"mvhd") && window.get(at + 4..at + 7) == Some(&[0, 0, 0]))
        .map(|at| at - 4)
}

#[cfg(test)]
mod tests;
