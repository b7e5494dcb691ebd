//! What bounds by count miss ends by the clock. Here a thread of its own calls work off, or it is left to itself; in a page,
//! where there is no other thread, the allocator ends the module (`memory.rs`).

use llguidance::CancellationHandle;

/// Why what took longer is refused: the sentence's end.
pub const TOO_LONG: &str = "it takes too long to compile";

#[cfg(not(target_arch = "wasm32"))]
pub use native::{compile, step};
#[cfg(target_arch = "wasm32")]
pub use web::{compile, step};

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
    use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
    use std::time::{Duration, Instant};

    use super::{CancellationHandle, TOO_LONG};
    use crate::limits;

    /// Compilations that nobody waits for any more.
    static LEFT: AtomicUsize = AtomicUsize::new(0);

    /// Set by the first of two that goes: a compilation, and who waits for it.
    struct Gone(Arc<AtomicBool>);

    /// The compilation goes, however it ends.
    impl Drop for Gone {
        fn drop(&mut self) {
            if self.0.swap(true, Relaxed) {
                LEFT.fetch_sub(1, Relaxed);
            }
        }
    }

    /// On a stack that is large enough. What takes too long goes on unseen: llguidance has no way to call it off, and a thread
    /// cannot be ended from outside. The limits let it end by itself, the worst that was found after 4 s of one core; and few
    /// go on at a time.
    pub fn compile<T: Send + 'static>(
        most: Duration,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        if LEFT.load(Relaxed) >= limits::LEFT {
            return Err("others that took too long to compile have not ended yet; ask again in some seconds".into());
        }
        let (done, outcome) = mpsc::channel();
        let gone = Arc::new(AtomicBool::new(false));
        let theirs = Gone(gone.clone());
        let thread = std::thread::Builder::new().stack_size(limits::STACK_BYTES);
        let run = move || {
            done.send(work()).ok();
            drop(theirs);
        };
        thread.spawn(run).map_err(|e| format!("no thread to compile it on ({e})"))?;
        match outcome.recv_timeout(most) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                // Counted first: the other may go at any time.
                LEFT.fetch_add(1, Relaxed);
                if gone.swap(true, Relaxed) {
                    LEFT.fetch_sub(1, Relaxed);
                }
                Err(TOO_LONG.into())
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err("the compiler of grammars failed".into()),
        }
    }

    /// The work is called off if it takes longer than a step may.
    pub fn step<T>(handle: Option<CancellationHandle>, work: impl FnOnce() -> T) -> T {
        let Some(handle) = handle else { return work() };
        let number = WATCH.begin(handle);
        let done = work();
        WATCH.end(number);
        done
    }

    static WATCH: LazyLock<Watch> = LazyLock::new(Watch::default);
    /// How often the watch looks.
    const PACE: Duration = Duration::from_millis(50);
    /// After so many looks at nothing it sleeps until there is something.
    const IDLE: u32 = 40;

    #[derive(Default)]
    struct Watch {
        state: Mutex<State>,
        wakes: Condvar,
    }

    #[derive(Default)]
    struct State {
        next: u64,
        steps: Vec<(u64, Instant, CancellationHandle)>,
        started: bool,
        asleep: bool,
    }

    impl Watch {
        fn state(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn begin(&'static self, handle: CancellationHandle) -> u64 {
            let mut state = self.state();
            if !state.started {
                // Without a thread steps are counted only.
                state.started = std::thread::Builder::new().spawn(|| self.look()).is_ok();
            }
            if state.asleep {
                self.wakes.notify_one();
            }
            state.next += 1;
            let number = state.next;
            state.steps.push((number, Instant::now() + limits::STEP, handle));
            number
        }

        fn end(&self, number: u64) {
            self.state().steps.retain(|(known, ..)| *known != number);
        }

        fn look(&self) {
            let mut state = self.state();
            let mut idle = 0;
            while state.started {
                idle = if state.steps.is_empty() { idle + 1 } else { 0 };
                let now = Instant::now();
                state.steps.iter().filter(|(_, until, _)| *until <= now).for_each(|(.., handle)| handle.cancel());
                state.asleep = idle > IDLE;
                state = if state.asleep {
                    self.wakes.wait(state).unwrap_or_else(PoisonError::into_inner)
                } else {
                    self.wakes.wait_timeout(state, PACE).unwrap_or_else(PoisonError::into_inner).0
                };
                idle = if state.asleep { 0 } else { idle };
                state.asleep = false;
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_takes_too_long_is_counted_until_it_ends() {
            static OVER: AtomicBool = AtomicBool::new(false);
            let wait = Duration::from_millis(10);
            for _ in 0..limits::LEFT {
                let slow = move || {
                    while !OVER.load(Relaxed) {
                        std::thread::sleep(wait);
                    }
                    Ok(())
                };
                assert_eq!(compile(wait, slow), Err(TOO_LONG.into()));
            }
            assert!(compile(wait, || Ok(())).is_err_and(|why| why.contains("ask again")));
            OVER.store(true, Relaxed);
            while LEFT.load(Relaxed) > 0 {
                std::thread::sleep(wait);
            }
            assert_eq!(compile(limits::COMPILE, || Ok(7)), Ok(7));
            // One that fails is over, too.
            assert!(compile::<()>(limits::COMPILE, || panic!("on purpose")).is_err());
            assert_eq!(LEFT.load(Relaxed), 0);
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod web {
    use std::time::Duration;

    use super::CancellationHandle;
    use crate::{limits, memory};

    /// The stack is set where the module is linked. Without time the module goes on.
    pub fn compile<T>(most: Duration, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        if most.is_zero() { Err(super::TOO_LONG.into()) } else { memory::bounded(most, work) }
    }

    /// See `compile`.
    pub fn step<T>(_handle: Option<CancellationHandle>, work: impl FnOnce() -> T) -> T {
        memory::bounded(limits::STEP, work)
    }
}
