//! Times on the device: single dispatches, and whole recordings one after the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pollster::block_on;
use sotto::base::error::Result;
use sotto::device::gpu::{Gpu, Prepared};
use sotto::device::recording::{Dispatch, Recording};
use sotto::eval::median;

/// A GPU raises its clock only when it is busy; a software adapter has none.
const WARM_UP: Duration = Duration::from_millis(300);
/// What one sample should take at the least, and all of them about.
const SAMPLE: Duration = Duration::from_millis(50);
const BUDGET: Duration = Duration::from_millis(1000);
const SAMPLES: usize = 15;

/// Whether what is repeated is timed by what all threads of this program computed: others keep a machine busy, not them.
pub static COMPUTED: AtomicBool = AtomicBool::new(false);

/// Microseconds of each dispatch within the recording: other dispatches run between, so that no weight is in a cache
/// which would not be there in a real pass. Without timestamps, dispatches that do the same work are run by
/// themselves, over all their buffers.
pub fn dispatches(gpu: &Gpu, recording: &Recording) -> Result<Vec<f64>> {
    if gpu.caps.timestamps {
        let prepared = gpu.prepare(recording);
        warm_up(gpu.caps.is_software, || {
            gpu.run(&prepared);
            block_on(gpu.idle())
        })?;
        let started = Instant::now();
        let mut times = vec![Vec::new(); prepared.len()];
        for _ in 0..SAMPLES {
            for (all, us) in times.iter_mut().zip(block_on(gpu.time(&prepared))?) {
                all.push(us);
            }
            if started.elapsed() > BUDGET {
                break;
            }
        }
        return Ok(times.into_iter().map(median).collect());
    }
    let mut groups: HashMap<_, Vec<usize>> = HashMap::new();
    for (i, d) in recording.dispatches.iter().enumerate() {
        groups.entry(work(d)).or_default().push(i);
    }
    let mut times = vec![0.0; recording.dispatches.len()];
    for members in groups.into_values() {
        let same = members.iter().map(|&i| recording.dispatches[i].clone()).collect();
        let us = run(gpu, &gpu.prepare(&Recording { dispatches: same }))?;
        members.iter().for_each(|&i| times[i] = us / members.len() as f64);
    }
    Ok(times)
}

/// What makes two dispatches the same work on other buffers.
pub fn work(d: &Dispatch) -> (&'static str, &[u8], [u32; 3]) {
    (d.variant.name(), &d.params, d.grid)
}

/// Microseconds of a recording among others like it, nothing between them but their submission.
pub fn run(gpu: &Gpu, prepared: &Prepared) -> Result<f64> {
    repeat(gpu.caps.is_software, |count| {
        (0..count).for_each(|_| gpu.run(prepared));
        block_on(gpu.idle())
    })
}

/// Median microseconds that the CPU takes to encode and submit a recording.
pub fn encode(gpu: &Gpu, prepared: &Prepared) -> Result<f64> {
    let mut samples = Vec::new();
    let started = Instant::now();
    while samples.len() < 10 * SAMPLES && (samples.is_empty() || started.elapsed() < BUDGET) {
        let sample = Instant::now();
        gpu.run(prepared);
        samples.push(sample.elapsed().as_secs_f64() * 1e6);
        block_on(gpu.idle())?;
    }
    Ok(median(samples))
}

/// As [`run`], of a single dispatch, by the GPU's clock if it has one.
pub fn kernel(gpu: &Gpu, prepared: &Prepared) -> Result<f64> {
    let wall_us = run(gpu, prepared)?;
    if !gpu.caps.timestamps {
        return Ok(wall_us);
    }
    let times = (0..SAMPLES).map(|_| block_on(gpu.time(prepared)).map(|us| us[0])).collect::<Result<_>>()?;
    Ok(median(times))
}

/// Median microseconds of one round of `go`, which does the number of rounds that it is given and waits for their end.
pub fn repeat(is_software: bool, mut go: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let once = warm_up(is_software, || go(1))?;
    let count = (SAMPLE.as_secs_f64() / once.as_secs_f64().max(1e-6)).ceil().clamp(1.0, 1000.0) as u32;
    let started = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < SAMPLES && (samples.is_empty() || started.elapsed() < BUDGET) {
        let computed = COMPUTED.load(Ordering::Relaxed).then(computed);
        let sample = Instant::now();
        go(count)?;
        let took = computed.map_or_else(|| sample.elapsed(), |before| self::computed() - before);
        samples.push(took.as_secs_f64() * 1e6 / f64::from(count));
    }
    Ok(median(samples))
}

/// As Linux tells it of each thread.
fn computed() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux tells of threads");
    let of = |thread: std::path::PathBuf| std::fs::read_to_string(thread.join("schedstat")).ok();
    let told = threads.filter_map(|thread| of(thread.ok()?.path()));
    told.filter_map(|told| Some(Duration::from_nanos(told.split(' ').next()?.parse().ok()?))).sum()
}

/// Works until the device is up to speed; returns the time of the last round.
fn warm_up(is_software: bool, mut go: impl FnMut() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let round = Instant::now();
        go()?;
        if is_software || started.elapsed() > WARM_UP {
            return Ok(round.elapsed());
        }
    }
}
