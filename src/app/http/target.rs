//! What a request asks for: host and path. Queries may hold secrets; only their hash is kept, to tell two of them apart.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::base::secret;

/// Host, path and the hash of the query of a URL.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
pub struct Target {
    /// Host in lower case, with its port unless that is 80 or 443; `None` if not told.
    pub host: Option<Box<str>>,
    /// Path, from `/`, without query and fragment.
    pub path: Box<str>,
    /// Hash of the query.
    pub query: Option<u64>,
}

impl Target {
    /// From a request's target (RFC 9112 section 3.2) and its `Host`.
    pub fn of_request(target: &str, host: Option<&str>) -> Self {
        if let Some((authority, rest)) = absolute(target) {
            let (path, query) = split(rest);
            return Self { host: Some(clean_host(authority)), path: rooted(path), query };
        }
        let (path, query) = split(target);
        Self { host: host.filter(|h| !h.is_empty()).map(clean_host), path: path.into(), query }
    }

    /// Resolves `reference` against this target (RFC 3986 section 5.2; schemes are not kept).
    pub fn resolve(&self, reference: &str) -> Self {
        let reference = reference.trim();
        if let Some((authority, rest)) = absolute(reference) {
            let (path, query) = split(rest);
            return Self { host: Some(clean_host(authority)), path: remove_dots(&rooted(path)), query };
        }
        let (path, query) = split(reference);
        let path = if path.is_empty() {
            let query = if reference.starts_with('?') { query } else { self.query };
            return Self { host: self.host.clone(), path: self.path.clone(), query };
        } else if path.starts_with('/') {
            remove_dots(path)
        } else {
            let base = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
            remove_dots(&format!("{base}{path}"))
        };
        Self { host: self.host.clone(), path, query }
    }

    /// The same resource, as far as both sides tell: paths are equal, hosts and queries where both have one.
    pub fn same(&self, other: &Self) -> bool {
        let hosts = match (&self.host, &other.host) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        hosts && self.path == other.path && self.query == other.query
    }

    /// The path for people, without what looks like a secret.
    pub fn shown(&self) -> Cow<'_, str> {
        secret::path(&self.path)
    }

    /// Extension of the last part of the path, in lower case; empty if none.
    pub fn extension(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default()
    }
}

/// Authority and the rest of `scheme://authority/rest` or `//authority/rest`.
fn absolute(text: &str) -> Option<(&str, &str)> {
    let rest = match text.find("://") {
        Some(at) if text[..at].bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) && at > 0 => &text[at + 3..],
        _ => text.strip_prefix("//")?,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

/// Path and query's hash; the fragment is dropped.
fn split(text: &str) -> (&str, Option<u64>) {
    let text = text.split('#').next().unwrap_or_default();
    match text.split_once('?') {
        Some((path, query)) => (path, Some(hash(query.as_bytes()))),
        None => (text, None),
    }
}

/// Tells two secrets apart without keeping them.
pub(super) fn hash(secret: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    hasher.finish()
}

fn rooted(path: &str) -> Box<str> {
    if path.starts_with('/') { path.into() } else { format!("/{path}").into() }
}

/// Lower case, without user information, without the default ports.
pub(crate) fn clean_host(host: &str) -> Box<str> {
    let host = host.trim().rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let short = host.strip_suffix(":80").or_else(|| host.strip_suffix(":443"));
    match short {
        // An IPv6 address without brackets is no host with a port.
        Some(s) if !s.contains(':') || s.ends_with(']') => s.into(),
        _ => host.into(),
    }
}

/// RFC 3986 section 5.2.4.
fn remove_dots(path: &str) -> Box<str> {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Target {
        Target::of_request("/b/c/d;p?q=1", Some("A"))
    }

    #[test]
    fn references_resolve_as_rfc_3986_section_5_4_lists() {
        for (reference, path) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("g?y", "/b/c/g"),
            ("g#s", "/b/c/g"),
            (";x", "/b/c/;x"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            ("..g", "/b/c/..g"),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g/../h", "/b/c/h"),
            ("", "/b/c/d;p"),
        ] {
            assert_eq!(&*base().resolve(reference).path, path, "{reference:?}");
            assert_eq!(base().resolve(reference).host.as_deref(), Some("a"));
        }
        assert_eq!(base().resolve("//h/x").host.as_deref(), Some("h"));
        let other = base().resolve("https://cdn.example:443/s/1.ts?token=abc");
        assert_eq!((other.host.as_deref(), &*other.path), (Some("cdn.example"), "/s/1.ts"));
        assert!(other.query.is_some());
        assert!(!format!("{other:?}").contains("abc"), "queries are not kept");
    }

    #[test]
    fn absolute_form_overrides_host() {
        let t = Target::of_request("http://User:pw@Video.Example:80/a.m3u8?x", Some("proxy"));
        assert_eq!((t.host.as_deref(), &*t.path), (Some("video.example"), "/a.m3u8"));
        assert_eq!(t.extension(), "m3u8");
        assert_eq!(&*Target::of_request("http://h", None).path, "/");
        assert_eq!(&*clean_host("[::1]:80"), "[::1]");
        assert_eq!(&*clean_host("::80"), "::80");
    }

    #[test]
    fn queries_tell_targets_apart_where_both_have_them() {
        let a = Target::of_request("/s?n=1", None);
        assert!(!a.same(&Target::of_request("/s?n=2", Some("h"))));
        assert!(a.same(&Target::of_request("/s?n=1", Some("h"))));
    }
}
