//! Protocols that are told apart by their content so that their bytes have a name, and not read any further.

use super::{Event, Probe, Protocol, StreamParser};
use crate::base::emit::Emit;
use crate::base::net::Side;
use crate::flow::{EndOfStream, FlowKey, GapReason, Moment, Need};

/// SSH (RFC 4253 4.2): both sides begin with their versions.
pub const SSH: Protocol = Protocol { name: "ssh", probe: ssh, resync: None, start };
/// MySQL and MariaDB (the client/server protocol's packets): the server begins with a handshake of version 10.
pub const MYSQL: Protocol = Protocol { name: "mysql", probe: mysql, resync: Some(mysql_query), start };
/// VNC (RFC 6143 7.1.1): the server begins with its version.
pub const VNC: Protocol = Protocol { name: "vnc", probe: vnc, resync: None, start };
/// memcached, its text protocol (`doc/protocol.txt`) and its binary one.
pub const MEMCACHED: Protocol = Protocol { name: "memcached", probe: memcached, resync: Some(memcached_whole), start };

/// Wants nothing.
struct Unread;

impl StreamParser for Unread {
    fn bytes(&mut self, _side: Side, _when: Moment, _bytes: &[u8], _out: &mut dyn Emit<Event>) -> Need {
        Need::Nothing
    }

    fn gap(&mut self, _side: Side, _when: Moment, _missing: u64, _why: GapReason, _out: &mut dyn Emit<Event>) -> Need {
        Need::Nothing
    }

    fn end(&mut self, _when: Moment, _how: EndOfStream, _out: &mut dyn Emit<Event>) {}
}

fn start(_key: &FlowKey) -> Box<dyn StreamParser> {
    Box::new(Unread)
}

fn ssh(_key: &FlowKey, _side: Side, bytes: &[u8]) -> Probe {
    match super::migration::prefix(bytes, b"SSH-2.0-") {
        Probe::No => super::migration::prefix(bytes, b"SSH-1.99-"),
        other => other,
    }
}

/// "RFB 003.008\n", with other numbers perhaps.
fn vnc(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    match (side, super::migration::prefix(bytes, b"RFB 00")) {
        (_, Probe::Yes) => match (bytes.get(7), bytes.get(11)) {
            (Some(b'.'), Some(b'\n')) => Probe::Yes,
            (None | Some(b'.'), None) => Probe::More,
            _ => Probe::No,
        },
        (_, told) => told,
    }
}

/// Longest text of a MySQL server's version that is believed.
const VERSION: usize = 64;

fn mysql(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    if side == Side::Client {
        // It waits for the handshake; its answer is the second packet.
        return match bytes.get(3) {
            None | Some(1) => Probe::More,
            Some(_) => Probe::No,
        };
    }
    let [a, b, c, sequence, protocol, version @ ..] = bytes else { return Probe::More };
    let length = u32::from_le_bytes([*a, *b, *c, 0]);
    if *sequence != 0 || *protocol != 10 || !(30..=512).contains(&length) {
        return Probe::No;
    }
    match version.iter().position(|b| *b == 0) {
        Some(end) if end <= VERSION => {
            let text = &version[..end];
            let numbered = text.first().is_some_and(u8::is_ascii_digit) && text.contains(&b'.');
            if numbered && text.iter().all(u8::is_ascii_graphic) { Probe::Yes } else { Probe::No }
        }
        None if version.len() <= VERSION => Probe::More,
        _ => Probe::No,
    }
}

/// A segment that begins with a query: COM_QUERY (3), first packet of its exchange, then a statement.
fn mysql_query(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    const STATEMENTS: [&[u8]; 9] = [b"SELECT ", b"INSERT ", b"UPDATE ", b"DELETE ", b"BEGIN", b"COMMIT", b"ROLLBACK", b"SET ", b"SHOW "];
    let [a, b, c, 0, 3, text @ ..] = bytes else { return Probe::No };
    let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    let begins = STATEMENTS.iter().any(|s| text.len() >= s.len() && text[..s.len()].eq_ignore_ascii_case(s));
    // Nothing follows a query before its answer.
    if side == Side::Client && begins && text.len() < length { Probe::Yes } else { Probe::No }
}

/// Longest line of a command that is looked at: keys have at most 250 bytes.
const LINE: usize = 512;

fn memcached(_key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    if side == Side::Server {
        return match bytes.first() {
            // An answer alone could be anything.
            None | Some(0x81 | b'A'..=b'Z') => Probe::More,
            Some(_) => Probe::No,
        };
    }
    if bytes.first() == Some(&0x80) {
        return binary(bytes);
    }
    let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") else {
        let begun = [&b"get "[..], b"gets ", b"set ", b"add ", b"delete ", b"version"];
        let may = bytes.len() < LINE && begun.iter().any(|b| super::migration::prefix(bytes, b) != Probe::No);
        return if may { Probe::More } else { Probe::No };
    };
    if command(&bytes[..end]) { Probe::Yes } else { Probe::No }
}

fn memcached_whole(key: &FlowKey, side: Side, bytes: &[u8]) -> Probe {
    match (side, memcached(key, side, bytes)) {
        (Side::Client, Probe::Yes) => Probe::Yes,
        _ => Probe::No,
    }
}

/// A command with as many words as it must have, numbers where they belong.
fn command(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let mut words = line.split(' ');
    let Some(verb) = words.next() else { return false };
    let rest: Vec<&str> = words.collect();
    let key = |word: &&str| !word.is_empty() && word.len() <= 250 && word.bytes().all(|b| b.is_ascii_graphic());
    match verb {
        "get" | "gets" => !rest.is_empty() && rest.iter().all(key),
        "set" | "add" | "replace" | "append" | "prepend" | "cas" => {
            (4..=6).contains(&rest.len()) && rest.first().is_some_and(key) && rest[1..4].iter().all(|w| w.parse::<i64>().is_ok())
        }
        "delete" => (1..=2).contains(&rest.len()) && rest.first().is_some_and(key),
        "incr" | "decr" | "touch" => rest.len() >= 2 && rest[1].parse::<u64>().is_ok(),
        "version" | "flush_all" => rest.is_empty(),
        _ => false,
    }
}

/// A request: magic, operation, length of the key, of the extras, type of the data (0), status or bucket (0), length of all.
fn binary(bytes: &[u8]) -> Probe {
    let Some(head) = bytes.first_chunk::<24>() else { return Probe::More };
    let key = u32::from(u16::from_be_bytes([head[2], head[3]]));
    let body = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    let fits =
        head[1] <= 0x25 && key <= 250 && head[4] <= 20 && head[5..8] == [0; 3] && body >= key + u32::from(head[4]) && body <= 1 << 24;
    if fits { Probe::Yes } else { Probe::No }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::net::Endpoint;

    fn told(probe: crate::app::ProbeFn, side: Side, bytes: &[u8]) -> Probe {
        let end = |last, port| Endpoint { ip: std::net::IpAddr::from([10, 0, 0, last]), port };
        probe(&FlowKey { proto: 6, client: end(11, 40_000), server: end(10, 9) }, side, bytes)
    }

    #[test]
    fn told_by_their_first_words() {
        use Side::{Client, Server};
        assert_eq!(told(ssh, Client, b"SSH-2.0-OpenSSH_9.2\r\n"), Probe::Yes);
        assert_eq!(told(ssh, Server, b"SSH-"), Probe::More);
        assert_eq!(told(ssh, Server, b"SSL-"), Probe::No);
        assert_eq!(told(vnc, Server, b"RFB 003.008\n"), Probe::Yes);
        assert_eq!(told(vnc, Server, b"RFB 003"), Probe::More);
        assert_eq!(told(vnc, Server, b"RFB 003,008\n"), Probe::No);
        let greeting = b"\x4a\0\0\0\x0a5.5.5-10.6.12-MariaDB\0abcd";
        assert_eq!(told(mysql, Server, greeting), Probe::Yes);
        assert_eq!(told(mysql, Server, &greeting[..9]), Probe::More);
        assert_eq!(told(mysql, Server, b"\x4a\0\0\x01\x0a5.5.5\0"), Probe::No);
        assert_eq!(told(memcached, Client, b"get token-1 token-2\r\n"), Probe::Yes);
        assert_eq!(told(memcached, Client, b"set k 0 300 5\r\nhello\r\n"), Probe::Yes);
        assert_eq!(told(memcached, Client, b"set k zero 300 5\r\n"), Probe::No);
        assert_eq!(told(memcached, Client, b"GET / HTTP/1.1\r\n"), Probe::No);
        assert_eq!(told(memcached, Client, b"ge"), Probe::More);
        assert_eq!(told(memcached, Client, b"\x80\0\0\x03\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0key"), Probe::Yes);
    }

    #[test]
    fn queries_are_known_in_the_middle() {
        assert_eq!(told(mysql_query, Side::Client, b"\x09\0\0\0\x03SELECT 1"), Probe::Yes);
        assert_eq!(told(mysql_query, Side::Client, b"\x09\0\0\x01\x03SELECT 1"), Probe::No);
        assert_eq!(told(mysql_query, Side::Client, b"\x04\0\0\0\x03SELECT 1"), Probe::No);
        assert_eq!(told(mysql_query, Side::Server, b"\x09\0\0\0\x03SELECT 1"), Probe::No);
        assert_eq!(told(memcached_whole, Side::Server, b"VALUE x 0 1\r\n"), Probe::No);
    }
}
