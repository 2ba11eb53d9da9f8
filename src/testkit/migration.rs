//! Builds migration streams of QEMU byte by byte (`migration/savevm.c`, `ram.c`, `multifd.c`): for tests, and as seeds for fuzzing.

/// Bytes of a page on x86.
pub const PAGE: usize = 4096;
/// Section of RAM in the streams that [`Stream::sample`] makes.
pub const RAM_ID: u32 = 2;

/// A stream in the making.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// What was written so far.
    pub bytes: Vec<u8>,
}

/// A name with its length in one byte before it.
fn counted(name: &str) -> Vec<u8> {
    let mut out = vec![name.len() as u8];
    out.extend(name.as_bytes());
    out
}

impl Stream {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Magic, version 3, CONFIGURATION with the machine's name.
    pub fn with_machine(machine: &str) -> Self {
        let mut this = Self::new();
        this.put(b"QEVM").u32(3).put(&[7]).u32(machine.len() as u32).put(machine.as_bytes());
        this
    }

    /// Raw bytes.
    pub fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    /// A big-endian number.
    pub fn u16(&mut self, n: u16) -> &mut Self {
        self.put(&n.to_be_bytes())
    }

    /// A big-endian number.
    pub fn u32(&mut self, n: u32) -> &mut Self {
        self.put(&n.to_be_bytes())
    }

    /// A big-endian number.
    pub fn u64(&mut self, n: u64) -> &mut Self {
        self.put(&n.to_be_bytes())
    }

    /// COMMAND `number` with its data.
    pub fn command(&mut self, number: u16, data: &[u8]) -> &mut Self {
        self.put(&[8]).u16(number).u16(data.len() as u16).put(data)
    }

    /// SECTION_START (`kind` 1) or SECTION_FULL (4).
    pub fn named(&mut self, kind: u8, id: u32, name: &str, version: u32) -> &mut Self {
        self.put(&[kind]).u32(id).put(&counted(name)).u32(0).u32(version)
    }

    /// SECTION_PART (2) or SECTION_END (3).
    pub fn more(&mut self, kind: u8, id: u32) -> &mut Self {
        self.put(&[kind]).u32(id)
    }

    /// The footer of a section.
    pub fn footer(&mut self, id: u32) -> &mut Self {
        self.put(&[0x7e]).u32(id)
    }

    /// SECTION_START of RAM: MEM_SIZE, the blocks, EOS, footer.
    pub fn ram_start(&mut self, id: u32, blocks: &[(&str, u64)]) -> &mut Self {
        let total: u64 = blocks.iter().map(|b| b.1).sum();
        self.named(1, id, "ram", 4).u64(total | 4);
        for (name, len) in blocks {
            self.put(&counted(name)).u64(*len);
        }
        self.eos().footer(id)
    }

    /// A RAM record's word, with the name of its block unless it is that of the record before.
    pub fn record(&mut self, block: Option<&str>, page: u64, flag: u64) -> &mut Self {
        let word = (page * PAGE as u64) | flag;
        match block {
            Some(name) => self.u64(word).put(&counted(name)),
            None => self.u64(word | 0x20),
        }
    }

    /// A page sent whole.
    pub fn page(&mut self, block: Option<&str>, page: u64, fill: u8) -> &mut Self {
        self.record(block, page, 0x08).put(&[fill; PAGE])
    }

    /// A page of zeros.
    pub fn zero(&mut self, block: Option<&str>, page: u64) -> &mut Self {
        self.record(block, page, 0x02).put(&[0])
    }

    /// A page sent as XBZRLE delta.
    pub fn xbzrle(&mut self, block: Option<&str>, page: u64, delta: &[u8]) -> &mut Self {
        self.record(block, page, 0x40).put(&[1]).u16(delta.len() as u16).put(delta)
    }

    /// A page sent compressed.
    pub fn compressed(&mut self, block: Option<&str>, page: u64, data: &[u8]) -> &mut Self {
        self.record(block, page, 0x100).u32(data.len() as u32).put(data)
    }

    /// The word that ends a RAM section's payload.
    pub fn eos(&mut self) -> &mut Self {
        self.u64(0x10)
    }

    /// A device: SECTION_FULL with `state` and its footer.
    pub fn device(&mut self, id: u32, name: &str, state: &[u8]) -> &mut Self {
        self.named(4, id, name, 1).put(state).footer(id)
    }

    /// EOF and VMDESCRIPTION.
    pub fn end(&mut self, description: &str) -> &mut Self {
        self.put(&[0, 6]).u32(description.len() as u32).put(description.as_bytes())
    }

    /// A small pre-copy migration with all that the main channel of QEMU 7.2 can hold, and how many pages of each kind it sends
    /// (normal, zero, XBZRLE, compressed).
    pub fn sample() -> (Self, [u64; 4]) {
        let mut s = Self::with_machine("pc-i440fx-7.2");
        s.command(1, &[]).command(2, &1u32.to_be_bytes());
        s.ram_start(RAM_ID, &[("pc.ram", 16 * PAGE as u64), ("pc.bios", 2 * PAGE as u64)]);
        // A bitmap of a disk: granularity and flags at its start, one piece of zeros, one of bits.
        s.named(1, 3, "dirty-bitmap", 1).put(&[0x1c]).put(&counted("disk0")).put(&counted("bitmap0")).u32(65536).put(&[1]);
        s.put(&[0x01]).footer(3);
        s.more(2, RAM_ID).page(Some("pc.ram"), 0, 0xab).zero(None, 1).page(None, 2, 0x7e).zero(Some("pc.bios"), 0).zero(None, 1);
        s.eos().footer(RAM_ID);
        s.more(2, 3).put(&[0x42]).u64(0).u32(128).put(&[0x40]).u64(128).u32(64).u64(8).put(&[0xff; 8]).put(&[0x01]).footer(3);
        s.more(2, RAM_ID).xbzrle(Some("pc.ram"), 0, &[0, 3, 1, 2, 3]).compressed(None, 2, &[0x78, 0x9c, 1, 2, 3, 4]).eos().footer(RAM_ID);
        s.more(3, RAM_ID).page(Some("pc.ram"), 5, 0).eos().footer(RAM_ID);
        s.more(3, 3).put(&[0x01]).footer(3);
        s.device(0, "timer", &[1, 2, 3, 4]).device(7, "0000:00:03.0/virtio-net", &[0x7e; 70]);
        let mut state = vec![0, 0, 0, 100];
        state.extend(b"running");
        state.resize(104, 0);
        s.device(9, "globalstate", &state);
        s.end("{\"configuration\": {}, \"page_size\": 4096, \"devices\": []}");
        (s, [3, 3, 1, 1])
    }

    /// A small post-copy migration.
    pub fn sample_postcopy() -> Self {
        let mut s = Self::with_machine("pc-q35-9.2");
        let advise: Vec<u8> = [4096u64, 4096].iter().flat_map(|n| n.to_be_bytes()).collect();
        s.command(1, &[]).command(2, &1u32.to_be_bytes()).command(3, &advise);
        s.ram_start(RAM_ID, &[("pc.ram", 64 * PAGE as u64)]);
        s.more(2, RAM_ID).page(Some("pc.ram"), 0, 1).page(None, 1, 2).eos().footer(RAM_ID);
        let mut discard = vec![0, 6];
        discard.extend(b"pc.ram\0");
        discard.extend([0u64, 4096].iter().flat_map(|n| n.to_be_bytes()));
        s.command(6, &discard).command(2, &2u32.to_be_bytes());
        let mut package = Self::new();
        package.command(4, &[]).device(0, "timer", &[1, 2, 3, 4]).command(2, &3u32.to_be_bytes()).command(5, &[]);
        s.command(7, &(package.bytes.len() as u32).to_be_bytes()).put(&package.bytes);
        s.command(2, &4u32.to_be_bytes());
        s.more(2, RAM_ID).page(Some("pc.ram"), 0, 3).zero(None, 9).eos().footer(RAM_ID);
        s.more(3, RAM_ID).page(Some("pc.ram"), 10, 3).eos().footer(RAM_ID).put(&[0]);
        s
    }
}

/// A message of the return path.
pub fn answer(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut s = Stream::new();
    s.u16(kind).u16(data.len() as u16).put(data);
    s.bytes
}

/// The handshake of a multifd channel.
pub fn multifd_hello(uuid: [u8; 16], id: u8) -> Vec<u8> {
    let mut s = Stream::new();
    s.u32(0x1122_3344).u32(1).put(&uuid).put(&[id]).put(&[0; 39]);
    s.bytes
}

/// A multifd packet: header, name, the whole array of offsets, data. Flag 1 is SYNC.
pub fn multifd_packet(flags: u32, block: &str, normal: &[u64], zero: &[u64], stale_size: Option<u32>) -> Vec<u8> {
    let mut s = Stream::new();
    let size = (normal.len() * PAGE) as u32;
    s.u32(0x1122_3344).u32(1).u32(flags).u32(128).u32(normal.len() as u32).u32(stale_size.unwrap_or(size)).u64(0);
    s.u32(zero.len() as u32).put(&[0; 28]);
    let mut name = block.as_bytes().to_vec();
    name.resize(256, 0);
    s.put(&name);
    for i in 0..128 {
        s.u64(normal.iter().chain(zero).nth(i).map_or(0, |page| page * PAGE as u64));
    }
    s.put(&vec![0x5a; normal.len() * PAGE]);
    s.bytes
}
