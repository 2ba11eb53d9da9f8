//! Addresses and identifiers in any text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::net::Mac;

/// A piece of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found<'t> {
    Ip(IpAddr),
    Mac(Mac),
    /// A UUID, or 32 hexadecimal digits and more.
    Id(&'t str),
    Other(&'t str),
}

/// Cuts `text` into what was found and what lies between.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Found<'_>> {
    let mut rest = text;
    let mut waiting: Option<(Found<'_>, usize)> = None;
    std::iter::from_fn(move || {
        if let Some((found, len)) = waiting.take() {
            rest = &rest[len..];
            return Some(found);
        }
        if rest.is_empty() {
            return None;
        }
        let mut before: Option<char> = None;
        for (at, c) in rest.char_indices() {
            // Nothing begins inside a word or a number. A name may end in a dash before an address: that is one still.
            let starts = (c.is_ascii_hexdigit() || c == ':') && !before.is_some_and(|b| b.is_alphanumeric() || b == '.');
            if starts && let Some((found, len)) = at_start(&rest[at..], before) {
                let between = &rest[..at];
                rest = &rest[at..];
                if between.is_empty() {
                    rest = &rest[len..];
                    return Some(found);
                }
                waiting = Some((found, len));
                return Some(Found::Other(between));
            }
            before = Some(c);
        }
        let last = rest;
        rest = "";
        Some(Found::Other(last))
    })
}

/// What `text` starts with, and its length.
fn at_start(text: &str, before: Option<char>) -> Option<(Found<'_>, usize)> {
    let run = |allowed: fn(u8) -> bool| &text[..text.bytes().position(|b| !allowed(b)).unwrap_or(text.len())];
    let ends = |len: usize| !text[len..].starts_with(|c: char| c.is_alphanumeric());
    let dashed = run(|b| b.is_ascii_hexdigit() || b == b'-');
    let uuid = dashed.get(..36).filter(|u| u.bytes().enumerate().all(|(i, b)| (b == b'-') == matches!(i, 8 | 13 | 18 | 23)));
    if let Some(id) = uuid.filter(|_| ends(36)) {
        return Some((Found::Id(id), 36));
    }
    let digits = run(|b| b.is_ascii_hexdigit());
    if digits.len() >= 32 && ends(digits.len()) {
        return Some((Found::Id(digits), digits.len()));
    }
    let mac = text.get(..17).filter(|_| before != Some(':') && ends(17) && !text[17..].starts_with([':', '-']));
    if let Some(mac) = mac.and_then(|m| m.parse::<Mac>().ok()) {
        return Some((Found::Mac(mac), 17));
    }
    let dotted = run(|b| b.is_ascii_digit() || b == b'.').trim_end_matches('.');
    if let Some(ip) = dotted.parse::<Ipv4Addr>().ok().filter(|_| ends(dotted.len())) {
        return Some((Found::Ip(IpAddr::V4(ip)), dotted.len()));
    }
    if before == Some(':') {
        return None;
    }
    let colons = run(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    let whole = colons.trim_end_matches('.');
    // A sentence may go on with a colon after the address.
    [whole, whole.trim_end_matches(':')].into_iter().find_map(|t| {
        let ip = t.parse::<Ipv6Addr>().ok().filter(|ip| !ip.is_unspecified())?;
        ends(t.len()).then_some((Found::Ip(IpAddr::V6(ip)), t.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let said = |f| match f {
            Found::Ip(ip) => Some(format!("ip {ip}")),
            Found::Mac(mac) => Some(format!("mac {mac}")),
            Found::Id(id) => Some(format!("id {id}")),
            Found::Other(_) => None,
        };
        pieces(text).filter_map(said).collect()
    }

    #[test]
    fn addresses_are_found_wherever_they_stand() {
        assert_eq!(found("tcp 10.0.0.11:40000 > 10.0.0.12:80"), ["ip 10.0.0.11", "ip 10.0.0.12"]);
        assert_eq!(found("tcp [2001:db8::1]:80 > [fe80::1]:81"), ["ip 2001:db8::1", "ip fe80::1"]);
        assert_eq!(found("tcp:10.0.0.12:49152"), ["ip 10.0.0.12"]);
        assert_eq!(found("http://10.0.0.12/x, from 10.0.0.13."), ["ip 10.0.0.12", "ip 10.0.0.13"]);
        assert_eq!(found("eth.src == fa:16:3e:00:00:01 or fa-16-3e-00-00-02"), ["mac fa:16:3e:00:00:01", "mac fa:16:3e:00:00:02"]);
        assert_eq!(found("at 2001:db8::2: nothing"), ["ip 2001:db8::2"]);
        assert_eq!(found("::ffff:10.0.0.1"), ["ip ::ffff:10.0.0.1"]);
        assert_eq!(found("/servers/123e4567-e89b-12d3-a456-426614174000/action"), ["id 123e4567-e89b-12d3-a456-426614174000"]);
        assert_eq!(found("/v3/0123456789abcdef0123456789abcdef/x"), ["id 0123456789abcdef0123456789abcdef"]);
        assert_eq!(found("vm-10.0.0.1"), ["ip 10.0.0.1"]);
    }

    #[test]
    fn times_numbers_and_versions_are_none() {
        for text in
            ["2026-11-24T00:08:48.500000000Z", "00:08:48.5", "1.5 ms", "7.2.0", "1.2.3.4.5", "pc-i440fx-7.2", "deadbeef", "300.1.2.3", ""]
        {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn nothing_is_lost_between() {
        let text = "é 10.0.0.1–fe80::1 x:y 日本 52:54:00:12:34:56";
        let again: String = pieces(text)
            .map(|f| match f {
                Found::Ip(ip) => ip.to_string(),
                Found::Mac(mac) => mac.to_string(),
                Found::Id(t) | Found::Other(t) => t.to_owned(),
            })
            .collect();
        assert_eq!(again, text);
    }
}
