//! When each step of a migration passed one capture point: what the downtime is read from.

use crate::flow::Moment;

/// An element of the stream and when it passed the capture point. Exact unless a part of the stream is missing there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The packet that carried it; the best estimate where it was not read.
    pub at: Moment,
    /// It did not pass before this packet.
    pub earliest: Moment,
    /// It had passed when this packet was captured.
    pub latest: Moment,
    /// Offset in the stream of the sender: of the first byte for elements that begin something, one past the last byte for elements that
    /// end something. For an uncertain mark, that of the estimate.
    pub offset: u64,
}

impl Mark {
    /// Read in full.
    pub fn exact(at: Moment, offset: u64) -> Self {
        Self { at, earliest: at, latest: at, offset }
    }

    /// Somewhere between two packets; the estimate is moved between them.
    pub fn between(earliest: Moment, at: Moment, latest: Moment, offset: u64) -> Self {
        let at = if at.at < earliest.at {
            earliest
        } else if at.at > latest.at {
            latest
        } else {
            at
        };
        Self { at, earliest, latest, offset }
    }

    /// True if it was read.
    pub fn is_exact(&self) -> bool {
        self.earliest == self.latest
    }
}

/// The steps of one migration at one capture point, on the clock of that point.
///
/// The times are those of packets at the point, not of QEMU: a byte can wait in the sender's socket buffer, so the source may have stopped
/// before the last pre-copy byte is on the wire; it has certainly stopped when the first byte of the switch-over passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timeline {
    /// First SYN of the main connection.
    pub syn: Option<Moment>,
    /// First byte of the stream.
    pub first_byte: Option<Mark>,
    /// End of the last SECTION_START: setup is over.
    pub setup_end: Option<Mark>,
    /// First byte of the first SECTION_PART.
    pub first_part: Option<Mark>,
    /// End of the last SECTION_PART, the footer not counted, before the switch-over: the last pre-copy byte while the guest may have run.
    /// QEMU holds the footer back until the next write, so it would say less. With multifd the pages themselves travel on other connections;
    /// only this one says that the guest was still running: data on the others may be of after the stop.
    pub last_part: Option<Mark>,
    /// The footer of that part, if it left QEMU by itself: in a packet of its own, the bytes before and after it in others. QEMU up to 8.1
    /// flushes what it has written (`migration_update_counters`) before it looks at whether to stop the guest, and writes nothing between
    /// the stop and the switch-over. So the guest was still running when this packet's bytes were handed to the kernel, often a few
    /// hundred µs before the stop. A better lower bound of the stop than `last_part` where it is there.
    pub last_flush: Option<Mark>,
    /// First byte of what is sent only with the guest stopped: SWITCHOVER_START (machine types from 10.0), else the first SECTION_END; in
    /// post-copy without either the first RAM_DISCARD or PACKAGED. With multifd and machine types up to 8.0 the first data that belongs
    /// to SECTION_END, on whatever channel.
    pub switchover_first: Option<Mark>,
    /// End of the last SECTION_END: the last page of pre-copy has passed.
    pub end_section_end: Option<Mark>,
    /// First byte of the device state: the first SECTION_FULL after the switch-over.
    pub first_full: Option<Mark>,
    /// The EOF byte: the destination has all that it needs (post-copy: all pages).
    pub eof: Option<Mark>,
    /// End of the VMDESCRIPTION that may follow.
    pub vmdesc_end: Option<Mark>,
    /// Last payload byte of the sender on the main connection.
    pub last_byte: Option<Mark>,
    /// First byte of the post-copy package.
    pub packaged_start: Option<Mark>,
    /// End of the post-copy package: the destination has the device state and starts the guest.
    pub packaged_end: Option<Mark>,
    /// POSTCOPY_RUN, inside the package.
    pub postcopy_run: Option<Mark>,
    /// PONG 3 on the return path: the destination has loaded the device state and is about to run (post-copy).
    pub pong3: Option<Moment>,
    /// SHUT on the return path: the destination has finished; `None` if there was no return path or it was not captured.
    pub shut: Option<Moment>,
    /// What SHUT said: 0 for success.
    pub shut_value: Option<u32>,
    /// The sender's FIN on the main connection.
    pub fin: Option<Moment>,
    /// The receiver's FIN.
    pub receiver_fin: Option<Moment>,
    /// First RST, of either side.
    pub rst: Option<Moment>,
    /// RST came from the sender of the migration.
    pub rst_by_sender: Option<bool>,
}
