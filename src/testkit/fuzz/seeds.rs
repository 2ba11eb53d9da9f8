//! Inputs to start from: small captures of generated traffic, and texts.

use std::io::Write;

use super::encode;
use crate::base::net::{Mac, Side};
use crate::base::time::Timestamp;
use crate::capture::LinkType;
use crate::capture::write::{ByteOrder, InterfaceDescription, PcapWriter, PcapngWriter, Precision};
use crate::testkit::packet;
use crate::testkit::parser::Line;
use crate::testkit::talk::Talk;

fn conversations() -> Vec<Vec<Line>> {
    let line = |side, bytes: &[u8]| (side, bytes.to_vec());
    let (client, server) = (Side::Client, Side::Server);
    let qemu =
        [b"QEVM\0\0\0\x03\x07\0\0\0\x06pc-1.0\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04".as_slice(), &0x0100_0004u64.to_be_bytes()].concat();
    vec![
        vec![
            line(client, b"GET /v/list.m3u8?t=1 HTTP/1.1\r\nHost: vm.example\r\nUser-Agent: x\r\n\r\n"),
            line(server, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"),
            line(client, b"POST / HTTP/1.1\r\nHost: vm\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            line(server, b"HTTP/1.0 404 Not Found\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08"),
        ],
        vec![line(client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")],
        vec![line(client, &qemu), line(server, b"\0\x02\0\x04\0\0\0\x01\0\x01\0\x04\0\0\0\0")],
        vec![line(client, b"\x11\x22\x33\x44\0\0\0\x01")],
        vec![line(server, b"NBDMAGICIHAVEOPT\0\x03"), line(client, b"\0\0\0\x03IHAVEOPT\0\0\0\x06\0\0\0\0")],
        vec![
            line(client, b"AMQP\0\0\x09\x01\x01\0\x01\0\0\0\x0b\0\x3c\0\x28\0\0\x01n\x01c\0\0\xce\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x29\0\0\xce"),
            line(client, b"\x03\0\x01\0\0\0\x29{\"method\": \"m\", \"_msg_id\": \"1\", \"x\": [1]}\xce"),
            line(server, b"\x08\0\0\0\0\0\0\xce"),
        ],
        vec![
            line(client, b"\0\0\0\x1c\x20\0\x80\x86\0\0\0\x01\0\0\x01\x30\0\0\0\0\0\0\0\x07\0\0\0\0"),
            line(server, b"\0\0\0\x1c\x20\0\x80\x86\0\0\0\x01\0\0\x01\x30\0\0\0\x01\0\0\0\x07\0\0\0\0"),
            line(client, b"\0\0\0\x24\x20\0\x80\x86\0\0\0\x01\0\0\x01\x30\0\0\0\x03\0\0\0\x07\0\0\0\x02QEVM\0\0\0\x03"),
        ],
        vec![
            line(client, b"DESCRIBE rtsp://vm/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
            line(server, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n$\0\0\x04abcd"),
        ],
        vec![line(client, b"\x16\x03\x01\0\x05\x01\0\0\x01\0"), line(server, b"\x15\x03\x03\0\x02\x02\x28")],
        vec![line(client, &[0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 7, 7]), line(client, &[0x80, 96, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2, 7, 7])],
    ]
}

/// Scripts of conversations.
pub(super) fn streams() -> Vec<Vec<u8>> {
    conversations().iter().map(|lines| encode(lines)).collect()
}

/// Frames of conversations: times and bytes.
pub fn traffic() -> Vec<(Timestamp, Vec<u8>)> {
    let mut frames = Vec::new();
    for (n, lines) in conversations().iter().enumerate() {
        let mut talk = Talk::between(&format!("192.0.2.10:{}", 40_000 + n), "192.0.2.50:80");
        talk.now = Timestamp(1_700_000_000_000_000_000 + n as i64 * 300_000);
        talk.open();
        for (side, bytes) in lines {
            talk.say(*side, bytes).ack(if *side == Side::Client { Side::Server } else { Side::Client });
        }
        talk.close();
        frames.extend(talk.frames());
    }
    let start = Timestamp(1_700_000_000_000_000_000);
    frames.push((start, packet::announcement(Mac([0x52, 0x54, 0, 1, 2, 3]))));
    frames.sort_by_key(|f| f.0);
    frames
}

/// A pcap file of these Ethernet frames.
pub fn pcap(frames: &[(Timestamp, Vec<u8>)], precision: Precision, order: ByteOrder) -> Vec<u8> {
    let mut out = PcapWriter::new(Vec::new(), LinkType::ETHERNET, 0, precision, order).expect("memory takes all");
    for (at, bytes) in frames {
        out.write(*at, bytes.len() as u32, bytes).expect("memory takes all");
    }
    out.finish().expect("memory takes all")
}

/// A pcapng file of these Ethernet frames.
pub fn pcapng(frames: &[(Timestamp, Vec<u8>)], order: ByteOrder) -> Vec<u8> {
    let mut out = PcapngWriter::new(Vec::new(), order, "seed").expect("memory takes all");
    let eth0 = out.interface(&InterfaceDescription { name: "eth0", ..InterfaceDescription::default() }).expect("memory takes all");
    for (at, bytes) in frames {
        out.write(eth0, *at, bytes.len() as u32, bytes, "").expect("memory takes all");
    }
    out.statistics(eth0, 1, 2).expect("memory takes all");
    out.finish().expect("memory takes all")
}

pub(super) fn captures() -> Vec<Vec<u8>> {
    let frames = &traffic()[..12];
    let orders = [ByteOrder::Little, ByteOrder::Big];
    let pcaps = orders.iter().flat_map(|order| [Precision::Microseconds, Precision::Nanoseconds].map(|p| pcap(frames, p, *order)));
    pcaps.chain(orders.iter().map(|order| pcapng(frames, *order))).collect()
}

pub(super) fn compressed() -> Vec<Vec<u8>> {
    let plain = pcap(&traffic()[..20], Precision::Microseconds, ByteOrder::Little);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    let write = |out: &mut dyn Write| out.write_all(&plain).expect("memory takes all");
    write(&mut gzip);
    write(&mut bzip2);
    write(&mut xz);
    write(&mut lz4);
    vec![
        gzip.finish().expect("memory takes all"),
        bzip2.finish().expect("memory takes all"),
        xz.finish().expect("memory takes all"),
        lz4.finish().expect("memory takes all"),
        zstd::encode_all(&plain[..], 1).expect("memory takes all"),
        plain,
    ]
}

pub(super) fn playlists() -> Vec<Vec<u8>> {
    vec![
        b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:5.9,\n#EXT-X-BYTERANGE:10@20\na.ts\n#EXT-X-ENDLIST\n".to_vec(),
        b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=426x240,CODECS=\"avc1\",FRAME-RATE=25\nlow.m3u8\n".to_vec(),
    ]
}

pub(super) fn manifests() -> Vec<Vec<u8>> {
    vec![
        br#"<MPD type="static" mediaPresentationDuration="PT9.5S"><Period><AdaptationSet contentType="video"><SegmentTemplate timescale="1000" duration="2000" startNumber="1" media="$RepresentationID$-$Number%05d$.m4s"/><Representation id="0" bandwidth="200000"/></AdaptationSet></Period></MPD>"#.to_vec(),
        br#"<MPD type="dynamic"><Period start="PT0S"><AdaptationSet mimeType="audio/mp4"><Representation id="a"><SegmentTemplate timescale="10" media="a/$Time$.m4s"><SegmentTimeline><S t="1" d="20" r="1"/><S d="5"/></SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period></MPD>"#.to_vec(),
    ]
}

pub(super) fn mp4() -> Vec<Vec<u8>> {
    let part = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
    let sizes = [0u32, 0, 3, 1000, 500, 4].iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>();
    let stbl = part(b"stbl", &[part(b"stsd", &[0, 0, 0, 0, 0, 0, 0, 0]), part(b"stsz", &sizes)].concat());
    let trak = part(b"trak", &part(b"mdia", &[part(b"mdhd", &[0; 24]), part(b"hdlr", &[0; 24]), part(b"minf", &stbl)].concat()));
    let moov = part(b"moov", &[part(b"mvhd", &[0; 100]), trak].concat());
    let file = [part(b"ftyp", b"isom\0\0\x02\0iso2"), moov, part(b"moof", &part(b"mfhd", &[0; 8])), part(b"mdat", &[7; 16])].concat();
    [0u8, 31, 255].iter().map(|how| [&[*how][..], &file].concat()).collect()
}

pub(super) fn run_toml() -> Vec<Vec<u8>> {
    let text = "name = \"x\"\nscenario = \"offline-video\"\nlink_bandwidth = \"1 Gbit/s\"\n[vm]\nmacs = [\"fa:16:3e:00:00:01\"]\nips = [\"192.0.2.50\"]\n[points]\nclient = \"a.pcap\"\nsource = [\"b.pcap\", \"c/d.pcap\"]\n[player]\nstart = 2\nnear_stall = 0.8\n[factors]\nram_mib = 2048\n";
    vec![text.into(), b"link_bandwidth = 1e9\n".to_vec()]
}

pub(super) fn scale_toml() -> Vec<Vec<u8>> {
    let text = "name = \"own\"\ndelay = [{ index = 4, below = 100 }, { index = 1 }]\nlabels = [{ index = 4, en = \"Fine\", id = \"Baik\" }, { index = 1, en = \"Bad\" }]\noverall = [{ at_least = 3.0, en = \"Fine\" }, { en = \"Bad\" }]\n";
    vec![text.into()]
}

pub(super) fn filters() -> Vec<Vec<u8>> {
    ["tcp port 80 and host 192.0.2.1", "ip[2:2] > 100 or vlan 5", "not arp and (udp or icmp6)", "ether host 02:00:00:00:00:01"]
        .map(Into::into)
        .into()
}

pub(super) fn arguments() -> Vec<Vec<u8>> {
    ["2.5s", "client=+2.5s,destination=-10ms", "52:54:00:12:34:56", "100 Mbit/s", "client-1.pcapng.zst"].map(Into::into).into()
}
