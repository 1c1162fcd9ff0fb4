//! Chance that falls the same way for the same seed.
//!
//! The generator is `SplitMix64`: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
//! Generators", OOPSLA 2014, with the constants of Vigna's public-domain `splitmix64.c`. It is
//! small enough to be checked by eye and far better than what a plan for a night needs.

use std::f64::consts::TAU;
use std::time::Duration;

/// 2^64 divided by the golden ratio: steps that visit every state once.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One stream of draws.
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The stream about the thing of this number. What is drawn about one thing never moves what is
    /// drawn about another, so two runs meet the same requests however they deal with them.
    pub(super) fn about(seed: u64, thing: u64) -> Self {
        let root = Self::new(seed).next();
        Self::new(Self::new(root ^ thing.wrapping_mul(GOLDEN)).next())
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, but never, 1.
    pub(super) fn unit(&mut self) -> f64 {
        // The upper 53 bits are what a double holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens this often in a hundred.
    pub(super) fn is_one_of_a_hundred_in(&mut self, percent: u8) -> bool {
        self.unit() * 100.0 < f64::from(percent)
    }

    /// One of the values, each as often as its weight says.
    pub(super) fn pick<T: Copy>(&mut self, weighted: &[(u8, T)]) -> T {
        let total: f64 = weighted.iter().map(|(weight, _)| f64::from(*weight)).sum();
        let mut left = self.unit() * total;
        for (weight, value) in weighted {
            left -= f64::from(*weight);
            if left < 0.0 {
                return *value;
            }
        }
        weighted.last().expect("every table in this room has a row").1
    }

    /// A waiting time without memory: how long until the next of events that come independently.
    pub(super) fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }

    /// How long a person takes over something: mostly a little less than the mean, sometimes much
    /// longer, but never beyond `longest`.
    pub(super) fn log_normal(&mut self, mean: Duration, longest: Duration) -> Duration {
        /// The spread that studies of service times by telephone find, roughly.
        const SIGMA: f64 = 0.6;
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (TAU * self.unit()).cos();
        mean.mul_f64((SIGMA * normal - SIGMA * SIGMA / 2.0).exp()).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of splitmix64.c for the seed 1234567.
        let mut chance = Chance::new(1_234_567);
        let drawn = [chance.next(), chance.next(), chance.next()];
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn the_distributions_have_their_means() {
        let mut chance = Chance::about(1, 2);
        let mean = Duration::from_mins(6);
        let average = |draw: &mut dyn FnMut() -> Duration| {
            (0..20_000).map(|_| draw().as_secs_f64()).sum::<f64>() / 20_000.0
        };
        let exponential = average(&mut || chance.exponential(mean));
        assert!((exponential - 360.0).abs() < 10.0, "{exponential}");
        let log_normal = average(&mut || chance.log_normal(mean, Duration::MAX));
        assert!((log_normal - 360.0).abs() < 10.0, "{log_normal}");
        let is_true = (0..20_000).filter(|_| chance.is_one_of_a_hundred_in(30)).count();
        assert!((5_700..6_300).contains(&is_true), "{is_true}");
    }

    #[test]
    fn streams_about_different_things_differ() {
        let firsts: std::collections::BTreeSet<u64> =
            (0..10_000).map(|thing| Chance::about(7, thing).next()).collect();
        assert_eq!(firsts.len(), 10_000);
    }
}
