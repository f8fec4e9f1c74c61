//! A made-up trace of a media site: videos and their cover pictures, popularity by Zipf's law that
//! drifts as new things are published. The same parameters give the same trace.

use super::trace::{Trace, View};

/// What the trace is like.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Parameters {
    /// Views in the trace.
    #[arg(long, default_value_t = 200_000)]
    pub requests: usize,
    /// Objects that can be asked for at one time.
    #[arg(long, default_value_t = 10_000)]
    pub objects: usize,
    /// Exponent of Zipf's law: the object of rank r is asked for in proportion to r^-zipf.
    #[arg(long, default_value_t = 0.8)]
    pub zipf: f64,
    /// Chance, before each request, that a new object is published: it takes a rank drawn by Zipf's law
    /// from the object there, which nobody asks for any more.
    #[arg(long, default_value_t = 0.02)]
    pub drift: f64,
    /// Share of the objects that are pictures.
    #[arg(long, default_value_t = 0.5)]
    pub pictures: f64,
    /// Median size of videos in MiB.
    #[arg(long, default_value_t = 40.0)]
    pub video_median_mib: f64,
    /// Spread of their sizes: the standard deviation of the logarithm.
    #[arg(long, default_value_t = 1.2)]
    pub video_sigma: f64,
    /// Median size of pictures in KiB.
    #[arg(long, default_value_t = 80.0)]
    pub picture_median_kib: f64,
    /// Spread of their sizes.
    #[arg(long, default_value_t = 0.6)]
    pub picture_sigma: f64,
    /// Seconds between requests.
    #[arg(long, default_value_t = 0.5)]
    pub interval_s: f64,
    /// Start of the random numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Largest object made, as the chain bounds objects too.
const SIZE_MAX: f64 = (60u64 << 30) as f64;

impl Parameters {
    /// Makes the trace.
    pub fn trace(&self) -> Trace {
        let mut random = Random(self.seed);
        let ranks = self.objects.max(1);
        let mut weights = Vec::with_capacity(ranks);
        let mut total = 0.0;
        for rank in 1..=ranks {
            total += (rank as f64).powf(-self.zipf);
            weights.push(total);
        }
        let draw_rank = |random: &mut Random| {
            let at = random.share() * total;
            weights.partition_point(|sum| *sum < at).min(ranks - 1)
        };
        let mut sizes: Vec<u64> = (0..ranks).map(|_| self.size(&mut random)).collect();
        let mut at_rank: Vec<usize> = (0..ranks).collect();
        let mut views = Vec::with_capacity(self.requests);
        for number in 0..self.requests {
            if random.share() < self.drift {
                at_rank[draw_rank(&mut random)] = sizes.len();
                sizes.push(self.size(&mut random));
            }
            views.push(View {
                at_ms: (number as f64 * self.interval_s * 1000.0) as u64,
                object: at_rank[draw_rank(&mut random)],
                range: None,
            });
        }
        Trace::new(views, sizes)
    }

    fn size(&self, random: &mut Random) -> u64 {
        let (median, sigma) = if random.share() < self.pictures {
            (self.picture_median_kib * 1024.0, self.picture_sigma)
        } else {
            (self.video_median_mib * 1024.0 * 1024.0, self.video_sigma)
        };
        let size = median * (sigma * random.normal()).exp();
        size.clamp(1.0, SIZE_MAX) as u64
    }
}

/// SplitMix64: small, and the same everywhere and for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let (one, other) = (1.0 - self.share(), self.share());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A small trace.
    pub fn small(seed: u64) -> Parameters {
        Parameters {
            requests: 5_000,
            objects: 300,
            zipf: 0.8,
            drift: 0.02,
            pictures: 0.5,
            video_median_mib: 40.0,
            video_sigma: 1.2,
            picture_median_kib: 80.0,
            picture_sigma: 0.6,
            interval_s: 0.5,
            seed,
        }
    }

    #[test]
    fn the_same_parameters_give_the_same_trace_and_other_seeds_others() {
        let requests = |seed| small(seed).trace().requests(None).unwrap();
        assert_eq!(requests(1), requests(1));
        assert_ne!(requests(1), requests(2));
    }

    #[test]
    fn popularity_and_sizes_are_as_asked_for() {
        let parameters = Parameters {
            drift: 0.0,
            zipf: 1.0,
            ..small(1)
        };
        let requests = parameters.trace().requests(None).unwrap();
        let mut uses: HashMap<u64, (u64, u64)> = HashMap::new();
        for request in &requests {
            uses.entry(request.key).or_insert((0, request.size)).0 += 1;
        }
        // The sum of 1/r up to 300 is 6.28: the first rank gets 16 % of 5,000 requests.
        let most = uses.values().map(|(uses, _)| *uses).max().unwrap();
        assert!((700..900).contains(&most), "{most}");
        let pictures = uses.values().filter(|(_, size)| *size < 1 << 20).count();
        let share = pictures as f64 / uses.len() as f64;
        assert!((0.4..0.6).contains(&share), "{share}");
    }

    #[test]
    fn drift_brings_new_objects() {
        let still = Parameters {
            drift: 0.0,
            ..small(1)
        };
        let keys = |parameters: &Parameters| {
            let requests = parameters.trace().requests(None).unwrap();
            requests.iter().map(|request| request.key).max().unwrap() + 1
        };
        assert!(keys(&still) <= 300);
        assert!(keys(&small(1)) > 320);
    }
}
