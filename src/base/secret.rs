//! What must not be shown: passwords, tokens, cookies and signatures in the paths and texts that reports quote.
//!
//! Method: names tell secrets (`token=…`, `"password": "…"`, `Authorization: …`), places do (user information and queries of
//! URLs, what follows `/tokens/`), and so does the look of a word (JSON web tokens, Fernet tokens, long random words). Bias: it
//! rather hides a harmless long hash than shows a secret. Identifiers of 32 hexadecimal digits and UUIDs are shown: OpenStack
//! names everything by them. A short secret in free text that nothing names is not told from a word.

use std::borrow::Cow;

/// Stands for what is not shown.
pub const HIDDEN: &str = "***";

/// Parts of names whose values are secret, without `-` and `_`, in lower case.
const NAMES: &[&str] = &[
    "token",
    "passw",
    "passphrase",
    "secret",
    "authorization",
    "cookie",
    "sessionid",
    "signature",
    "hmac",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "adminpass",
    "userdata",
    "hdnea",
    "hdntl",
    "hdnts",
    "bearer",
];
/// Whole names whose values are secret.
const WHOLE_NAMES: &[&str] = &["sig", "pwd", "pass", "auth", "jwt", "sid", "key", "session"];
/// Words between a name and its secret (RFC 9110 section 11.1).
const SCHEMES: &[&str] = &["basic", "bearer", "digest", "negotiate"];
/// Words of random letters and digits shorter than this are taken for names.
const LEAST_RANDOM: usize = 24;
/// Hexadecimal words from this on are taken for signatures; SHA-256 has 64 digits, SHA-1 40, identifiers 32.
const LEAST_HEX: usize = 40;
/// What follows `/tokens/` from this length on is a token, and not an extension's name.
const LEAST_AFTER_TOKENS: usize = 16;

/// A path without query, for people.
pub fn path(path: &str) -> Cow<'_, str> {
    let mut hidden = false;
    let mut before = "";
    let mut parts = Vec::new();
    for part in path.split('/') {
        let after_tokens = matches!(before, "tokens" | "token") && part.len() >= LEAST_AFTER_TOKENS;
        let shown = if after_tokens { Cow::Borrowed(HIDDEN) } else { segment(part) };
        hidden |= matches!(shown, Cow::Owned(_)) || after_tokens;
        parts.push(shown);
        before = part;
    }
    if hidden { Cow::Owned(parts.join("/")) } else { Cow::Borrowed(path) }
}

/// One part of a path, with its parameters (RFC 3986 section 3.3).
fn segment(part: &str) -> Cow<'_, str> {
    let mut hidden = false;
    let mut params: Vec<Cow<'_, str>> = Vec::new();
    for param in part.split(';') {
        let shown = match param.split_once(['=', ':']) {
            Some((name, value)) if is_secret(name) && !value.is_empty() => Some(format!("{name}={HIDDEN}")),
            // Signed paths hold several values in one: `exp=1~acl=/*~hmac=…`.
            Some((name, value)) if value.split(['~', ',', '&', '=', ':', '.']).any(|v| is_secret(v) || is_token(v)) || is_token(value) => {
                Some(format!("{name}={HIDDEN}"))
            }
            _ => is_token(param).then(|| HIDDEN.to_owned()),
        };
        hidden |= shown.is_some();
        params.push(shown.map_or(Cow::Borrowed(param), Cow::Owned));
    }
    if hidden { Cow::Owned(params.join(";")) } else { Cow::Borrowed(part) }
}

/// A name whose value is secret.
fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    WHOLE_NAMES.contains(&name.as_str()) || NAMES.iter().any(|n| name.contains(n))
}

/// A word that looks like a token by itself.
fn is_token(word: &str) -> bool {
    let word = word.trim_end_matches('=');
    let bytes = word.as_bytes();
    if !bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.~+%".contains(b)) {
        return false;
    }
    // JSON web tokens (`{"` in base64) and Fernet tokens (version 0x80 and a time).
    if bytes.len() >= 20 && (word.starts_with("eyJ") || word.starts_with("gAAAA")) {
        return true;
    }
    // An extension is no part of a random name.
    let stem = match word.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 5 => stem,
        _ => word,
    };
    if stem.len() >= LEAST_HEX && stem.bytes().all(|b| b.is_ascii_hexdigit()) {
        return true;
    }
    // Random words change between capitals, small letters and digits at almost each second place. A capital before a small letter
    // begins a word of a language.
    let class = |b: u8| (b.is_ascii_uppercase(), b.is_ascii_lowercase(), b.is_ascii_digit());
    let other = class(b'-');
    let change = |w: &&[u8]| {
        let (a, b) = (class(w[0]), class(w[1]));
        a != b && a != other && b != other && !(a.0 && b.1)
    };
    let changes = stem.as_bytes().windows(2).filter(change).count();
    let uuid = stem.len() == 36 && stem.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let request = stem.strip_prefix("req-").is_some_and(|rest| rest.len() == 36);
    let mixed = stem.bytes().any(|b| b.is_ascii_uppercase()) && stem.bytes().any(|b| b.is_ascii_lowercase());
    stem.len() >= LEAST_RANDOM && mixed && !uuid && !request && changes * 4 >= stem.len()
}

/// Free text (an error message, a line of a reply), for people.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // What the next word is: nothing special, or a secret since a name came before it.
    let mut secret = false;
    // The name before, until it is known whether a `:` or `=` follows.
    let mut named = false;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' | '\'' => {
                let body = &rest[1..];
                let end = end_of_quote(body, first);
                let quoted = &body[..end];
                out.push(first);
                if secret {
                    out.push_str(HIDDEN);
                    (secret, named) = (false, false);
                } else {
                    out.push_str(&self::text(quoted));
                    named = is_secret(quoted);
                }
                rest = &body[end..];
                if let Some(after) = rest.strip_prefix(first) {
                    out.push(first);
                    rest = after;
                }
            }
            ':' | '=' => {
                secret |= named;
                named = false;
                out.push(first);
                rest = &rest[1..];
            }
            '[' if secret => {
                // A list of secrets, up to its end.
                out.push('[');
                out.push_str(HIDDEN);
                rest = &rest[rest.find(']').unwrap_or(rest.len())..];
                (secret, named) = (false, false);
            }
            c if c.is_whitespace() || ",;&<>(){}[]|\\".contains(c) => {
                // A line or an object ends what a name said; a blank does not.
                if !c.is_whitespace() && !"\\[(<".contains(c) || c == '\n' {
                    (secret, named) = (false, false);
                }
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "\"',;&<>(){}[]|\\".contains(c)).unwrap_or(rest.len());
                // A URL's query goes up to a blank or a quote.
                let end = match rest[..end].find('?') {
                    Some(at) if at + 1 < end => rest.find(|c: char| c.is_whitespace() || "\"'<>".contains(c)).unwrap_or(rest.len()),
                    _ => end,
                };
                let word = &rest[..end];
                if secret && SCHEMES.contains(&word.to_ascii_lowercase().as_str()) {
                    out.push_str(word);
                } else if secret {
                    out.push_str(HIDDEN);
                    (secret, named) = (false, false);
                } else {
                    (secret, named) = self::word(word, &mut out);
                }
                rest = &rest[end..];
            }
        }
    }
    out
}

/// One word of a text; says whether the next one is secret, and whether it would be after a colon.
fn word(word: &str, out: &mut String) -> (bool, bool) {
    let (word, query) = match word.split_once('?') {
        Some((before, query)) if !query.is_empty() => (before, true),
        _ => (word, false),
    };
    let end = |out: &mut String| {
        if query {
            out.push('?');
            out.push_str(HIDDEN);
        }
    };
    if let Some((scheme, after)) = word.split_once("://") {
        let authority = after.find('/').unwrap_or(after.len());
        let (host, tail) = after.split_at(authority);
        out.push_str(scheme);
        out.push_str("://");
        match host.rsplit_once('@') {
            Some((_, host)) => out.extend([HIDDEN, "@", host]),
            None => out.push_str(host),
        }
        out.push_str(&path(tail));
        end(out);
        return (false, false);
    }
    let split = word.find(['=', ':']);
    if let Some(at) = split {
        let (name, value) = (&word[..at], &word[at + 1..]);
        if is_secret(name) {
            out.push_str(&word[..=at]);
            if value.is_empty() {
                return (true, false);
            }
            out.push_str(HIDDEN);
            return (false, false);
        }
    }
    let shown = path(word);
    out.push_str(&shown);
    end(out);
    let scheme = ["bearer", "basic"].contains(&word.to_ascii_lowercase().as_str());
    // After `Bearer` and `Basic` a long word is a secret also without the header's name; a short one is prose.
    (false, !scheme && is_secret(word))
}

/// Where the quote ends: at the same quote that no backslash precedes.
fn end_of_quote(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at,
            _ => {}
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    const FERNET: &str = "gAAAAABkqJx1wq9Zr0v8yN3mKQxUo7-2cDe5Fh_LtT4s";
    const RANDOM: &str = "q7Xw2LpZ9aTr4VbN8cYk3MdH6sJf1GuE";

    #[test]
    fn paths_lose_their_tokens_and_keep_their_names() {
        for (given, shown) in [
            ("/hls/index0.ts", "/hls/index0.ts"),
            ("/v2.1/servers/8a1f0d3cbb4f4f1a9e0d2c3b4a596877/action", "/v2.1/servers/8a1f0d3cbb4f4f1a9e0d2c3b4a596877/action"),
            ("/v2.1/servers/8A1F0D3C-bb4f-4f1a-9e0d-2c3b4a596877", "/v2.1/servers/8A1F0D3C-bb4f-4f1a-9e0d-2c3b4a596877"),
            ("/film/BigBuckBunny_1080p_30fps_H264_Main_Profile_2008.mp4", "/film/BigBuckBunny_1080p_30fps_H264_Main_Profile_2008.mp4"),
            ("/a/b;jsessionid=0A1B2C/c", "/a/b;jsessionid=***/c"),
            ("/v3/auth/tokens/OS-FEDERATION/saml2", "/v3/auth/tokens/OS-FEDERATION/saml2"),
            ("/v2.0/tokens/8a1f0d3cbb4f4f1a9e0d2c3b4a596877", "/v2.0/tokens/***"),
            ("/hdntl=exp=1699999999~acl=/*~hmac=ab12/seg.ts", "/hdntl=***/*~hmac=***/seg.ts"),
            ("", ""),
        ] {
            assert_eq!(path(given), shown);
        }
        for token in [JWT, FERNET, RANDOM, &"0123456789abcdef".repeat(4)] {
            assert_eq!(path(&format!("/live/{token}/seg1.ts")), "/live/***/seg1.ts");
            assert_eq!(path(&format!("/live/{token}.m3u8")), "/live/***");
        }
    }

    #[test]
    fn texts_lose_what_names_and_places_tell() {
        for (given, shown) in [
            ("No valid host was found.", "No valid host was found."),
            ("The key of the map is missing: server 12", "The key of the map is missing: server 12"),
            ("Authorization: Bearer abc.def rest", "Authorization: Bearer *** rest"),
            ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic ***"),
            ("X-Auth-Token: abc", "X-Auth-Token: ***"),
            (
                r#"{"auth": {"passwordCredentials": {"password": "a \"b\" c", "user": "u"}}}"#,
                r#"{"auth": {"passwordCredentials": {"password": "***", "user": "u"}}}"#,
            ),
            (r#"{"adminPass":"x1","id":"7"}"#, r#"{"adminPass":"***","id":"7"}"#),
            ("see http://user:pw@h:1/a?token=abc&x=1 (twice)", "see http://***@h:1/a?*** (twice)"),
            ("GET /a?x=1", "GET /a?***"),
            (r#"{"tokens": ["a", "b"], "n": 1}"#, r#"{"tokens": [***], "n": 1}"#),
            ("token=abc; next=1", "token=***; next=1"),
            ("Cookie: a=b", "Cookie: ***"),
            ("port binding failed, why?", "port binding failed, why?"),
        ] {
            assert_eq!(text(given), shown, "{given}");
        }
        for token in [JWT, FERNET, RANDOM] {
            assert!(!text(&format!("rejected {token}, sorry")).contains(token));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_named_secret_never_comes_through(
            secret in "[A-Za-z0-9]{6,40}",
            name in proptest::sample::select(vec!["token", "X-Auth-Token", "password", "Cookie", "api_key", "Authorization"]),
            form in 0usize..6,
            before in "[a-z ]{0,12}",
        ) {
            let given = match form {
                0 => format!("{before} {name}: {secret}"),
                1 => format!("{before} {name}={secret}&a=b"),
                2 => format!("{{\"{name}\": \"{secret}\"}}"),
                3 => format!("{before} http://h/p?{name}={secret}"),
                4 => format!("{before} http://{secret}:{secret}@h/p"),
                _ => format!("{{\"{name}\":\"{secret}\",\"a\":1}}"),
            };
            // The secret may be a part of what surrounds it by chance.
            let bare = given.replace(&secret, "");
            if !bare.contains(&secret) {
                proptest::prop_assert!(!text(&given).contains(&secret), "{given}: {}", text(&given));
            }
        }

        #[test]
        fn any_text_is_taken(given in "\\PC{0,200}") {
            let _ = (text(&given), path(&given));
        }
    }
}
