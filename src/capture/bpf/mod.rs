//! Capture filters in the language of tcpdump, compiled by libpcap for each link type that is met.
//!
//! The compiled programs run here and not in libpcap: its safe binding can only say the captured length, so that `greater`
//! and `less` would be wrong on frames that were cut by a snap length.

use pcap::{Capture, Linktype};

use crate::base::anomaly::Place;
use crate::error::{Error, Result};

use super::LinkType;
use super::record::Record;

/// A filter expression and its programs.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    expression: String,
    programs: Vec<(LinkType, Option<Program>)>,
}

impl Filter {
    /// Checks the expression. An expression is good if it compiles for any usual link type.
    pub(super) fn new(expression: &str) -> Result<Self> {
        let wrong = match compile(expression, LinkType::ETHERNET) {
            Ok(_) => None,
            // Wi-Fi, Linux cooked, raw IP, USB: `wlan type mgt` means nothing on Ethernet.
            Err(wrong) => {
                [105, 113, 276, 101, 127, 189, 220].iter().all(|link| compile(expression, LinkType(*link)).is_err()).then_some(wrong)
            }
        };
        match wrong {
            None => Ok(Self { expression: expression.into(), programs: Vec::new() }),
            Some(wrong) => Err(Error::new(format!("the filter {expression:?} is not a capture filter: {wrong}"))
                .advice("See man pcap-filter; a display filter of Wireshark (ip.addr == ...) is another language.")),
        }
    }

    /// Whether a frame passes; `None` if the expression means nothing on its link type.
    #[inline]
    pub(super) fn passes(&mut self, record: &Record, bytes: &[u8]) -> Option<bool> {
        let at = match self.programs.iter().position(|(link, _)| *link == record.link) {
            Some(at) => at,
            None => {
                self.programs.push((record.link, compile(&self.expression, record.link).ok()));
                self.programs.len() - 1
            }
        };
        self.programs[at].1.as_ref().map(|program| program.passes(bytes, record.wire_len))
    }

    /// What is said about frames on whose link type the expression means nothing.
    pub(super) fn explain(&self, link: LinkType, place: Place) -> String {
        let number = link.0;
        format!("frame {}: the filter {:?} cannot be applied to link type {number}; such frames are left out", place.frame, self.expression)
    }
}

/// A classic BPF program (Steven McCanne and Van Jacobson, "The BSD Packet Filter", 1993, section 3).
#[derive(Clone, Debug)]
struct Program(Vec<Instruction>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

fn compile(expression: &str, link: LinkType) -> std::result::Result<Program, String> {
    // What files number 101 (LINKTYPE_RAW) is 12 (DLT_RAW) to the compiler, or 14 on OpenBSD. The others that matter agree.
    let dlt = match link {
        LinkType::RAW if cfg!(target_os = "openbsd") => 14,
        LinkType::RAW => 12,
        LinkType(other) => i32::from(other),
    };
    let dead = Capture::dead(Linktype(dlt)).map_err(|e| e.to_string())?;
    let program = dead.compile(expression, true).map_err(|e| match e {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    })?;
    let instructions = program.get_instructions().iter().map(|i| parse(&i.to_string()));
    instructions.collect::<Option<_>>().map(Program).ok_or_else(|| "libpcap's program cannot be read".into())
}

/// From the binding's text form, which is the only one it gives: `code jt jf k`.
fn parse(text: &str) -> Option<Instruction> {
    let mut parts = text.split_ascii_whitespace();
    let instruction = Instruction {
        code: parts.next()?.parse().ok()?,
        jt: parts.next()?.parse().ok()?,
        jf: parts.next()?.parse().ok()?,
        k: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(instruction)
}

impl Program {
    /// True if the program accepts the frame. A load beyond the captured bytes rejects, as in libpcap's `bpf_filter`.
    fn passes(&self, bytes: &[u8], wire_len: u32) -> bool {
        self.run(bytes, wire_len).unwrap_or(0) != 0
    }

    // Jumps only go forward, so that a run ends after at most as many steps as there are instructions.
    fn run(&self, bytes: &[u8], wire_len: u32) -> Option<u32> {
        let (mut a, mut x, mut memory, mut pc) = (0u32, 0u32, [0u32; 16], 0usize);
        let load = |at: u32, size: u16| -> Option<u32> {
            let at = at as usize;
            Some(match size {
                0x00 => u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?),
                0x08 => u32::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)),
                0x10 => u32::from(*bytes.get(at)?),
                _ => return None,
            })
        };
        loop {
            let Instruction { code, jt, jf, k } = *self.0.get(pc)?;
            pc += 1;
            let operand = if code & 0x08 == 0 { k } else { x };
            match (code & 0x07, code & 0xe0, code & 0x18) {
                // ld: imm, abs, ind, mem, len
                (0, 0x00, _) => a = k,
                (0, 0x20, size) => a = load(k, size)?,
                (0, 0x40, size) => a = load(x.checked_add(k)?, size)?,
                (0, 0x60, _) => a = *memory.get(k as usize)?,
                (0, 0x80, _) => a = wire_len,
                // ldx: imm, mem, len, msh (the length of an IPv4 header)
                (1, 0x00, _) => x = k,
                (1, 0x60, _) => x = *memory.get(k as usize)?,
                (1, 0x80, _) => x = wire_len,
                (1, 0xa0, _) => x = (load(k, 0x10)? & 0xf) << 2,
                (2, _, _) => *memory.get_mut(k as usize)? = a,
                (3, _, _) => *memory.get_mut(k as usize)? = x,
                (4, ..) => {
                    a = match code & 0xf0 {
                        0x00 => a.wrapping_add(operand),
                        0x10 => a.wrapping_sub(operand),
                        0x20 => a.wrapping_mul(operand),
                        0x30 => a.checked_div(operand)?,
                        0x40 => a | operand,
                        0x50 => a & operand,
                        0x60 => a.checked_shl(operand).unwrap_or(0),
                        0x70 => a.checked_shr(operand).unwrap_or(0),
                        0x80 => a.wrapping_neg(),
                        0x90 => a.checked_rem(operand)?,
                        0xa0 => a ^ operand,
                        _ => return None,
                    }
                }
                (5, ..) => {
                    let taken = match code & 0xf0 {
                        0x00 => {
                            pc = pc.checked_add(k as usize)?;
                            continue;
                        }
                        0x10 => a == operand,
                        0x20 => a > operand,
                        0x30 => a >= operand,
                        0x40 => a & operand != 0,
                        _ => return None,
                    };
                    pc += usize::from(if taken { jt } else { jf });
                }
                (6, _, source) => return Some(if source == 0x10 { a } else { k }),
                (7, ..) if code == 0x07 => x = a,
                (7, ..) if code == 0x87 => a = x,
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
