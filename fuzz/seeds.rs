//! Writes the seeds of all targets: `cargo run --bin seeds -- CORPUS`. A folder per target, made from the streams that the unit tests use.

use std::fs;
use std::path::Path;

use lmpcap::base::net::Side;
use lmpcap::testkit::fuzz::{TARGETS, encode};
use lmpcap::testkit::migration::{Stream, answer, multifd_hello, multifd_packet};

fn main() {
    let root = std::env::args().nth(1).expect("usage: seeds CORPUS");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&root).join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join(name), bytes).expect("the seed can be written");
    };
    for target in TARGETS {
        for (n, seed) in (target.seeds)().iter().enumerate() {
            put(target.name, &format!("seed-{n}"), seed);
        }
    }
    let lines = |bytes: &[u8]| bytes.chunks(1448).map(|b| (Side::Client, b.to_vec())).collect::<Vec<_>>();
    let mut precopy = lines(&Stream::sample().0.bytes);
    precopy.push((Side::Server, answer(1, &0u32.to_be_bytes())));
    let mut postcopy = lines(&Stream::sample_postcopy().bytes);
    postcopy.push((Side::Server, answer(2, &3u32.to_be_bytes())));
    put("qemu", "precopy", &encode(&precopy));
    put("qemu", "postcopy", &encode(&postcopy));
    let mut recovery = Stream::new();
    recovery.command(10, b"\x06pc.ram").command(9, &[]).more(2, 2).page(Some("pc.ram"), 3, 1).eos().footer(2).put(&[0]);
    put("recovery", "recovery", &encode(&lines(&recovery.bytes)));
    let mut preempt = Stream::new();
    preempt.page(Some("pc.ram"), 3, 1).zero(None, 4).eos();
    put("preempt", "preempt", &encode(&lines(&preempt.bytes)));
    let mut multifd = multifd_hello([7; 16], 0);
    multifd.extend(multifd_packet(0, "pc.ram", &[1, 2], &[], None));
    multifd.extend(multifd_packet(1, "pc.ram", &[], &[3], None));
    put("multifd", "multifd", &encode(&lines(&multifd)));
    let web = [
        (Side::Client, b"GET /video.mp4 HTTP/1.1\r\nHost: example.net\r\nRange: bytes=0-99\r\n\r\n".to_vec()),
        (Side::Server, b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/4\r\n\r\nabcd".to_vec()),
        (Side::Client, b"POST /a HTTP/1.1\r\nHost: example.net\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec()),
        (Side::Server, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec()),
    ];
    put("http", "exchanges", &encode(&web));
    put("http2", "preface", &encode(&[(Side::Client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec())]));
    put("rtsp", "options", &encode(&[(Side::Client, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec())]));
    put("nbd", "greeting", &encode(&[(Side::Server, b"NBDMAGICIHAVEOPT\0\x03".to_vec())]));
}
