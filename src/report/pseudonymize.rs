//! A report that can be given away: addresses, identifiers and names become pseudonyms in every string that it holds.
//!
//! Works on the report as data, field by field, so that a field added later is not forgotten: addresses and identifiers are found
//! anywhere in a text; fields that hold names are replaced whole; of the free texts of the control timeline only words that are known
//! to be nobody's name stay. Times, sizes, ports and what the user said (`--name`, factors) stay.

mod scan;

use std::collections::BTreeMap;

use serde_json::Value;

use self::scan::{Found, pieces};
use crate::base::pseudonym::Pseudonyms;
use crate::error::{Error, Result};
use crate::model::Report;

/// Words of the control timeline that are nobody's name, in lower case. Any other word there is replaced.
const KNOWN_WORDS: &[&str] = &[
    "a",
    "abort",
    "action",
    "after",
    "amqp",
    "an",
    "and",
    "answer",
    "answered",
    "api",
    "at",
    "attachments",
    "binding",
    "bindings",
    "bytes",
    "call",
    "cancelled",
    "captured",
    "cast",
    "ceph",
    "cinder",
    "compute",
    "conductor",
    "confirm",
    "connection",
    "cut",
    "delete",
    "destination",
    "detail",
    "domain",
    "error",
    "event",
    "events",
    "exchange",
    "external",
    "fanout",
    "first",
    "flavors",
    "for",
    "frame",
    "from",
    "get",
    "glance",
    "head",
    "host",
    "http",
    "https",
    "id",
    "image",
    "images",
    "in",
    "is",
    "json",
    "keystone",
    "last",
    "libvirt",
    "live",
    "message",
    "method",
    "migrate",
    "migrated",
    "migration",
    "migrations",
    "monitor",
    "ms",
    "msg",
    "nbd",
    "network",
    "networks",
    "neutron",
    "no",
    "none",
    "not",
    "nova",
    "of",
    "on",
    "options",
    "os-migratelive",
    "os-server-external-events",
    "patch",
    "perform",
    "placement",
    "port",
    "ports",
    "post",
    "prepare",
    "put",
    "qemu",
    "queue",
    "rabbitmq",
    "rbd",
    "rdma",
    "reply",
    "request",
    "response",
    "rollback",
    "rpc",
    "s",
    "scheduler",
    "serial",
    "server",
    "servers",
    "service",
    "source",
    "ssh",
    "state",
    "status",
    "step",
    "tcp",
    "the",
    "time",
    "timeout",
    "tls",
    "to",
    "tokens",
    "topic",
    "udp",
    "unanswered",
    "unix",
    "unknown",
    "uri",
    "version",
    "vm",
    "volume",
    "volumes",
    "was",
    "with",
    "xml",
];

/// Endings of paths that tell a kind of file and no name.
const ENDINGS: &[&str] =
    &["m3u8", "mpd", "ts", "m4s", "m4v", "m4a", "mp4", "webm", "mov", "aac", "vtt", "html", "js", "css", "json", "png", "jpg"];

/// What the report says about it.
pub const WARNING: &str = "Addresses and names are pseudonyms: the same key gives the same ones.";

/// Replaces what names somebody in `report`. `named` says that the run's name was given to be told; else it comes from a path and goes.
///
/// # Errors
/// The report cannot be taken apart as data, which none gives cause for.
pub fn pseudonymize(report: &Report, names: &Pseudonyms, named: bool) -> Result<Report> {
    let broken = |e: serde_json::Error| Error::new(format!("cannot take the report apart to replace its names: {e}"));
    let mut rewriter = Rewriter { names, files: files(report), elsewhere: Vec::new() };
    rewriter.elsewhere = rewriter.elsewhere(report);
    let mut data = serde_json::to_value(report).map_err(broken)?;
    rewriter.walk("", "", &mut data);
    let mut report: Report = serde_json::from_value(data).map_err(broken)?;
    if !named {
        report.run.name = names.name("run", &report.run.name);
    }
    report.warnings.insert(0, WARNING.to_owned());
    Ok(report)
}

/// A free text, such as a comment in a capture.
pub fn text(text: &str, names: &Pseudonyms) -> String {
    Rewriter { names, files: BTreeMap::new(), elsewhere: Vec::new() }.plain(text)
}

/// What each file is called: its point's role and its number there.
fn files(report: &Report) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for point in &report.points {
        for (i, file) in point.files.iter().enumerate() {
            let mut new = format!("{}-{}.{}", point.role, i + 1, if file.format == "pcapng" { "pcapng" } else { "pcap" });
            // Two points may have no role, or the same one.
            while files.values().any(|f| *f == new) {
                new.insert_str(0, "other-");
            }
            files.insert(file.path.clone(), new);
        }
    }
    files
}

struct Rewriter<'n> {
    names: &'n Pseudonyms,
    files: BTreeMap<String, String>,
    /// Names that stand in fields of their own and may turn up in texts, with what they become; the longest first.
    elsewhere: Vec<(String, String)>,
}

impl Rewriter<'_> {
    fn elsewhere(&self, report: &Report) -> Vec<(String, String)> {
        let flows = report.flows.iter().filter_map(|f| f.host.as_ref());
        let hosts = flows.chain(report.video.iter().filter_map(|v| v.host.as_ref())).map(|h| (h.clone(), self.host(h)));
        let paths = report.video.iter().filter_map(|v| v.path.as_ref()).map(|p| (p.clone(), self.path(p)));
        // What is shorter, or a word of the sentences themselves, would change more than names.
        let telling = |name: &str| name.len() > 3 && !KNOWN_WORDS.contains(&name.to_lowercase().as_str());
        let files = self.files.iter().map(|(old, new)| (old.clone(), new.clone()));
        let mut all: Vec<_> = hosts.chain(paths).chain(files).filter(|(old, _)| telling(old)).collect();
        all.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        all.dedup();
        all
    }

    /// `section` is the field of the report, `key` the innermost field.
    fn walk(&mut self, section: &str, key: &str, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.string(section, key, text),
            Value::Array(list) => list.iter_mut().for_each(|v| self.walk(section, key, v)),
            Value::Object(fields) => {
                let old = std::mem::take(fields);
                for (name, mut value) in old {
                    self.walk(if section.is_empty() { &name } else { section }, &name, &mut value);
                    fields.insert(self.plain(&name), value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn string(&self, section: &str, key: &str, text: &str) -> String {
        match (section, key) {
            ("points", "path") | (_, "file") => self.files.get(text).cloned().unwrap_or_else(|| self.unless_empty("file", text)),
            ("control", "time" | "point" | "kind" | "what" | "outcome") => self.plain(text),
            ("control", _) => self.strict(text),
            (_, "host" | "hostname" | "domain" | "instance") => self.host(text),
            (_, "path" | "variant") => self.path(text),
            (_, "request") => match text.split_once(' ') {
                Some((method, path)) => format!("{method} {}", self.path(path)),
                None => self.path(text),
            },
            (_, "detail") | ("warnings", _) | ("series", "name") => self.sentence(text),
            _ => self.plain(text),
        }
    }

    fn unless_empty(&self, kind: &str, text: &str) -> String {
        if text.is_empty() { String::new() } else { self.names.name(kind, text) }
    }

    /// A host name or an address, perhaps with a port.
    fn host(&self, text: &str) -> String {
        let scanned = self.plain(text);
        if scanned != text {
            return scanned;
        }
        match text.rsplit_once(':').filter(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())) {
            Some((host, port)) => format!("{}:{port}", self.names.name("host", host)),
            None => self.unless_empty("host", text),
        }
    }

    /// The path of a URL: its ending stays if it tells a kind of file.
    fn path(&self, text: &str) -> String {
        if text.is_empty() || text == "/" || text == "*" {
            return text.to_owned();
        }
        let ending = text.rsplit_once('.').map(|e| e.1.to_ascii_lowercase()).filter(|e| ENDINGS.contains(&e.as_str()));
        let slash = if text.starts_with('/') { "/" } else { "" };
        format!("{slash}{}{}", self.names.name("path", text), ending.map(|e| format!(".{e}")).unwrap_or_default())
    }

    /// Addresses and identifiers only: for texts that are lmpcap's own.
    fn plain(&self, text: &str) -> String {
        pieces(text).map(|piece| self.found(piece, |other| other.to_owned())).collect()
    }

    /// Files, hosts and paths that are named elsewhere too.
    fn sentence(&self, text: &str) -> String {
        // An address that is a host's name was replaced there too: it must not be replaced twice.
        let mut pieces = vec![(text.to_owned(), false)];
        for (old, new) in &self.elsewhere {
            pieces = pieces.into_iter().flat_map(|(text, done)| if done { vec![(text, true)] } else { split(&text, old, new) }).collect();
        }
        pieces.into_iter().map(|(text, done)| if done { text } else { self.plain(&text) }).collect()
    }

    /// Only words that are known stay.
    fn strict(&self, text: &str) -> String {
        pieces(text).map(|piece| self.found(piece, |other| self.words(other))).collect()
    }

    fn found(&self, piece: Found<'_>, other: impl Fn(&str) -> String) -> String {
        match piece {
            Found::Ip(ip) => self.names.ip(ip).to_string(),
            Found::Mac(mac) => self.names.mac(mac).to_string(),
            Found::Id(id) => self.names.hex(id),
            Found::Other(text) => other(text),
        }
    }

    fn words(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let in_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '%') || !c.is_ascii();
        while let Some(start) = rest.find(in_word) {
            out.push_str(&rest[..start]);
            let end = rest[start..].find(|c| !in_word(c)).map_or(rest.len(), |n| start + n);
            out.push_str(&self.word(&rest[start..end]));
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    fn word(&self, word: &str) -> String {
        let bare = word.trim_end_matches('.');
        let number = bare.strip_prefix('v').unwrap_or(bare);
        let is_number = number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && number.len() < 20;
        if is_number || KNOWN_WORDS.contains(&bare.to_lowercase().as_str()) {
            return word.to_owned();
        }
        format!("{}{}", self.names.name("name", bare), &word[bare.len()..])
    }
}

/// `text` cut at every `old`, which becomes `new` and is marked as done.
fn split(text: &str, old: &str, new: &str) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    for (i, part) in text.split(old).enumerate() {
        if i > 0 {
            out.push((new.to_owned(), true));
        }
        out.push((part.to_owned(), false));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::sample;

    fn names() -> Pseudonyms {
        Pseudonyms::new(b"key")
    }

    #[test]
    fn every_string_of_every_field_is_rewritten() {
        let names = names();
        // 10.1.2.3 in every string that there is, also in fields that are new to this test.
        let mut data = serde_json::to_value(sample::report()).unwrap();
        let mut count = 0;
        poison(&mut data, &mut count);
        assert!(count > 500, "{count} strings");
        let mut rewriter = Rewriter { names: &names, files: BTreeMap::new(), elsewhere: Vec::new() };
        rewriter.walk("", "", &mut data);
        let text = data.to_string();
        assert!(!text.contains("10.1.2.3"), "{text}");
    }

    fn poison(value: &mut Value, count: &mut u32) {
        match value {
            Value::String(text) => {
                *text = format!("{text} 10.1.2.3");
                *count += 1;
            }
            Value::Array(list) => list.iter_mut().for_each(|v| poison(v, count)),
            Value::Object(fields) => fields.iter_mut().for_each(|(_, v)| poison(v, count)),
            _ => {}
        }
    }

    #[test]
    fn figures_and_times_stay() {
        let report = sample::report();
        let renamed = pseudonymize(&report, &names(), true).unwrap();
        let numbers = |r: &Report| {
            let mut data = serde_json::to_value(r).unwrap();
            data["warnings"] = Value::Null;
            let text = data.to_string();
            text.split(['"', ',', ':', '[', ']', '{', '}'])
                .filter(|t| t.parse::<f64>().is_ok_and(|n| n.fract() != 0.0))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(&report), numbers(&renamed));
        assert_eq!((report.run.start, &report.run.name), (renamed.run.start, &renamed.run.name));
        assert_eq!(renamed.migrations.len(), report.migrations.len());
        assert_ne!(renamed.vm, report.vm);
        assert!(pseudonymize(&report, &names(), false).unwrap().run.name.starts_with("run-"));
    }

    #[test]
    fn names_of_hosts_files_and_paths_go() {
        let names = names();
        let files = BTreeMap::from([("/home/budi/vm1.pcap".into(), "source-1.pcap".into())]);
        let mut rewriter = Rewriter { names: &names, files, elsewhere: Vec::new() };
        let flow = |host: &str| crate::model::Flow { host: Some(host.into()), ..crate::model::Flow::default() };
        let flows = vec![flow("video.example"), flow("10.0.0.11")];
        rewriter.elsewhere = rewriter.elsewhere(&Report { flows, ..Report::default() });
        assert!(rewriter.string("flows", "host", "video.example").starts_with("host-"));
        assert!(rewriter.string("flows", "host", "video.example:8080").ends_with(":8080"));
        assert_eq!(rewriter.string("flows", "host", "10.0.0.11:80"), format!("{}:80", names.ip("10.0.0.11".parse().unwrap())));
        assert_eq!(rewriter.string("points", "path", "/home/budi/vm1.pcap"), "source-1.pcap");
        let path = rewriter.string("video", "path", "/budi/film.m3u8");
        assert!(path.starts_with("/path-") && path.ends_with(".m3u8"), "{path}");
        let request = rewriter.string("http", "request", "GET /budi/secret");
        assert!(request.starts_with("GET /path-") && !request.contains("budi"), "{request}");
        let said = rewriter.string("anomalies", "detail", "/home/budi/vm1.pcap, byte 5: video.example");
        assert!(said.starts_with("source-1.pcap, byte 5: host-"), "{said}");
        assert_eq!(rewriter.string("warnings", "", "10.0.0.11 is odd"), format!("{} is odd", names.ip("10.0.0.11".parse().unwrap())));
    }

    #[test]
    fn of_the_control_timeline_only_known_words_stay() {
        let names = names();
        let rewriter = Rewriter { names: &names, files: BTreeMap::new(), elsewhere: Vec::new() };
        let detail =
            rewriter.string("control", "detail", "libvirt RPC, serial 12; tcp:compute2.budi.example:49152; error: no domain 'vm-budi'");
        assert!(detail.starts_with("libvirt RPC, serial 12; tcp:name-"), "{detail}");
        assert!(detail.contains(":49152; error: no domain 'name-") && !detail.contains("budi"), "{detail}");
        let detail = rewriter.string("control", "detail", "POST /v2.1/servers/123e4567-e89b-12d3-a456-426614174000/action; 202");
        assert!(detail.starts_with("POST /v2.1/servers/") && detail.ends_with("/action; 202") && !detail.contains("123e4567"), "{detail}");
    }
}
