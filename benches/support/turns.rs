//! Two that do the same, measured in turns, so that they share the machine's moods.

use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    /// Lookups in a round: short rounds, one after the other, find the machine equally busy.
    pub(crate) lookups: u32,
    /// What is waited before each round.
    pub(crate) rest: Duration,
}

impl Rounds {
    /// These; where the benches are only tried, one that is short.
    pub(crate) fn of(count: usize, lookups: u32) -> Self {
        let is_measured = std::env::args().any(|argument| argument == "--bench");
        Self {
            count: if is_measured { count } else { 1 },
            lookups: if is_measured {
                lookups
            } else {
                lookups.min(10)
            },
            rest: Duration::ZERO,
        }
    }

    /// The same, each round after a rest.
    #[allow(dead_code, reason = "not every bench needs one")]
    pub(crate) fn each_after(self, rest: Duration) -> Self {
        Self { rest, ..self }
    }
}

/// Sequential lookups by the resolver and by `rival`, in turns. Prints the lookups a second and the
/// CPU time of each in its median round, and the median of what the pairs of rounds compare to.
pub(crate) async fn compare(
    Rounds {
        count,
        lookups,
        rest,
    }: Rounds,
    rival: &str,
    mut ours: impl AsyncFnMut(),
    mut theirs: impl AsyncFnMut(),
) {
    let [mut by_us, mut by_them] = [(); 2].map(|()| Measured::default());
    // Connections, tokens, caches: none of them is part of a lookup.
    for _ in 0..lookups.min(50) {
        ours().await;
        theirs().await;
    }
    for round in 0..count {
        // Neither is always the one that comes second.
        if round % 2 == 0 {
            by_us.round(rest, lookups, &mut ours).await;
            by_them.round(rest, lookups, &mut theirs).await;
        } else {
            by_them.round(rest, lookups, &mut theirs).await;
            by_us.round(rest, lookups, &mut ours).await;
        }
    }
    for (name, measured) in [("the resolver", &by_us), (rival, &by_them)] {
        println!(
            "{name:18} {:8.0} lookups/s {:8.1} µs of CPU a lookup",
            f64::from(lookups) / median(&measured.wall),
            median(&measured.cpu) * 1e6 / f64::from(lookups),
        );
    }
    println!(
        "the resolver has {:.3} of the throughput of {rival}, with {:.3} of its CPU time",
        median(&ratios(&by_them.wall, &by_us.wall)),
        median(&ratios(&by_us.cpu, &by_them.cpu)),
    );
}

/// Seconds, a round each.
#[derive(Default)]
struct Measured {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Measured {
    async fn round(&mut self, rest: Duration, lookups: u32, lookup: &mut impl AsyncFnMut()) {
        tokio::time::sleep(rest).await;
        let (start, cpu) = (Instant::now(), cpu_time());
        for _ in 0..lookups {
            lookup().await;
        }
        self.wall.push(start.elapsed().as_secs_f64());
        self.cpu.push(cpu_time().saturating_sub(cpu).as_secs_f64());
    }
}

fn ratios(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(a, b)| a / b).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What this thread, which does all the work, has spent so far; only Linux tells.
fn cpu_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule
        .split(' ')
        .next()
        .and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
