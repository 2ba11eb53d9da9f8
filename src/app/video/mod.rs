//! Video in HTTP bodies and datagrams: container heads, playlists, manifests, RTP and RTSP. Facts only; sessions and playback
//! are modelled in `measure::video`.

pub mod arrivals;
pub mod dash;
pub mod hls;
pub mod mp4;
pub mod rtp;
pub mod rtsp;

pub use dash::Manifest;
pub use hls::Hls;
pub use mp4::Mp4;

/// What a response's body is, told by its content first, then by its type and name.
#[derive(Clone, Debug)]
pub enum Media {
    /// An HLS playlist (RFC 8216).
    Hls(Hls),
    /// A DASH manifest (ISO/IEC 23009-1).
    Dash(Manifest),
    /// A playlist or manifest that could not be read: which, and why.
    Unread(&'static str, String),
    /// ISO base media: a whole file, an initialization segment, or a media segment.
    Mp4(Mp4),
    /// MPEG transport stream.
    Ts,
    /// Matroska or WebM.
    Matroska,
    /// Video or audio by its `Content-Type` alone.
    Typed,
}

impl Media {
    /// A playlist or a manifest.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Hls(_) | Self::Dash(_) | Self::Unread(..))
    }
}

/// What the parsers of media outside HTTP say.
#[derive(Clone, Debug)]
pub enum MediaEvent {
    /// One RTP source, at its end.
    Rtp(Box<rtp::RtpStream>),
    /// An RTSP conversation, at its end.
    Rtsp(Box<rtsp::RtspSession>),
}
