//! Chance, all of it from one seed.

use clarity_engine::Entropy;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random choices. Streams of one seed are independent of each other, so that one more
/// choice in one place does not change what happens in another.
#[derive(Debug, Clone)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(stream);
        Self(source)
    }

    /// Any number: the seed of something else.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// True in so many of a thousand cases.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.index(1_000) < per_mille as usize
    }

    /// An index below `count`; zero when there is nothing to choose from.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        if count == 0 {
            return 0;
        }
        usize::try_from(self.0.next_u64() % count as u64).unwrap_or(0)
    }

    /// A number from `low` up to but not including `high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.saturating_sub(low).max(1).unsigned_abs();
        low + i64::try_from(self.0.next_u64() % width).unwrap_or(0)
    }

    /// A duration of any order of magnitude between the two.
    pub(crate) fn any_scale(&mut self, low: i64, high: i64) -> i64 {
        let mut top = low.max(1);
        let mut steps = 0;
        while top < high {
            top = top.saturating_mul(4);
            steps += 1;
        }
        let scale = self.index(steps + 1);
        let mut bound = low.max(1);
        for _ in 0..scale {
            bound = bound.saturating_mul(4);
        }
        self.between(low, bound.clamp(low + 1, high.max(low + 1)) + 1)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    pub(crate) fn source(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}

/// A number that follows from two others and from nothing else.
pub(crate) fn mix(one: u64, other: u64) -> u64 {
    let mut mixed = one ^ other.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(25);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}
