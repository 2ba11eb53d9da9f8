//! Which pages of the guest have been sent: one bit per page, in chunks that exist only once touched.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::limits::{MIGRATION_PAGE_SET_BYTES, MIGRATION_PAGE_SETS_BYTES};

/// Pages per chunk: 4 KiB of bits, 128 MiB of guest memory with pages of 4 KiB.
const CHUNK_PAGES: u64 = 32_768;
const CHUNK_BYTES: usize = CHUNK_PAGES as usize / 8;

/// Bytes that all sets of the process hold; keeps a capture of thousands of forged streams from taking all memory.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A set of pages, each named by its RAM block and its number in it.
///
/// Adding fails for ever once a bound is reached; the set is of no use then.
#[derive(Debug, Default)]
pub struct PageSet {
    blocks: Vec<Block>,
    chunks: usize,
    len: u64,
    full: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    name: Vec<u8>,
    chunks: BTreeMap<u64, Chunk>,
}

type Chunk = Box<[u64; CHUNK_BYTES / 8]>;

/// A bound of [`PageSet`] was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl PageSet {
    /// The block called `name`, for [`PageSet::insert`].
    pub fn block(&mut self, name: &[u8]) -> usize {
        if let Some(known) = self.blocks.iter().position(|b| b.name == name) {
            return known;
        }
        self.blocks.push(Block { name: name.to_vec(), chunks: BTreeMap::new() });
        self.blocks.len() - 1
    }

    /// Adds page `number` of `block`; `Ok(true)` if it was not there.
    pub fn insert(&mut self, block: usize, number: u64) -> Result<bool, Full> {
        if self.full {
            return Err(Full);
        }
        let (chunk, bit) = (number / CHUNK_PAGES, number % CHUNK_PAGES);
        if self.blocks.get(block).is_none_or(|b| !b.chunks.contains_key(&chunk)) {
            self.grow()?;
        }
        let Some(block) = self.blocks.get_mut(block) else { return Err(Full) };
        let words = block.chunks.entry(chunk).or_insert_with(|| Box::new([0; CHUNK_BYTES / 8]));
        let word = &mut words[(bit / 64) as usize];
        let mask = 1u64 << (bit % 64);
        let new = *word & mask == 0;
        *word |= mask;
        self.len += u64::from(new);
        Ok(new)
    }

    /// Number of pages.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if it holds no page.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds all pages of `other`; returns how many were in both.
    pub fn merge(&mut self, other: &Self) -> Result<u64, Full> {
        if self.full || other.full {
            self.full = true;
            return Err(Full);
        }
        let mut both = 0;
        for theirs in &other.blocks {
            let block = self.block(&theirs.name);
            for (number, theirs) in &theirs.chunks {
                if !self.blocks[block].chunks.contains_key(number) {
                    self.grow()?;
                }
                let mine = self.blocks[block].chunks.entry(*number).or_insert_with(|| Box::new([0; CHUNK_BYTES / 8]));
                for (m, t) in mine.iter_mut().zip(theirs.iter()) {
                    both += u64::from((*m & t).count_ones());
                    self.len += u64::from((!*m & t).count_ones());
                    *m |= t;
                }
            }
        }
        Ok(both)
    }

    fn grow(&mut self) -> Result<(), Full> {
        let mine = (self.chunks + 1).saturating_mul(CHUNK_BYTES);
        let all = HELD.fetch_add(CHUNK_BYTES, Ordering::Relaxed).saturating_add(CHUNK_BYTES);
        if mine > MIGRATION_PAGE_SET_BYTES || all > MIGRATION_PAGE_SETS_BYTES {
            HELD.fetch_sub(CHUNK_BYTES, Ordering::Relaxed);
            self.full = true;
            return Err(Full);
        }
        self.chunks += 1;
        Ok(())
    }
}

impl Drop for PageSet {
    fn drop(&mut self) {
        HELD.fetch_sub(self.chunks * CHUNK_BYTES, Ordering::Relaxed);
    }
}

impl Clone for PageSet {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        if self.full || copy.merge(self).is_err() {
            copy.full = true;
        }
        copy
    }
}

impl PartialEq for PageSet {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.full == other.full && self.blocks == other.blocks
    }
}

impl Eq for PageSet {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_page_once_and_merges() {
        let mut a = PageSet::default();
        let (ram, vga) = (a.block(b"pc.ram"), a.block(b"vga"));
        assert_eq!(a.block(b"pc.ram"), ram);
        assert_eq!(a.insert(ram, 0), Ok(true));
        assert_eq!(a.insert(ram, 0), Ok(false));
        assert_eq!(a.insert(ram, 1 << 30), Ok(true));
        assert_eq!(a.insert(vga, 0), Ok(true));
        let mut b = PageSet::default();
        let vga = b.block(b"vga");
        assert_eq!(b.insert(vga, 0), Ok(true));
        assert_eq!(b.insert(vga, 7), Ok(true));
        assert_eq!(a.merge(&b), Ok(1));
        assert_eq!(a.len(), 4);
        assert_eq!(a.clone(), a);
    }

    #[test]
    fn a_bound_ends_it() {
        let mut set = PageSet::default();
        let block = set.block(b"x");
        let chunks = (MIGRATION_PAGE_SET_BYTES / CHUNK_BYTES) as u64;
        for n in 0..chunks {
            assert_eq!(set.insert(block, n * CHUNK_PAGES), Ok(true));
        }
        assert_eq!(set.insert(block, chunks * CHUNK_PAGES), Err(Full));
        assert_eq!(set.insert(block, 0), Err(Full), "a set that missed pages must not answer");
    }
}
