use std::io::Write as _;

use ::tar::{Builder, EntryType, Header};
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};

use super::*;

const FILES: [(&str, &[u8]); 3] = [("a/client.pcap", b"first"), ("./b/x.pcap", &[7; 5000]), (".git/config", b"hidden")];

fn plain_tar() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, bytes) in FILES {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zipped(method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, bytes) in FILES {
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A path with its bytes, or why they cannot be read.
type Member = (String, std::result::Result<Vec<u8>, String>);

/// The members, and how reading the archive ended.
fn read(bytes: &[u8]) -> (Vec<Member>, Result<()>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    let mut found = Vec::new();
    let kind = Archive::of(&path).unwrap().expect("an archive");
    let end = kind.members(&path, &mut |member, now| {
        let bytes = match (member.stored, now) {
            (Err(why), _) => Err(why),
            (Ok(Some(stored)), _) => {
                let mut bytes = Vec::new();
                stored.open().unwrap().read_to_end(&mut bytes).map(|_| bytes).map_err(|e| e.to_string())
            }
            (Ok(None), now) => {
                let mut bytes = Vec::new();
                now.expect("bytes").read_to_end(&mut bytes).map(|_| bytes).map_err(|e| e.to_string())
            }
        };
        found.push((member.path, bytes));
        Ok(())
    });
    (found, end)
}

#[test]
fn every_kind_gives_the_same_files() {
    let tar = plain_tar();
    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    let xz = {
        let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
        out.write_all(&tar).unwrap();
        out.finish().unwrap()
    };
    for bytes in [tar.clone(), gzip(&tar), zstd, xz, zipped(CompressionMethod::Stored), zipped(CompressionMethod::Deflated)] {
        let (found, end) = read(&bytes);
        end.unwrap();
        assert_eq!(found, [("a/client.pcap".to_owned(), Ok(b"first".to_vec())), ("b/x.pcap".to_owned(), Ok(vec![7; 5000]))]);
    }
}

#[test]
fn a_capture_is_no_archive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcap.gz");
    std::fs::write(&path, gzip(&[0xd4, 0xc3, 0xb2, 0xa1, 0, 0])).unwrap();
    assert_eq!(Archive::of(&path).unwrap(), None);
}

#[test]
fn paths_do_not_lead_out() {
    for (name, inner) in [("a/b", Some("a/b")), ("./a//b", Some("a/b")), ("a/.x/b", None), ("__MACOSX/a", None), ("a\\b", Some("a/b"))] {
        assert_eq!(inner_path(name).unwrap().as_deref(), inner);
    }
    for name in ["../a", "a/../../b", "/etc/passwd", "C:\\x", "\\x", "a\\..\\b"] {
        assert!(inner_path(name).is_err(), "{name}");
    }
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_old();
    header.as_old_mut().name[..9].copy_from_slice(b"../x.pcap");
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, io::empty()).unwrap();
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "client.pcap", "/etc/passwd").unwrap();
    let (found, _) = read(&tar.into_inner().unwrap());
    let whys: Vec<_> = found.iter().map(|f| f.1.clone().unwrap_err()).collect();
    assert!(whys[0].contains("out of the archive") && whys[1].contains("link"), "{whys:?}");
}

#[test]
fn damage_is_said_and_what_was_before_it_kept() {
    let tar = plain_tar();
    let (found, end) = read(&tar[..1600]);
    assert!(end.is_err() || found.last().unwrap().1.is_err(), "{found:?}");
    assert_eq!(found[0].1, Ok(b"first".to_vec()));
    let mut zip = zipped(CompressionMethod::Stored);
    let at = zip.windows(5).position(|w| w == b"first").unwrap();
    zip[at] ^= 1;
    assert!(read(&zip).0[0].1.as_ref().unwrap_err().contains("check sum"));
    let mut encrypted = zipped(CompressionMethod::Stored);
    // Bit 0 of the flags in the local header and in the directory.
    encrypted[6] |= 1;
    let directory = encrypted.windows(4).position(|w| w == [b'P', b'K', 1, 2]).unwrap();
    encrypted[directory + 8] |= 1;
    assert!(read(&encrypted).0[0].1.as_ref().unwrap_err().contains("encrypted"));
}

#[test]
fn bombs_are_refused() {
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(160 << 20);
    header.set_mode(0o644);
    tar.append_data(&mut header, "client.pcap", io::repeat(0).take(160 << 20)).unwrap();
    let tar = tar.into_inner().unwrap();
    let (found, _) = read(&gzip(&tar));
    assert!(found[0].1.as_ref().unwrap_err().contains("grows more than"));
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    zip.start_file("client.pcap", SimpleFileOptions::default()).unwrap();
    io::copy(&mut io::repeat(0).take(160 << 20), &mut zip).unwrap();
    let (found, _) = read(&zip.finish().unwrap().into_inner());
    assert!(found[0].1.as_ref().unwrap_err().contains("grows more than"));
}
