//! Tunnel headers for [`super::packet`]; each returns its header followed by the payload given.

/// VXLAN (RFC 7348 5): goes into UDP, destination port 4789.
pub fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0][..], &(vni << 8).to_be_bytes(), frame].concat()
}

/// Geneve (RFC 8926 3.4) with raw options, a multiple of 4 bytes: goes into UDP, destination port 6081. Ethertype 0x6558 for frames.
pub fn geneve(vni: u32, ethertype: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    assert!(options.len().is_multiple_of(4) && options.len() <= 252, "Geneve options are counted in words, at most 63");
    [&[(options.len() / 4) as u8, 0][..], &ethertype.to_be_bytes(), &(vni << 8).to_be_bytes(), options, payload].concat()
}

/// GRE (RFC 2784, 2890), IP protocol 47, with checksum (left 0), key and sequence number as given.
pub fn gre(ethertype: u16, checksum: bool, key: Option<u32>, sequence: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let flags = u16::from(checksum) << 15 | u16::from(key.is_some()) << 13 | u16::from(sequence.is_some()) << 12;
    let mut bytes = [flags.to_be_bytes(), ethertype.to_be_bytes()].concat();
    bytes.extend(checksum.then_some([0; 4]).into_iter().flatten());
    bytes.extend(key.into_iter().flat_map(u32::to_be_bytes));
    bytes.extend(sequence.into_iter().flat_map(u32::to_be_bytes));
    bytes.extend(payload);
    bytes
}

/// ERSPAN type II: goes into GRE with a sequence number, protocol 0x88be.
pub fn erspan2(vlan: u16, session: u16, frame: &[u8]) -> Vec<u8> {
    [&(0x1000 | vlan & 0xfff).to_be_bytes()[..], &(0x1800 | session & 0x3ff).to_be_bytes(), &[0; 4], frame].concat()
}

/// One MPLS label stack (RFC 3032), outermost label first: goes behind ethertype 0x8847.
pub fn mpls(labels: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (n, label) in labels.iter().enumerate() {
        let bottom = u32::from(n + 1 == labels.len());
        bytes.extend((label << 12 | bottom << 8 | 64).to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// A PPPoE session packet (RFC 2516): goes behind ethertype 0x8864. Protocol 0x0021 for IPv4, 0x0057 for IPv6.
pub fn pppoe(session: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 2).expect("a PPPoE payload fits a frame");
    [&[0x11, 0][..], &session.to_be_bytes(), &len.to_be_bytes(), &protocol.to_be_bytes(), payload].concat()
}
