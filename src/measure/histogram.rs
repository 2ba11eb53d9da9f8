//! A log-linear histogram of signed nanoseconds (or any whole numbers): bounded, sparse, mergeable.
//!
//! Each power of two is cut into [`SUB`] equal buckets, so a quantile is off by at most 1/[`SUB`]/2 = 0.4 % of its value;
//! values below [`SUB`] are exact. Count, sum, minimum and maximum are exact. Only buckets that hold something take memory: at most
//! [`BUCKETS`], a few dozen in practice, of 16 bytes in a hash table that is at most half full.

/// Buckets per power of two.
const SUB: u64 = 128;
/// log2 of [`SUB`].
const SUB_BITS: u32 = SUB.trailing_zeros();
/// The most buckets that one histogram can come to hold, both signs counted.
pub const BUCKETS: usize = 2 * ((64 - SUB_BITS as usize) * SUB as usize + SUB as usize);

/// Places of a histogram that holds anything.
const FIRST_CELLS: usize = 8;

/// Counts values in buckets of growing width.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Bucket number and count, at the place that [`place_of`] says or the next free one; a count of 0 is a free place. Negative numbers hold
    /// negative values. The length is 0 or a power of two.
    cells: Vec<(i16, u64)>,
    /// Places taken.
    used: usize,
    count: u64,
    sum: i128,
    min: i64,
    max: i64,
}

/// Equal if the same values were counted, as far as buckets tell.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        (self.count, self.sum, self.min, self.max) == (other.count, other.sum, other.min, other.max) && self.buckets() == other.buckets()
    }
}

impl Eq for Histogram {}

impl Histogram {
    /// An empty histogram; allocates nothing.
    pub const fn new() -> Self {
        Self { cells: Vec::new(), used: 0, count: 0, sum: 0, min: 0, max: 0 }
    }

    /// Counts one value.
    #[inline]
    pub fn record(&mut self, value: i64) {
        self.record_n(value, 1);
    }

    /// Counts the same value `n` times.
    pub fn record_n(&mut self, value: i64, n: u64) {
        if n == 0 {
            return;
        }
        self.note(value, value, i128::from(value) * i128::from(n), n);
        self.add(bucket_of(value), n);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.merge_shifted(other, 0);
    }

    /// Adds all of `other` with `by` added to each value. Exact for count, sum, minimum and maximum; a value moves to the
    /// bucket that holds its old bucket's middle, so shifts by much more than the values cost precision.
    pub fn merge_shifted(&mut self, other: &Self, by: i64) {
        if other.count == 0 {
            return;
        }
        let sum = other.sum + i128::from(by) * i128::from(other.count);
        self.note(other.min.saturating_add(by), other.max.saturating_add(by), sum, other.count);
        for (bucket, n) in other.taken() {
            let moved = if by == 0 { bucket } else { bucket_of(other.middle(bucket).saturating_add(by)) };
            self.add(moved, n);
        }
    }

    /// Adds `−(v + by)` for each value v of `other`: the same differences, taken the other way round.
    pub fn merge_mirrored(&mut self, other: &Self, by: i64) {
        if other.count == 0 {
            return;
        }
        let turn = |v: i64| v.saturating_add(by).saturating_neg();
        let sum = -(other.sum + i128::from(by) * i128::from(other.count));
        self.note(turn(other.max), turn(other.min), sum, other.count);
        for (bucket, n) in other.taken() {
            self.add(bucket_of(turn(other.middle(bucket))), n);
        }
    }

    /// The same values with `by` added to each.
    pub fn shifted(&self, by: i64) -> Self {
        let mut out = Self::new();
        out.merge_shifted(self, by);
        out
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// True if nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sum of all values, exact.
    pub fn sum(&self) -> i128 {
        self.sum
    }

    /// The arithmetic mean, from the exact sum.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The smallest value, exact.
    pub fn min(&self) -> Option<i64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest value, exact.
    pub fn max(&self) -> Option<i64> {
        (self.count > 0).then_some(self.max)
    }

    /// The smallest value that at least `q` (0 to 1) of all values do not exceed (nearest rank), within 0.4 %.
    /// Exact for 0 and 1.
    pub fn quantile(&self, q: f64) -> Option<i64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count);
        if rank == 1 {
            return Some(self.min);
        }
        if rank == self.count {
            return Some(self.max);
        }
        let mut seen = 0;
        for (bucket, n) in self.buckets() {
            seen += n;
            if seen >= rank {
                return Some(self.middle(bucket));
            }
        }
        Some(self.max)
    }

    /// The share of values above `limit` (0 to 1); the bucket that holds `limit` counts by its middle.
    pub fn share_above(&self, limit: i64) -> Option<f64> {
        let above: u64 = self.taken().filter(|&(b, _)| self.middle(b) > limit).map(|(_, n)| n).sum();
        (self.count > 0).then(|| above as f64 / self.count as f64)
    }

    /// Each non-empty bucket as (lowest value, highest value, count), ascending; for charts.
    pub fn bars(&self) -> impl Iterator<Item = (i64, i64, u64)> + '_ {
        self.buckets().into_iter().map(|(b, n)| {
            let (low, high) = range_of(b);
            (low, high, n)
        })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.cells.capacity() * std::mem::size_of::<(i16, u64)>()
    }

    fn note(&mut self, min: i64, max: i64, sum: i128, n: u64) {
        if self.count == 0 {
            (self.min, self.max) = (min, max);
        } else {
            (self.min, self.max) = (self.min.min(min), self.max.max(max));
        }
        self.count = self.count.saturating_add(n);
        self.sum += sum;
    }

    #[inline]
    fn add(&mut self, bucket: i16, n: u64) {
        let mut at = place_of(bucket, self.cells.len());
        loop {
            match self.cells.get_mut(at) {
                Some(cell) if cell.0 == bucket && cell.1 > 0 => {
                    cell.1 += n;
                    return;
                }
                Some(cell) if cell.1 > 0 => at = (at + 1) & (self.cells.len() - 1),
                _ => return self.open(bucket, n),
            }
        }
    }

    /// Takes a place for a bucket that has none; half of all places stay free, so that searches are short.
    #[cold]
    fn open(&mut self, bucket: i16, n: u64) {
        self.used += 1;
        if self.used * 2 > self.cells.len() {
            let wider = vec![(0, 0); (self.cells.len() * 2).max(FIRST_CELLS)];
            for (bucket, n) in std::mem::replace(&mut self.cells, wider).into_iter().filter(|c| c.1 > 0) {
                self.put(bucket, n);
            }
        }
        self.put(bucket, n);
    }

    fn put(&mut self, bucket: i16, n: u64) {
        let mut at = place_of(bucket, self.cells.len());
        while self.cells[at].1 > 0 {
            at = (at + 1) & (self.cells.len() - 1);
        }
        self.cells[at] = (bucket, n);
    }

    /// What is taken, in no order.
    fn taken(&self) -> impl Iterator<Item = (i16, u64)> + '_ {
        self.cells.iter().copied().filter(|c| c.1 > 0)
    }

    /// Each bucket that holds something, ascending.
    fn buckets(&self) -> Vec<(i16, u64)> {
        let mut buckets: Vec<_> = self.taken().collect();
        buckets.sort_unstable();
        buckets
    }

    /// The middle of a bucket, but never outside what was really seen.
    fn middle(&self, bucket: i16) -> i64 {
        let (low, high) = range_of(bucket);
        (low + (high - low) / 2).clamp(self.min, self.max)
    }
}

/// The bucket of a value: its magnitude's place on the log-linear scale, with the value's sign.
fn bucket_of(value: i64) -> i16 {
    let size = value.unsigned_abs();
    let index = if size < SUB {
        size as i16
    } else {
        // The top bit stands for the power of two, the SUB_BITS bits below it for the bucket within it.
        let shift = 63 - size.leading_zeros() - SUB_BITS;
        (u64::from(shift) * SUB + (size >> shift)) as i16
    };
    if value < 0 { -index } else { index }
}

/// Where the search for a bucket begins among `cells` places: four neighbours share a cache line, since values that follow each other
/// are of a kind.
#[inline]
fn place_of(bucket: i16, cells: usize) -> usize {
    let line = (u32::from(bucket as u16) >> 2).wrapping_mul(0x9e37_79b1) >> 16;
    (line as usize * 4 + usize::from(bucket as u16 & 3)) & cells.saturating_sub(1)
}

/// Lowest and highest value of a bucket.
fn range_of(bucket: i16) -> (i64, i64) {
    let index = u64::from(bucket.unsigned_abs());
    let (low, high) = if index < 2 * SUB {
        (index, index)
    } else {
        let shift = index / SUB - 1;
        let low = (index - shift * SUB) << shift;
        (low, low + (1 << shift) - 1)
    };
    let cap = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
    if bucket < 0 { (-cap(high), -cap(low)) } else { (cap(low), cap(high)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_values_are_exact() {
        let mut h = Histogram::new();
        (0..=100).for_each(|v| h.record(v));
        assert_eq!((h.quantile(0.5), h.quantile(0.95), h.quantile(0.0), h.quantile(1.0)), (Some(50), Some(95), Some(0), Some(100)));
        assert_eq!((h.count(), h.mean(), h.min(), h.max()), (101, Some(50.0), Some(0), Some(100)));
    }

    #[test]
    fn empty_says_nothing() {
        let h = Histogram::new();
        assert_eq!((h.mean(), h.min(), h.max(), h.quantile(0.5), h.share_above(0)), (None, None, None, None, None));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut h = Histogram::new();
        for v in [i64::MIN, i64::MAX, 0, -1] {
            h.record_n(v, u64::from(u32::MAX));
        }
        assert_eq!((h.min(), h.max()), (Some(i64::MIN), Some(i64::MAX)));
        assert!(h.quantile(0.3).unwrap() < 0);
        h.merge_shifted(&h.clone(), i64::MAX);
        h.merge_shifted(&h.clone(), i64::MIN);
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bucket(v: i64) {
            let (low, high) = range_of(bucket_of(v));
            prop_assert!(low <= v.max(-i64::MAX) && v <= high, "{v} not in {low}..={high}");
            prop_assert!((high as i128 - low as i128) * 128 <= i128::from(v.unsigned_abs()).max(0));
            prop_assert!(usize::from(bucket_of(v).unsigned_abs()) * 2 < BUCKETS + 2);
        }

        #[test]
        fn order_of_buckets_is_order_of_values(a: i64, b: i64) {
            prop_assert!((a <= b) == (bucket_of(a) <= bucket_of(b)) || bucket_of(a) == bucket_of(b));
        }

        #[test]
        fn quantiles_agree_with_sorting(mut values in prop::collection::vec(-5_000_000_000i64..5_000_000_000, 1..300), q in 0.0f64..1.0) {
            let mut h = Histogram::new();
            values.iter().for_each(|&v| h.record(v));
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let (want, got) = (values[rank - 1], h.quantile(q).unwrap());
            prop_assert!((want - got).abs() as f64 <= want.abs() as f64 * 0.0079 + 1.0, "{want} {got}");
            prop_assert_eq!(h.min(), values.first().copied());
            prop_assert_eq!(h.max(), values.last().copied());
            let mean = values.iter().sum::<i64>() as f64 / values.len() as f64;
            prop_assert!((h.mean().unwrap() - mean).abs() < 1.0);
        }

        #[test]
        fn merging_is_counting_together(a in prop::collection::vec(-1_000_000i64..1_000_000_000, 0..100), b in prop::collection::vec(-1_000_000i64..1_000_000_000, 0..100)) {
            let (mut one, mut two, mut both) = (Histogram::new(), Histogram::new(), Histogram::new());
            a.iter().for_each(|&v| { one.record(v); both.record(v); });
            b.iter().for_each(|&v| { two.record(v); both.record(v); });
            one.merge(&two);
            prop_assert_eq!(one, both);
        }

        #[test]
        fn mirroring_twice_changes_nothing(values in prop::collection::vec(-1_000_000i64..1_000_000_000, 1..100), by in -1_000_000i64..1_000_000) {
            let mut h = Histogram::new();
            values.iter().for_each(|&v| h.record(v));
            let (mut once, mut twice) = (Histogram::new(), Histogram::new());
            once.merge_mirrored(&h, by);
            twice.merge_mirrored(&once, by);
            prop_assert_eq!((once.min(), once.max()), (h.max().map(|v| -v - by), h.min().map(|v| -v - by)));
            prop_assert_eq!((twice.count(), twice.sum(), twice.min(), twice.max()), (h.count(), h.sum(), h.min(), h.max()));
        }

        #[test]
        fn shifting_keeps_sum_and_ends(values in prop::collection::vec(0i64..1_000_000_000, 1..100), by in -1_000_000_000i64..1_000_000_000) {
            let mut h = Histogram::new();
            values.iter().for_each(|&v| h.record(v));
            let s = h.shifted(by);
            prop_assert_eq!(s.min(), h.min().map(|v| v + by));
            prop_assert_eq!(s.max(), h.max().map(|v| v + by));
            prop_assert_eq!(s.sum(), h.sum() + i128::from(by) * i128::from(h.count()));
            let (want, got) = (h.quantile(0.5).unwrap() + by, s.quantile(0.5).unwrap());
            prop_assert!((want - got).abs() as f64 <= want.abs() as f64 * 0.0079 + 1.0);
        }
    }
}
