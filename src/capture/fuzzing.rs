//! Ways into this layer that tests and fuzzers need: bytes instead of paths.

use std::io::Read;

use super::bpf::Filter;
use super::record::Record;
use super::{LinkType, Reader, input};
use crate::base::time::Timestamp;
use crate::error::{Error, Result};

/// A capture in memory, decompressed if need be, read as [`super::open_point`] reads a file.
///
/// # Errors
/// What is no capture.
pub fn decompressed(bytes: &[u8]) -> Result<Reader<Box<dyn Read + Send>>> {
    let input = input::from_memory(bytes.to_vec()).map_err(|e| Error::new(format!("cannot read: {e}")))?;
    Reader::new(input.read)
}

/// Whether a frame of `bytes` passes a capture filter; `None` if the filter means nothing on `link`.
///
/// # Errors
/// What is no capture filter.
pub fn passes(expression: &str, link: LinkType, bytes: &[u8]) -> Result<Option<bool>> {
    let mut filter = Filter::new(expression)?;
    let len = bytes.len() as u32;
    let record = Record { at: Timestamp(0), offset: 0, frame: 1, len, wire_len: len, interface: 0, link };
    Ok(filter.passes(&record, bytes))
}
