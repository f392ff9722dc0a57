//! Counts by size, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often something was at most so large. Its sum is kept in billionths.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: the last is for whatever is larger.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect();
        Self { bounds, counts, sum: AtomicU64::default() }
    }

    /// Counts a size, given also in billionths.
    pub fn observe(&self, size: f64, billionths: u64) {
        let index = self.bounds.iter().position(|bound| size <= *bound).unwrap_or(self.bounds.len());
        self.counts[index].fetch_add(1, Relaxed);
        self.sum.fetch_add(billionths, Relaxed);
    }

    /// For each bound how often it was not exceeded, the last without a bound; and the sum.
    pub fn read(&self) -> (Vec<(f64, u64)>, f64) {
        let mut total = 0;
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let cumulative = bounds.zip(&self.counts).map(|(bound, count)| {
            total += count.load(Relaxed);
            (bound, total)
        });
        (cumulative.collect(), self.sum.load(Relaxed) as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_up_to_their_bounds() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        for size in [0.5, 1.0, 2.0, 11.0] {
            histogram.observe(size, (size * 1e9) as u64);
        }
        assert_eq!(histogram.read(), (vec![(1.0, 2), (10.0, 3), (f64::INFINITY, 4)], 14.5));
    }
}
