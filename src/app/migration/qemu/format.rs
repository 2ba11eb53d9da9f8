//! Numbers of QEMU's migration stream. All integers on the wire are big-endian.

/// "QEVM" (QEMU `migration/savevm.h`, `QEMU_VM_FILE_MAGIC`).
pub const MAGIC: [u8; 4] = *b"QEVM";
/// The only version in use (`QEMU_VM_FILE_VERSION`).
pub const VERSION: u32 = 3;

/// Section types (`savevm.h`).
pub mod section {
    /// End of the stream's sections.
    pub const EOF: u8 = 0x00;
    /// First part of an iterable section.
    pub const START: u8 = 0x01;
    /// A further part.
    pub const PART: u8 = 0x02;
    /// The last part, sent with the guest stopped.
    pub const END: u8 = 0x03;
    /// A device's state at once.
    pub const FULL: u8 = 0x04;
    /// Inside device state and CONFIGURATION.
    pub const SUBSECTION: u8 = 0x05;
    /// JSON description of the device state, after EOF.
    pub const DESCRIPTION: u8 = 0x06;
    /// Machine type.
    pub const CONFIGURATION: u8 = 0x07;
    /// Command for the destination.
    pub const COMMAND: u8 = 0x08;
    /// Ends a section: the section's number again.
    pub const FOOTER: u8 = 0x7e;
}

/// Commands (`savevm.c`, `enum qemu_vm_cmd`).
pub mod command {
    /// The destination may answer on the same connection.
    pub const OPEN_RETURN_PATH: u16 = 1;
    /// Wants a PONG.
    pub const PING: u16 = 2;
    /// Post-copy may follow.
    pub const POSTCOPY_ADVISE: u16 = 3;
    /// In the package: listen for pages.
    pub const POSTCOPY_LISTEN: u16 = 4;
    /// In the package: start the guest.
    pub const POSTCOPY_RUN: u16 = 5;
    /// Pages that the destination must forget.
    pub const RAM_DISCARD: u16 = 6;
    /// A nested stream follows the command.
    pub const PACKAGED: u16 = 7;
    /// COLO replication follows.
    pub const ENABLE_COLO: u16 = 8;
    /// Post-copy goes on after a break.
    pub const POSTCOPY_RESUME: u16 = 9;
    /// Asks for the bitmap of received pages.
    pub const RECV_BITMAP: u16 = 10;
    /// The source has stopped (machine types from 10.0).
    pub const SWITCHOVER_START: u16 = 11;
}

/// Flags of a RAM record, in the bits of the address below the page size (`ram.c`).
pub mod ram {
    /// Page of one repeated byte.
    pub const ZERO: u64 = 0x002;
    /// Total and list of the blocks.
    pub const MEM_SIZE: u64 = 0x004;
    /// Whole page.
    pub const PAGE: u64 = 0x008;
    /// End of this section's records.
    pub const EOS: u64 = 0x010;
    /// Same block as the record before.
    pub const CONTINUE: u64 = 0x020;
    /// Delta against the page's earlier content.
    pub const XBZRLE: u64 = 0x040;
    /// RDMA only.
    pub const HOOK: u64 = 0x080;
    /// Compressed page, up to QEMU 9.0.
    pub const COMPRESS: u64 = 0x100;
    /// All multifd channels meet here, from machine types 8.1.
    pub const MULTIFD_FLUSH: u64 = 0x200;
}

/// Messages of the return path (`migration.c`, `enum mig_rp_message_type`).
pub mod back {
    /// The destination has finished: 0, or an error.
    pub const SHUT: u16 = 1;
    /// Answers PING.
    pub const PONG: u16 = 2;
    /// Asks for pages, with the block's name.
    pub const REQ_PAGES_ID: u16 = 3;
    /// Asks for pages of the block named before.
    pub const REQ_PAGES: u16 = 4;
    /// Bitmap of received pages, in recovery.
    pub const RECV_BITMAP: u16 = 5;
    /// Recovery may go on.
    pub const RESUME_ACK: u16 = 6;
    /// Switch-over may begin.
    pub const SWITCHOVER_ACK: u16 = 7;
}

/// Largest RAM block, and largest total, that is believed: 16 TiB.
pub const RAM_MAX: u64 = 1 << 44;

/// True if `name` can be the name of a RAM block, a device or a machine: printable ASCII.
pub fn printable(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| (0x20..0x7f).contains(b))
}
