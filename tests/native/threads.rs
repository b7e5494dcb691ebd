//! The threads of the CPU backend: every piece is done once, results do not depend on them, and they end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use tiny_models as tiny;

use crate::common::run::{decode, load, prefill};
use sotto::base::error::Code;
use sotto::device::{Backend, CpuOptions, Pool, Spawn, Worker};
use sotto::run::loader::LoadOptions;

/// A pool whose other threads are named, and tell when they have ended.
fn watched(threads: usize) -> (Pool, mpsc::Receiver<()>) {
    let (sender, ended) = mpsc::channel();
    let spawn = Spawn(Rc::new(move |worker: Worker| {
        let sender = sender.clone();
        let serve = move || {
            worker.serve();
            sender.send(()).expect("the test waits");
        };
        thread::Builder::new().name("worker".into()).spawn(serve).expect("a thread");
    }));
    (Pool::new(threads, Some(&spawn)), ended)
}

fn is_worker() -> bool {
    thread::current().name() == Some("worker")
}

#[test]
fn every_piece_of_many_small_jobs_is_done_once() {
    for threads in [1, 2, 3, 8] {
        let mut pool = Pool::new(threads, None);
        assert_eq!(pool.threads(), threads);
        for job in 0..3000 {
            let pieces: Vec<AtomicU32> = (0..job % 67).map(|_| AtomicU32::new(0)).collect();
            let work = |range: std::ops::Range<usize>, _: &mut _| {
                for piece in &pieces[range] {
                    piece.fetch_add(1, Ordering::Relaxed);
                }
            };
            pool.run(pieces.len(), &work).expect("no thread fails");
            let done: Vec<u32> = pieces.into_iter().map(AtomicU32::into_inner).collect();
            assert!(done.iter().all(|&times| times == 1), "{threads} threads, job {job}: {done:?}");
        }
    }
}

#[test]
fn all_threads_take_part_and_end_with_the_pool() {
    let threads = 4;
    let (mut pool, ended) = watched(threads);
    let (met, workers) = (Barrier::new(threads), AtomicUsize::new(0));
    // Nobody goes on before all have come.
    let work = |range: std::ops::Range<usize>, _: &mut _| {
        if range.start < threads {
            workers.fetch_add(usize::from(is_worker()), Ordering::Relaxed);
            met.wait();
        }
    };
    pool.run(threads, &work).expect("no thread fails");
    assert_eq!(workers.into_inner(), threads - 1);
    assert!(ended.try_recv().is_err(), "a thread ended early");
    drop(pool);
    (1..threads).for_each(|_| ended.recv().expect("a thread that ends"));
}

#[test]
fn a_thread_that_panics_is_an_error_and_not_a_hang() {
    let (mut pool, ended) = watched(2);
    let met = Barrier::new(2);
    let work = |_: std::ops::Range<usize>, _: &mut _| {
        met.wait();
        assert!(!is_worker(), "as a bug would");
    };
    let error = pool.run(2, &work).expect_err("a thread failed");
    assert_eq!(error.code, Code::Internal);
    ended.recv().expect("the thread's end");
    assert_eq!(pool.run(8, &|_, _| ()).expect_err("it failed before").code, Code::Internal);
}

#[test]
fn a_panic_of_the_caller_leaves_no_thread_behind() {
    let (mut pool, ended) = watched(3);
    let work = |_: std::ops::Range<usize>, _: &mut _| assert!(is_worker(), "as a bug would");
    for _ in 0..20 {
        // The caller may find that the others were faster.
        drop(catch_unwind(AssertUnwindSafe(|| pool.run(64, &work))));
    }
    let done = AtomicUsize::new(0);
    let count = |range: std::ops::Range<usize>, _: &mut _| {
        done.fetch_add(range.len(), Ordering::Relaxed);
    };
    pool.run(64, &count).expect("no thread failed");
    assert_eq!(done.into_inner(), 64);
    drop(pool);
    (0..2).for_each(|_| ended.recv().expect("a thread that ends"));
}

#[test]
fn any_number_of_threads_computes_the_same_logits() {
    for name in ["llama-mixed", "qwen2-mixed", "gemma3-mixed"] {
        let file = tiny::build(name).expect("a tiny model");
        let tokens: Vec<u32> = (0..40).map(|i| i * 7 % 90 + 3).collect();
        let logits = |threads: usize| {
            let cpu = CpuOptions { threads: Some(threads), ..Default::default() };
            let options = LoadOptions { backend: Backend::Cpu, cpu, ..Default::default() };
            let mut engine = load(&file, options).expect("a model");
            assert_eq!(engine.device.threads(), threads);
            let mut all = prefill(&mut engine, &tokens[..33], 16);
            all.extend(decode(&mut engine, &tokens[33..]));
            all.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let alone = logits(1);
        for threads in [2, 3, 5] {
            assert!(logits(threads) == alone, "{name} with {threads} threads");
        }
    }
}
