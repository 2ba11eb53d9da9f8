//! What is counted of each TCP direction beyond packets and bytes.

/// What one side of a TCP conversation sent, by kind. Bytes are payload bytes on the wire; numbers of segments saturate at 2^32 − 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Payload bytes of `retransmitted`.
    pub retransmitted_bytes: u64,
    /// Payload bytes that had been seen before, whatever the verdict. Payload less this is goodput.
    pub repeated_bytes: u64,
    /// Bytes that had not been seen when later ones came, and never came: not captured, or lost before this point and not sent again.
    pub gap_bytes: u64,
    /// Bytes that the peer acknowledged and that never came here: sent and received, but not captured. A SYN or FIN counts as one.
    pub acked_unseen_bytes: u64,
    /// The longest silence of `timeouts`, in nanoseconds.
    pub longest_timeout: i64,
    /// Segments sent again, SYN and FIN counted.
    pub retransmitted: u32,
    /// Of `retransmitted`: none of the bytes had been seen here, so the first copy was lost before this point (or not captured). The
    /// rest were lost behind this point, or sent again without need (`received_twice`).
    pub retransmitted_unseen: u32,
    /// Segments that were sent once and arrived late.
    pub reordered: u32,
    /// Segments seen twice of which the evidence does not say whether they were sent twice.
    pub ambiguous: u32,
    /// Keep-alive probes.
    pub keep_alives: u32,
    /// Probes of the peer's closed window.
    pub window_probes: u32,
    /// Duplicate acknowledgments that this side sent.
    pub duplicate_acks: u32,
    /// Segments of this side that announce a window of zero.
    pub zero_window: u32,
    /// Resets that this side sent.
    pub resets: u32,
    /// Times that bytes before a segment had not been seen when it came (Wireshark: previous segment not captured).
    pub gap_events: u32,
    /// Retransmissions after at least [`RTO_SILENCE_NS`] of silence of this side and fewer than three duplicate ACKs: its timer ran out.
    pub timeouts: u32,
    /// D-SACK reports of the peer (RFC 2883): bytes reached it twice, so a retransmission was not needed, or the network doubled a packet.
    pub received_twice: u32,
    /// Segments far outside of any window, or before the start of the connection; they changed nothing.
    pub stray: u32,
}

/// RFC 6298 asks for 1 s at least; Linux takes 200 ms (TCP_RTO_MIN), its timers tick every 1 to 4 ms and may run early by one tick.
pub const RTO_SILENCE_NS: i64 = 190_000_000;

impl TcpCounts {
    /// Adds another direction's counts; the longest silence is the longer of both.
    pub fn add(&mut self, other: &Self) {
        self.retransmitted_bytes = self.retransmitted_bytes.saturating_add(other.retransmitted_bytes);
        self.repeated_bytes = self.repeated_bytes.saturating_add(other.repeated_bytes);
        self.gap_bytes = self.gap_bytes.saturating_add(other.gap_bytes);
        self.acked_unseen_bytes = self.acked_unseen_bytes.saturating_add(other.acked_unseen_bytes);
        self.longest_timeout = self.longest_timeout.max(other.longest_timeout);
        let mut other = *other;
        for (mine, theirs) in self.segments_mut().into_iter().zip(other.segments_mut()) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    fn segments_mut(&mut self) -> [&mut u32; 13] {
        [
            &mut self.retransmitted,
            &mut self.retransmitted_unseen,
            &mut self.reordered,
            &mut self.ambiguous,
            &mut self.keep_alives,
            &mut self.window_probes,
            &mut self.duplicate_acks,
            &mut self.zero_window,
            &mut self.resets,
            &mut self.gap_events,
            &mut self.timeouts,
            &mut self.received_twice,
            &mut self.stray,
        ]
    }
}
