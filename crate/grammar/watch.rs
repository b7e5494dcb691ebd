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
    use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
    use std::time::{Duration, Instant};

    use super::{CancellationHandle, TOO_LONG};
    use crate::limits;

    /// On a stack that is large enough. What takes too long goes on unseen until it ends: it cannot be called off.
    pub fn compile<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
        let (done, outcome) = mpsc::channel();
        let thread = std::thread::Builder::new().stack_size(limits::STACK_BYTES);
        thread.spawn(move || done.send(work()).ok()).map_err(|e| format!("no thread to compile it on ({e})"))?;
        match outcome.recv_timeout(limits::COMPILE) {
            Ok(outcome) => outcome,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(TOO_LONG.into()),
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
}

#[cfg(target_arch = "wasm32")]
mod web {
    use super::CancellationHandle;
    use crate::{limits, memory};

    /// The stack is set where the module is linked.
    pub fn compile<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        memory::bounded(limits::COMPILE, work)
    }

    /// See `compile`.
    pub fn step<T>(_handle: Option<CancellationHandle>, work: impl FnOnce() -> T) -> T {
        memory::bounded(limits::STEP, work)
    }
}
