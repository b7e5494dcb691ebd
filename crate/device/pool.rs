//! Threads that share the pieces of a job.
//!
//! A job is offered, not dealt out: whoever comes takes some pieces until none is left, and the caller waits only for
//! those that came. So a thread that is late, or that the system keeps busy elsewhere, delays nothing.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::bail;
use crate::base::error::Result;
use crate::base::platform::BROWSER;
use crate::kernels::cpu::Scratch;

/// How often a thread looks for the next job before it sleeps: some 20 µs.
const SPINS: u32 = if BROWSER { 10_000 } else { 500 };

/// Stretches of pieces a thread: more are fairer, but kernels prepare something for each.
const STRETCHES: usize = 4;

/// The gate is open to threads that want to join; its other bits count those that did.
const OPEN: u32 = 1 << 31;

/// Starts a thread that calls [`Worker::serve`]; without one the threads are the system's.
#[derive(Clone)]
pub struct Spawn(pub Rc<dyn Fn(Worker)>);

impl fmt::Debug for Spawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawn")
    }
}

/// The caller's thread and some others, which sleep when nothing is to be done and end when the pool is dropped.
pub struct Pool {
    state: Arc<State>,
    threads: usize,
    handles: Vec<JoinHandle<()>>,
    scratch: Scratch,
}

/// Does some pieces, with what the thread keeps.
type Work<'a> = dyn Fn(Range<usize>, &mut Scratch) + Sync + 'a;

/// What is to be done; lives as long as the gate is open or someone is behind it.
#[derive(Clone, Copy)]
struct Task {
    work: *const Work<'static>,
    pieces: usize,
    stretch: usize,
}

struct State {
    /// Written by the caller while the gate is shut and nobody behind it.
    task: UnsafeCell<Option<Task>>,
    /// The first piece that nobody has taken.
    next: AtomicUsize,
    gate: AtomicU32,
    /// Grows with every job.
    epoch: AtomicU32,
    ended: AtomicBool,
    failed: AtomicBool,
    /// Threads that sleep until the epoch grows, and whether the caller sleeps until nobody is behind the gate.
    sleepers: AtomicU32,
    waiting: AtomicBool,
    lock: Mutex<()>,
    offered: Condvar,
    left: Condvar,
}

// SAFETY: the task is read only behind the gate, and its work may be shared between threads.
unsafe impl Send for State {}
// SAFETY: as above.
unsafe impl Sync for State {}

impl Pool {
    /// `threads` threads, the caller's among them, or as many as can be started.
    pub fn new(threads: usize, spawn: Option<&Spawn>) -> Self {
        let state = Arc::new(State {
            task: UnsafeCell::new(None),
            next: AtomicUsize::new(0),
            gate: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            sleepers: AtomicU32::new(0),
            waiting: AtomicBool::new(false),
            lock: Mutex::new(()),
            offered: Condvar::new(),
            left: Condvar::new(),
        });
        let mut pool = Pool { state, threads: 1, handles: Vec::new(), scratch: Scratch::default() };
        while pool.threads < threads {
            let worker = Worker { state: pool.state.clone(), joined: AtomicBool::new(false) };
            match spawn {
                Some(Spawn(spawn)) => spawn(worker),
                None => match thread::Builder::new().name("sotto".into()).spawn(move || worker.serve()) {
                    Ok(handle) => pool.handles.push(handle),
                    Err(_) => break,
                },
            }
            pool.threads += 1;
        }
        pool
    }

    /// The caller's among them.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Has all pieces done, each once. `Internal` where a thread failed, in this job or one before it.
    pub fn run(&mut self, pieces: usize, work: &Work) -> Result<()> {
        if self.threads == 1 || pieces < 2 {
            work(0..pieces, &mut self.scratch);
        } else {
            // SAFETY: the lifetime ends with this call, before which `shut` waits for all that use it.
            let work: *const Work<'static> = unsafe { std::mem::transmute(std::ptr::from_ref(work)) };
            let stretch = pieces.div_ceil(self.threads * STRETCHES);
            self.state.open(Task { work, pieces, stretch });
            let done = catch_unwind(AssertUnwindSafe(|| self.state.take_part(&mut self.scratch)));
            self.state.shut();
            if let Err(panic) = done {
                resume_unwind(panic);
            }
        }
        if self.state.failed.load(Ordering::SeqCst) {
            bail!(Internal, "A thread of the CPU backend crashed; load the model again.");
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.state.epoch.fetch_add(1, Ordering::SeqCst);
        self.state.wake();
        for handle in self.handles.drain(..) {
            drop(handle.join());
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, task: Task) {
        // SAFETY: the gate is shut and nobody behind it.
        unsafe { *self.task.get() = Some(task) };
        self.next.store(0, Ordering::Relaxed);
        self.gate.store(OPEN, Ordering::SeqCst);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock());
            self.offered.notify_all();
        }
    }

    /// Nobody joins any more; waits for those that did.
    fn shut(&self) {
        let mut behind = self.gate.fetch_and(!OPEN, Ordering::SeqCst) & !OPEN;
        for _ in 0..SPINS {
            if behind == 0 {
                return;
            }
            std::hint::spin_loop();
            behind = self.gate.load(Ordering::SeqCst);
        }
        let mut guard = self.lock();
        self.waiting.store(true, Ordering::SeqCst);
        while self.gate.load(Ordering::SeqCst) != 0 {
            guard = self.left.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.waiting.store(false, Ordering::SeqCst);
    }

    fn join(&self) -> bool {
        let more = |gate| (gate & OPEN != 0).then_some(gate + 1);
        self.gate.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    fn leave(&self) {
        if self.gate.fetch_sub(1, Ordering::SeqCst) == 1 && self.waiting.load(Ordering::SeqCst) {
            drop(self.lock());
            self.left.notify_all();
        }
    }

    /// Does pieces until all are taken. Only for the caller and those behind the gate.
    fn take_part(&self, scratch: &mut Scratch) {
        // SAFETY: the task is written only while nobody is behind the gate.
        let Some(Task { work, pieces, stretch }) = (unsafe { *self.task.get() }) else { return };
        loop {
            let start = self.next.fetch_add(stretch, Ordering::Relaxed);
            if start >= pieces {
                return;
            }
            // SAFETY: the caller keeps it until the gate is shut and nobody behind it.
            unsafe { (*work)(start..pieces.min(start + stretch), scratch) };
        }
    }

    /// The epoch after `seen`, once there is one; `None` at the end.
    fn wait(&self, seen: u32) -> Option<u32> {
        let news = || {
            let epoch = self.epoch.load(Ordering::SeqCst);
            (epoch != seen).then_some(epoch)
        };
        let soon = (0..SPINS).find_map(|_| {
            std::hint::spin_loop();
            news()
        });
        let epoch = soon.unwrap_or_else(|| {
            let mut guard = self.lock();
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            let epoch = loop {
                match news() {
                    Some(epoch) => break epoch,
                    None => guard = self.offered.wait(guard).unwrap_or_else(PoisonError::into_inner),
                }
            };
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            epoch
        });
        (!self.ended.load(Ordering::SeqCst)).then_some(epoch)
    }
}

/// One thread's end of a pool.
pub struct Worker {
    state: Arc<State>,
    joined: AtomicBool,
}

impl Worker {
    /// Takes part in every job until the pool is dropped, or a job panics.
    pub fn serve(&self) {
        let mut scratch = Scratch::default();
        let mut seen = 0;
        while let Some(epoch) = self.state.wait(seen) {
            seen = epoch;
            if !self.state.join() {
                continue;
            }
            self.joined.store(true, Ordering::SeqCst);
            if catch_unwind(AssertUnwindSafe(|| self.state.take_part(&mut scratch))).is_err() {
                return self.fail();
            }
            self.joined.store(false, Ordering::SeqCst);
            self.state.leave();
        }
    }

    /// Tells the caller that this thread crashed, where the thread itself cannot go on to do so.
    pub fn fail(&self) {
        self.state.failed.store(true, Ordering::SeqCst);
        if self.joined.swap(false, Ordering::SeqCst) {
            self.state.leave();
        }
    }
}
