//! `cargo bench --bench cpu`: the CPU backend's kernels on one thread, beside what this machine's memory and arithmetic
//! allow.

mod cases;
mod encoder;

use std::hint::black_box;
use std::time::Instant;

use sotto::eval::median;
use sotto::kernels::cpu::Scratch;
use wide::f32x4;

fn main() {
    // Flags mean the other benchmark, which `cargo bench` runs too.
    if std::env::args().skip(1).any(|arg| arg != "--bench") {
        return;
    }
    let copy = copy_rate();
    let fma = fma_rate();
    println!("one thread: copies {:.1} GB/s (read and written), multiply-adds {:.1} G/s", copy / 1e9, fma / 1e9);
    println!("{:40} {:>9} {:>7} {:>9} {:>6}", "kernel", "us", "GB/s", "G ops/s", "share");
    let (mut scratch, mut tokens) = (Scratch::default(), [0.0; 2]);
    for mut case in cases::all() {
        // Lists grow with each call: they start as they were.
        let before = case.name.starts_with("sample_gather").then(|| case.buffers[4][..2].to_vec());
        let seconds = seconds(|| {
            if let Some(before) = &before {
                case.buffers[4][..2].copy_from_slice(before);
            }
            case.run(&mut scratch);
        });
        let share = f64::max(case.bytes / copy, case.operations / fma) / seconds;
        println!(
            "{:40} {:9.1} {:7.1} {:9.2} {:5.0}%",
            case.name,
            seconds * 1e6,
            case.bytes / seconds / 1e9,
            case.operations / seconds / 1e9,
            share * 100.0
        );
        tokens[usize::from(case.per_token < 2.0)] += case.per_token * seconds * 1e3;
    }
    let [decoded, prefilled] = tokens;
    println!("without products: {decoded:.2} ms a decoded token, {prefilled:.2} ms a token of a prompt");
}

/// The median time of a call.
fn seconds(mut call: impl FnMut()) -> f64 {
    let mut once = || {
        let start = Instant::now();
        call();
        start.elapsed().as_secs_f64()
    };
    let first = (0..3).map(|_| once()).fold(f64::INFINITY, f64::min);
    let calls = (0.2 / first).clamp(5.0, 2000.0) as usize;
    median((0..calls).map(|_| once()).collect())
}

/// Bytes a second, read and written.
fn copy_rate() -> f64 {
    let from = vec![1u32; 16 << 20];
    let mut to = vec![0u32; from.len()];
    let seconds = seconds(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    8.0 * from.len() as f64 / seconds
}

/// Multiply-adds a second, four at a time.
fn fma_rate() -> f64 {
    const ROUNDS: usize = 100_000;
    let x = f32x4::splat(black_box(0.999));
    let mut sums = [f32x4::splat(black_box(1.0)); 12];
    let seconds = seconds(|| {
        for _ in 0..ROUNDS {
            sums.iter_mut().for_each(|sum| *sum = sum.mul_add(x, x));
        }
        black_box(&mut sums);
    });
    (4 * 12 * ROUNDS) as f64 / seconds
}
