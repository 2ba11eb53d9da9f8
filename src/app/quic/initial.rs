//! Long headers, and the protection of Initial packets (RFC 9001 section 5, RFC 9369 section 3.3).

use aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{Aead, Payload};
use hkdf::Hkdf;
use sha2::Sha256;

/// QUIC version 1.
pub(super) const V1: u32 = 1;
/// QUIC version 2.
pub(super) const V2: u32 = 0x6b33_43cf;

/// RFC 9001 section 5.2.
const SALT_V1: [u8; 20] =
    [0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a];
/// RFC 9369 section 3.3.1.
const SALT_V2: [u8; 20] =
    [0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9];

/// Kind of a packet with a long header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// A packet with a long header of a known version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LongHeader<'a> {
    pub version: u32,
    pub kind: Kind,
    pub dcid: &'a [u8],
    /// The whole packet, as far as it was captured.
    pub packet: &'a [u8],
    /// Where its protected packet number starts; 0 for Retry.
    pub number_at: usize,
    /// What follows it in the datagram.
    pub rest: &'a [u8],
}

/// RFC 9000 section 16.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = 1usize << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(len)?;
    let value = number.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
    // The two length bits lie at the top of `len` bytes.
    Some((value & (u64::MAX >> (64 - (len * 8 - 2) as u32)), rest))
}

impl<'a> LongHeader<'a> {
    /// RFC 9000 section 17.2; `None` for short headers and other versions.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (&first, rest) = datagram.split_first()?;
        // The fixed bit must be set, and the form bit tells a long header.
        if first & 0xc0 != 0xc0 {
            return None;
        }
        let (version, rest) = rest.split_first_chunk().map(|(v, r)| (u32::from_be_bytes(*v), r))?;
        let bits = first >> 4 & 3;
        let kind = match (version, bits) {
            (V1, 0) | (V2, 1) => Kind::Initial,
            (V1, 1) | (V2, 2) => Kind::ZeroRtt,
            (V1, 2) | (V2, 3) => Kind::Handshake,
            (V1, _) | (V2, _) => Kind::Retry,
            _ => return None,
        };
        let (dcid, rest) = connection_id(rest)?;
        let (_, rest) = connection_id(rest)?;
        if kind == Kind::Retry {
            return Some(Self { version, kind, dcid, packet: datagram, number_at: 0, rest: &[] });
        }
        let rest = if kind == Kind::Initial {
            let (token, rest) = varint(rest)?;
            rest.get(usize::try_from(token).ok()?..)?
        } else {
            rest
        };
        let (length, rest) = varint(rest)?;
        let number_at = datagram.len() - rest.len();
        let end = usize::try_from(length).ok().and_then(|l| number_at.checked_add(l)).map_or(datagram.len(), |e| e.min(datagram.len()));
        Some(Self { version, kind, dcid, packet: &datagram[..end], number_at, rest: &datagram[end..] })
    }
}

/// RFC 9000 section 17.2: at most 20 bytes in these versions.
fn connection_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    if len > 20 {
        return None;
    }
    rest.split_at_checked(usize::from(len))
}

/// Keys of one direction's Initial packets.
pub(super) struct Keys {
    pub(super) key: [u8; 16],
    pub(super) iv: [u8; 12],
    pub(super) hp: [u8; 16],
}

impl Keys {
    /// Of the client (`client` true) or the server, from the first destination ID that the client chose.
    pub fn new(version: u32, dcid: &[u8], client: bool) -> Option<Self> {
        let (salt, [key, iv, hp]) = match version {
            V1 => (&SALT_V1, ["quic key", "quic iv", "quic hp"]),
            V2 => (&SALT_V2, ["quicv2 key", "quicv2 iv", "quicv2 hp"]),
            _ => return None,
        };
        let (_, initial) = Hkdf::<Sha256>::extract(Some(salt), dcid);
        let mut secret = [0; 32];
        expand(&initial, if client { "client in" } else { "server in" }, &mut secret)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let mut keys = Self { key: [0; 16], iv: [0; 12], hp: [0; 16] };
        expand(&secret, key, &mut keys.key)?;
        expand(&secret, iv, &mut keys.iv)?;
        expand(&secret, hp, &mut keys.hp)?;
        Some(keys)
    }

    /// Five bytes that hide the header (RFC 9001 section 5.4.3).
    pub(super) fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        let mut block = aes::Block::from(*sample);
        aes::Aes128::new(&self.hp.into()).encrypt_block(&mut block);
        [block[0], block[1], block[2], block[3], block[4]]
    }

    pub(super) fn nonce(&self, number: u32) -> [u8; 12] {
        let mut nonce = self.iv;
        for (n, b) in nonce[8..].iter_mut().zip(number.to_be_bytes()) {
            *n ^= b;
        }
        nonce
    }

    /// The frames of an Initial packet; `None` if the keys are not its own or it is not whole.
    pub fn open(&self, header: &LongHeader<'_>) -> Option<Vec<u8>> {
        let (packet, at) = (header.packet, header.number_at);
        let mask = self.mask(packet.get(at + 4..at + 20)?.first_chunk()?);
        let first = packet[0] ^ (mask[0] & 0x0f);
        let len = usize::from(first & 3) + 1;
        let mut aad = packet[..at + len].to_vec();
        aad[0] = first;
        let mut number = 0u32;
        for (b, m) in aad[at..].iter_mut().zip(&mask[1..]) {
            *b ^= m;
            // Initial packets are few: the number is whole as it is written.
            number = number << 8 | u32::from(*b);
        }
        let cipher = Aes128Gcm::new(&self.key.into());
        cipher.decrypt(&self.nonce(number).into(), Payload { msg: &packet[at + len..], aad: &aad }).ok()
    }
}

/// HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context.
fn expand(secret: &Hkdf<Sha256>, label: &str, out: &mut [u8]) -> Option<()> {
    let mut info = (out.len() as u16).to_be_bytes().to_vec();
    info.push(6 + label.len() as u8);
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label.as_bytes());
    info.push(0);
    secret.expand(&info, out).ok()
}
