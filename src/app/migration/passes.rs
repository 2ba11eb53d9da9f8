//! Passes over the guest's memory, told from the order of the pages: blocks are scanned in the order of the list, addresses ascending, and
//! scanning starts again from below (QEMU `migration/ram.c`, `find_dirty_block`). A new pass begins where an address does not ascend.
//!
//! QEMU looks for newly dirtied pages before a scan ends, so these passes are not its `dirty-sync-count`: they are marked as estimated.

use super::channel::{PassCount, RamCount};
use super::pages::PageSet;
use crate::base::limits::MIGRATION_PASSES;
use crate::flow::Moment;

/// Follows the addresses of one channel.
#[derive(Debug, Default, Clone)]
pub struct Passes {
    done: Vec<PassCount>,
    now: Option<PassCount>,
    last: Option<(usize, u64)>,
    /// The same page again is no new pass.
    repeats: bool,
    /// Pages leave in no order: those of the pass under way.
    unordered: Option<PageSet>,
}

impl Passes {
    /// For multifd channels: QEMU up to 8.0 may queue a page twice in a row (`multifd_queue_page` looks at an array that is under way).
    pub fn with_repeats() -> Self {
        Self { repeats: true, ..Self::default() }
    }

    /// From here on pages leave in no order (compression threads hand them over when they are done): a pass ends where a page comes
    /// again.
    pub fn lose_order(&mut self) {
        self.unordered.get_or_insert_default();
    }

    fn wrapped(&mut self, key: (usize, u64)) -> bool {
        if let Some(set) = &mut self.unordered {
            let handle = set.block(&key.0.to_be_bytes());
            let again = set.insert(handle, key.1) == Ok(false);
            if again {
                *set = PageSet::default();
                let handle = set.block(&key.0.to_be_bytes());
                let _ = set.insert(handle, key.1);
            }
            return again;
        }
        self.last.is_some_and(|last| key < last || key == last && !self.repeats)
    }

    /// A record for `page` of block `block` (its place in the list), from offset `start` to `end`.
    pub fn record(&mut self, block: usize, page: u64, sent: &RamCount, when: Moment, start: u64, end: u64) {
        let key = (block, page);
        let wrapped = self.wrapped(key);
        self.last = Some(key);
        if wrapped && self.done.len() + 1 < MIGRATION_PASSES {
            self.done.extend(self.now.take());
        }
        let pass = self.now.get_or_insert(PassCount { first: when, last: when, sent: RamCount::default(), offset: start, offset_end: end });
        pass.last = when;
        pass.offset_end = end;
        pass.sent.add(sent);
    }

    /// As [`Passes::record`]; `aside`: the page does not stand in the order of the scan.
    #[expect(clippy::too_many_arguments, reason = "one call per page; a struct would be built for nothing")]
    pub fn record_unordered(&mut self, block: usize, page: u64, sent: &RamCount, when: Moment, start: u64, end: u64, aside: bool) {
        let last = self.last;
        if aside {
            self.last = None;
        }
        self.record(block, page, sent, when, start, end);
        if aside {
            self.last = last;
        }
    }

    /// Page numbers from here on say nothing of the order (post-copy).
    pub fn close(&mut self) {
        self.done.extend(self.now.take());
        self.last = None;
    }

    /// All passes.
    pub fn finish(mut self) -> Vec<PassCount> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_order_a_pass_ends_where_a_page_comes_again() {
        let mut passes = Passes::default();
        passes.lose_order();
        let one = RamCount { normal: 1, ..RamCount::default() };
        for page in [3, 1, 2, 0, 2, 3, 1] {
            passes.record(0, page, &one, Moment::default(), 0, 0);
        }
        assert_eq!(passes.finish().iter().map(|p| p.sent.normal).collect::<Vec<_>>(), [4, 3]);
    }

    #[test]
    fn a_pass_ends_where_addresses_do_not_ascend() {
        let mut passes = Passes::default();
        let one = RamCount { normal: 1, bytes: 10, ..RamCount::default() };
        for (i, (block, page)) in [(0, 1), (0, 5), (1, 0), (0, 5), (0, 5), (1, 9)].into_iter().enumerate() {
            passes.record(block, page, &one, Moment::default(), i as u64 * 10, i as u64 * 10 + 10);
        }
        let found = passes.finish();
        assert_eq!(found.iter().map(|p| p.sent.normal).collect::<Vec<_>>(), [3, 1, 2]);
        assert_eq!((found[2].offset, found[2].offset_end), (40, 60));
    }
}
