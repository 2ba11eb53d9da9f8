//! Keyed pseudonyms for addresses and names: one key always gives the same ones, and without it nothing leads back.
//!
//! IP addresses keep their prefixes: two that share their first n bits share the first n bits of their pseudonyms (Crypto-PAn: Xu, Fan,
//! Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002), so that subnets can still be told apart. Who knows a few
//! pairs of address and pseudonym learns the prefixes of others: a report with pseudonyms is no secret. Ports, times and sizes stay.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};

use super::net::Mac;

/// Bytes of a key: half for the cipher, half for the padding (Crypto-PAn).
pub const KEY_BYTES: usize = 32;

/// Gives pseudonyms under one key.
pub struct Pseudonyms {
    cipher: aes::Aes128,
    pad: u128,
    derive: Hkdf<Sha256>,
}

impl Pseudonyms {
    /// Under `key`: 32 bytes are the key itself, as other tools of Crypto-PAn take it; of anything else its SHA-256 is.
    pub fn new(key: &[u8]) -> Self {
        let key: [u8; KEY_BYTES] = key.try_into().unwrap_or_else(|_| Sha256::digest(key).into());
        let (cipher, pad) = key.split_at(KEY_BYTES / 2);
        let half = |half: &[u8]| -> [u8; 16] { std::array::from_fn(|i| half[i]) };
        let cipher = aes::Aes128::new(&half(cipher).into());
        let mut block = half(pad).into();
        cipher.encrypt_block(&mut block);
        Self { cipher, pad: u128::from_be_bytes(block.into()), derive: Hkdf::new(Some(b"lmpcap pseudonyms"), &key) }
    }

    /// The pseudonym of an address. Unspecified, loopback and multicast addresses stay what they are, and nothing else becomes one
    /// of them; prefixes of at least 8 bits are kept exactly.
    pub fn ip(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(ip) => IpAddr::V4(self.v4(ip)),
            IpAddr::V6(ip) => IpAddr::V6(self.v6(ip)),
        }
    }

    /// As [`Pseudonyms::ip`].
    pub fn v4(&self, ip: Ipv4Addr) -> Ipv4Addr {
        // "This network", loopback, multicast and the reserved addresses with the broadcast: whole blocks of at most 8 bits.
        let special = |ip: Ipv4Addr| ip.octets()[0] == 0 || ip.is_loopback() || ip.octets()[0] >= 224;
        if special(ip) {
            return ip;
        }
        // A permutation walked until it leaves the special blocks is a permutation of the rest.
        let mut found = ip;
        loop {
            found = Ipv4Addr::from((self.prefix_preserving(u128::from(u32::from(found)) << 96, 0, 32) >> 96) as u32);
            if !special(found) {
                return found;
            }
        }
    }

    /// As [`Pseudonyms::ip`]. Link-local addresses stay link-local, mapped IPv4 addresses mapped.
    pub fn v6(&self, ip: Ipv6Addr) -> Ipv6Addr {
        if let Some(v4) = ip.to_ipv4_mapped() {
            return self.v4(v4).to_ipv6_mapped();
        }
        let bits = u128::from(ip);
        let keeping = |keep| Ipv6Addr::from(self.prefix_preserving(bits, keep, 128));
        let [b0, b1, ..] = ip.octets();
        match (b0, b1) {
            _ if ip.is_unspecified() || ip.is_loopback() => ip,
            // A solicited-node group (RFC 4291 2.7.1) ends in 24 bits of an address.
            _ if bits >> 24 == SOLICITED_NODE => keeping(104),
            // Groups made of a unicast prefix or a rendezvous point (RFC 3306, RFC 3956) hold it.
            (0xff, flags) if flags & 0x60 != 0 => keeping(16),
            (0xff, _) => ip,
            (0xfe, 0x80) => keeping(64),
            _ if special_v6(ip) => keeping(8),
            _ => {
                let mut found = ip;
                loop {
                    found = Ipv6Addr::from(self.prefix_preserving(u128::from(found), 0, 128));
                    if !special_v6(found) {
                        return found;
                    }
                }
            }
        }
    }

    /// Crypto-PAn on the first `end` bits of an address that stands at the left, of which `keep` bits are left as they are.
    fn prefix_preserving(&self, address: u128, keep: u32, end: u32) -> u128 {
        let mut flips = 0u128;
        for at in keep..end {
            let first = !u128::MAX.checked_shr(at).unwrap_or(0);
            let mut block = ((address & first) | (self.pad & !first)).to_be_bytes().into();
            self.cipher.encrypt_block(&mut block);
            let bit = u128::from(block[0] >> 7);
            flips |= bit << (127 - at);
        }
        address ^ flips
    }

    /// The pseudonym of a MAC address: locally administered and random, so that nothing tells its vendor. Group addresses and all
    /// zeros stay. Two of 2048 addresses become the same with a chance of 1 in 30 million.
    pub fn mac(&self, mac: Mac) -> Mac {
        if let Mac([0x33, 0x33, 0xff, a, b, c]) = mac {
            // RFC 2464 7: the group's last 32 bits.
            let group = Ipv6Addr::from(SOLICITED_NODE << 24 | u128::from(u32::from_be_bytes([0, a, b, c])));
            let [.., a, b, c] = self.v6(group).octets();
            return Mac([0x33, 0x33, 0xff, a, b, c]);
        }
        if mac.is_group() || mac == Mac([0; 6]) {
            return mac;
        }
        let mut bytes = [0; 6];
        self.fill("mac", &mac.0, &mut bytes);
        // IEEE 802: not a group, administered locally.
        bytes[0] = bytes[0] & 0xfc | 2;
        Mac(bytes)
    }

    /// The pseudonym of a name, such as `host-3f2a91c04b` for the kind `host`. Host names do not know case.
    pub fn name(&self, kind: &str, name: &str) -> String {
        let mut bytes = [0; 5];
        self.fill(kind, name.to_lowercase().as_bytes(), &mut bytes);
        let mut out = format!("{kind}-");
        for byte in bytes {
            _ = write!(out, "{byte:02x}");
        }
        out
    }

    /// The pseudonym of an identifier of hexadecimal digits, in the same form: dashes stay.
    pub fn hex(&self, id: &str) -> String {
        let mut bytes = [0; 64];
        let plain: String = id.chars().filter(char::is_ascii_hexdigit).collect();
        self.fill("id", plain.to_lowercase().as_bytes(), &mut bytes);
        let mut digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]).cycle();
        let mut digit = || digits.next().and_then(|d| char::from_digit(u32::from(d), 16)).unwrap_or('0');
        id.chars().map(|c| if c.is_ascii_hexdigit() { digit() } else { c }).collect()
    }

    fn fill(&self, kind: &str, what: &[u8], out: &mut [u8]) {
        // RFC 5869 2.3 refuses only what is longer than 255 hashes.
        let done = self.derive.expand_multi_info(&[kind.as_bytes(), &[0], what], out);
        debug_assert!(done.is_ok());
    }
}

/// ff02::1:ff00:0/104, without its last 24 bits.
const SOLICITED_NODE: u128 = 0x00ff_0200_0000_0000_0000_0000_01ff;

/// ::/8 (unspecified, loopback, mapped IPv4), link-local and multicast.
fn special_v6(ip: Ipv6Addr) -> bool {
    let [b0, b1, ..] = ip.octets();
    b0 == 0 || b0 == 0xff || (b0 == 0xfe && b1 & 0xc0 == 0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours() -> Pseudonyms {
        Pseudonyms::new(b"a key of some length")
    }

    /// The key and some pairs of the authors' own sample trace.
    #[test]
    fn addresses_are_those_of_crypto_pan() {
        let key = [
            21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45,
            42, 132, 34, 2,
        ];
        let names = Pseudonyms::new(&key);
        for (address, pseudonym) in [
            ("128.11.68.132", "135.242.180.132"),
            ("129.118.74.4", "134.136.186.123"),
            ("130.132.252.244", "133.68.164.234"),
            ("141.223.7.43", "141.167.8.160"),
            ("141.233.145.108", "141.129.237.235"),
            ("152.163.225.39", "151.140.114.167"),
        ] {
            assert_eq!(names.v4(address.parse().unwrap()), pseudonym.parse::<Ipv4Addr>().unwrap(), "{address}");
        }
    }

    #[test]
    fn what_has_a_meaning_keeps_it() {
        let names = ours();
        for same in ["0.0.0.0", "127.0.0.1", "224.0.0.251", "255.255.255.255", "::", "::1", "ff02::1", "ff02::fb"] {
            let ip: IpAddr = same.parse().unwrap();
            assert_eq!(names.ip(ip), ip);
        }
        for other in
            ["10.0.0.11", "192.0.2.50", "2001:db8::1", "fe80::1", "::ffff:10.0.0.11", "::2", "ff02::1:ff00:1", "ff3e:40:2001:db8::1"]
        {
            let ip: IpAddr = other.parse().unwrap();
            assert_ne!(names.ip(ip), ip);
        }
        assert!(names.v6("fe80::1234".parse().unwrap()).is_unicast_link_local());
        assert_eq!(names.v6("::ffff:10.0.0.11".parse().unwrap()), names.v4(Ipv4Addr::new(10, 0, 0, 11)).to_ipv6_mapped());
        assert_eq!(names.mac(Mac::BROADCAST), Mac::BROADCAST);
        let group = names.v6("ff02::1:ff12:3456".parse().unwrap()).octets();
        assert_eq!(names.mac(Mac([0x33, 0x33, 0xff, 0x12, 0x34, 0x56])), Mac([0x33, 0x33, group[12], group[13], group[14], group[15]]));
    }

    #[test]
    fn one_key_gives_the_same_names_another_key_others() {
        let (a, b, c) = (ours(), ours(), Pseudonyms::new(b"another key"));
        let mac = Mac([0x52, 0x54, 0, 1, 2, 3]);
        assert_eq!((a.mac(mac), a.name("host", "vm.example")), (b.mac(mac), b.name("host", "VM.example")));
        assert_ne!(a.mac(mac), c.mac(mac));
        assert_ne!(a.name("host", "vm.example"), c.name("host", "vm.example"));
        assert_ne!(a.name("host", "vm.example"), a.name("file", "vm.example"));
        assert!(!a.mac(mac).is_group() && a.mac(mac).0[0] & 2 == 2);
        let id = a.hex("123e4567-e89b-12d3-a456-426614174000");
        assert!(id.len() == 36 && id.as_bytes()[8] == b'-' && !id.starts_with("123e4567"), "{id}");
    }

    fn shared(a: u128, b: u128) -> u32 {
        (a ^ b).leading_zeros()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn prefixes_are_kept(a in any::<u32>(), at in 8u32..32) {
            let names = ours();
            let b = a ^ (1 << (31 - at));
            let (x, y) = (u32::from(names.v4(a.into())), u32::from(names.v4(b.into())));
            prop_assert_eq!((x ^ y).leading_zeros(), at);
        }

        #[test]
        fn prefixes_of_v6_are_kept(a in any::<u128>(), at in 16u32..128) {
            let names = ours();
            let (a, b) = (Ipv6Addr::from(a), Ipv6Addr::from(a ^ (1 << (127 - at))));
            prop_assume!(!special_v6(a));
            prop_assert_eq!(shared(names.v6(a).into(), names.v6(b).into()), at);
            prop_assert!(!special_v6(names.v6(a)));
        }
    }
}
