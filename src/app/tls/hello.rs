//! Hellos: TLS 1.0 to 1.3 over TCP, and the same messages inside QUIC.

use tls_parser::{
    TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_client_hello_extensions, parse_tls_message_handshake,
    parse_tls_server_hello_extensions,
};

use crate::base::limits::{HTTP_TEXT, TLS_ALPN};

/// RFC 8446 section 5.2: 2^14 bytes and at most 256 of expansion; RFC 5246 section 6.2.3 allows 2048.
pub(super) const RECORD_MAX: u16 = (1 << 14) + 2048;

/// What a client says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `server_name` (RFC 6066 section 3), in lower case.
    pub server_name: Option<Box<str>>,
    /// Application protocols (RFC 7301), in the client's order.
    pub alpn: Vec<Box<str>>,
    /// Highest version offered: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3.
    pub version: u16,
    /// The name is hidden by Encrypted Client Hello: `server_name` is that of the public front.
    pub encrypted: bool,
}

/// What a server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// Version chosen.
    pub version: u16,
    /// Cipher suite chosen, as registered with IANA.
    pub cipher: u16,
    /// Application protocol chosen; in TLS 1.3 it is encrypted and not known.
    pub alpn: Option<Box<str>>,
}

/// Type of the extension `encrypted_client_hello`.
const ECH: u16 = 0xfe0d;

/// Length of the record whose header starts here; `None` if it is none.
pub(super) fn record(bytes: &[u8]) -> Option<u16> {
    let [kind, 3, minor, a, b, ..] = *bytes else { return None };
    let length = u16::from_be_bytes([a, b]);
    ((20..=23).contains(&kind) && (1..=4).contains(&minor) && (1..=RECORD_MAX).contains(&length)).then_some(length)
}

/// Length of the handshake message that starts here, its header of four bytes included.
pub fn message_len(bytes: &[u8]) -> Option<usize> {
    let [_, a, b, c, ..] = *bytes else { return None };
    Some(4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
}

/// Decodes a whole ClientHello message.
pub fn client(message: &[u8]) -> Option<ClientHello> {
    let (_, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello))) = parse_tls_message_handshake(message).ok()? else {
        return None;
    };
    let mut out = ClientHello { version: hello.version.0, ..Default::default() };
    let (_, extensions) = parse_tls_client_hello_extensions(hello.ext.unwrap_or_default()).ok()?;
    for extension in extensions {
        match extension {
            TlsExtension::SNI(names) => out.server_name = names.first().map(|(_, name)| text(name).to_ascii_lowercase().into()),
            TlsExtension::ALPN(names) => out.alpn = names.iter().take(TLS_ALPN).map(|n| text(n)).collect(),
            // RFC 8446 section 4.2.1; RFC 8701: values of the form 0x?a?a are noise.
            TlsExtension::SupportedVersions(versions) => {
                out.version = versions.iter().map(|v| v.0).filter(|v| v & 0x0f0f != 0x0a0a).max().unwrap_or(out.version);
            }
            TlsExtension::Unknown(kind, _) if kind.0 == ECH => out.encrypted = true,
            _ => {}
        }
    }
    Some(out)
}

/// Decodes a whole ServerHello message.
pub fn server(message: &[u8]) -> Option<ServerHello> {
    let (_, TlsMessage::Handshake(handshake)) = parse_tls_message_handshake(message).ok()? else { return None };
    let (version, cipher, ext) = match handshake {
        TlsMessageHandshake::ServerHello(hello) => (hello.version.0, hello.cipher.0, hello.ext),
        TlsMessageHandshake::ServerHelloV13Draft18(hello) => (hello.version.0, hello.cipher.0, hello.ext),
        _ => return None,
    };
    let mut out = ServerHello { version, cipher, alpn: None };
    let (_, extensions) = parse_tls_server_hello_extensions(ext.unwrap_or_default()).ok()?;
    for extension in extensions {
        match extension {
            TlsExtension::SupportedVersions(versions) => out.version = versions.first().map_or(out.version, |v| v.0),
            TlsExtension::ALPN(names) => out.alpn = names.first().map(|n| text(n)),
            _ => {}
        }
    }
    Some(out)
}

fn text(bytes: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(bytes);
    text[..text.floor_char_boundary(HTTP_TEXT.min(text.len()))].into()
}
