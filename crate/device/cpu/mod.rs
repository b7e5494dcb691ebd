//! The CPU as a device: buffers in this program's memory, and recordings run by the kernels of `simd`.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

mod buffer;
pub mod pool;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::device::memory::{Memory, Move, Moves, Named};
use crate::device::recording::{Dispatch, Recording};
use crate::kernels::job::{Exactness, Job, MAX_BINDINGS, Shared};
use crate::kernels::product::quads;
use crate::quant::{self, TensorType};
use buffer::Buffer;
use pool::{Pool, Spawn};

/// Lets whoever shares the thread go on meanwhile: a page's worker hears of an abort in it.
#[derive(Clone)]
pub struct Pause(pub Rc<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>>>);

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pause")
    }
}

/// How the CPU computes.
#[derive(Clone, Debug, Default)]
pub struct CpuOptions {
    /// Bytes that all buffers may take together; `None` where only the allocator knows.
    pub room: Option<u64>,
    /// Taken between dispatches, a few times in a tenth of a second.
    pub pause: Option<Pause>,
    /// Threads that compute, this one among them; `None` for one a core, but not more than help.
    pub threads: Option<usize>,
    /// Starts a thread, where the system cannot.
    pub spawn: Option<Spawn>,
}

/// More threads than this wait for memory, and for each other.
const MOST_THREADS: usize = 8;

/// How long is computed between two pauses.
const SLICE: Duration = Duration::from_millis(30);

/// The most bytes of a buffer: what one allocation can hold where pointers have 32 bits.
pub const MAX_BUFFER: u64 = (1 << 31) - (1 << 16);

/// The CPU as a device: its buffers, and the threads that compute.
pub struct Cpu {
    options: CpuOptions,
    exactness: Exactness,
    buffers: Vec<Buffer>,
    labels: Vec<String>,
    bytes: u64,
    pool: Pool,
    /// When the last pause was.
    paused: Instant,
}

impl Cpu {
    /// `fast`: products may take 8 bits of each activation.
    pub fn new(options: &CpuOptions, fast: bool) -> Self {
        let threads = options.threads.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            cores.min(MOST_THREADS)
        });
        Cpu {
            options: options.clone(),
            exactness: Exactness { bytes: fast, apart: false },
            buffers: Vec::new(),
            labels: Vec::new(),
            bytes: 0,
            pool: Pool::new(threads, options.spawn.as_ref()),
            paused: Instant::now(),
        }
    }

    /// Products of many rows need not give the bits of those of one: for a model that writes nothing.
    pub fn set_apart(&mut self) {
        self.exactness.apart = true;
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `Aborted` where the work was cancelled; what was computed until then stays. `Internal` where a thread crashed.
    pub async fn run(&mut self, recording: &Recording, cancel: &Cancel) -> Result<()> {
        for dispatch in &recording.dispatches {
            self.pause().await;
            cancel.check()?;
            self.dispatch(dispatch)?;
        }
        Ok(())
    }

    /// As [`Cpu::run`], without pauses: for what takes no time.
    pub fn run_at_once(&mut self, recording: &Recording) -> Result<()> {
        recording.dispatches.iter().try_for_each(|dispatch| self.dispatch(dispatch))
    }

    /// Microseconds of each dispatch.
    pub async fn time(&mut self, recording: &Recording) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(recording.dispatches.len());
        for dispatch in &recording.dispatches {
            self.pause().await;
            let started = Instant::now();
            self.dispatch(dispatch)?;
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
        Ok(times)
    }

    async fn pause(&mut self) {
        if let Some(Pause(pause)) = &self.options.pause
            && self.paused.elapsed() >= SLICE
        {
            pause().await;
            self.paused = Instant::now();
        }
    }

    fn dispatch(&mut self, dispatch: &Dispatch) -> Result<()> {
        let Some(kernel) = dispatch.kernel().simd else {
            bail!(
                Internal,
                "The kernel '{}' was recorded for the CPU, which has none of that name.",
                dispatch.kernel().name
            );
        };
        let mut shared = [Shared::EMPTY; MAX_BINDINGS];
        for (shared, id) in shared.iter_mut().zip(&dispatch.buffers) {
            *shared = self.buffers[id.0].shared();
        }
        let buffers = &shared[..dispatch.buffers.len()];
        // SAFETY: the buffers are this device's, which is borrowed mutably: they stay and are nobody else's until it is done.
        let job = unsafe { Job::new(dispatch.variant, &dispatch.params, dispatch.grid, buffers, self.exactness) };
        self.pool.run((kernel.pieces)(&job), &|pieces, scratch| (kernel.run)(&job, pieces, scratch))
    }

    /// The first `bytes` of a buffer.
    pub fn read(&self, id: BufferId, bytes: u64) -> &[u8] {
        &bytemuck::cast_slice(self.buffers[id.0].words())[..bytes as usize]
    }
}

impl Memory for Cpu {
    /// `OutOfMemory` where there is no room.
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        let Some(buffer) = Buffer::new(bytes).filter(|_| bytes <= MAX_BUFFER) else {
            bail!(
                OutOfMemory,
                "There is no memory for the buffer '{label}' of {bytes} bytes beside {} of others; use a smaller model or context.",
                self.bytes
            );
        };
        self.bytes += buffer.bytes();
        self.buffers.push(buffer);
        self.labels.push(label.to_string());
        Ok(BufferId(self.buffers.len() - 1))
    }

    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]) {
        let start = offset as usize;
        let all: &mut [u8] = bytemuck::cast_slice_mut(self.buffers[id.0].words_mut());
        all[start..start + bytes.len()].copy_from_slice(bytes);
    }

    fn max_binding(&self) -> u64 {
        MAX_BUFFER
    }

    fn arrange(&mut self, id: BufferId, kind: TensorType, planes: [u32; 4], n_rows: u32, k: u32) {
        let blocks = k as usize / quant::BLOCK;
        quads::arrange(kind, self.buffers[id.0].words_mut(), planes, n_rows as usize, blocks);
    }
}

impl Moves for Cpu {
    fn move_bytes(&mut self, moves: &[Move]) {
        for &Move { buffer, from, to, bytes } in moves {
            let words = self.buffers[buffer.0].words_mut();
            words.copy_within(from as usize / 4..(from + bytes) as usize / 4, to as usize / 4);
        }
    }
}

impl Named for Cpu {
    fn label(&self, id: BufferId) -> &str {
        &self.labels[id.0]
    }
    fn buffer_bytes(&self, id: BufferId) -> u64 {
        self.buffers[id.0].bytes()
    }
}

/// Results of a fixed size, in the order in which they were made.
pub struct Ring {
    slots: usize,
    bytes: u64,
    results: VecDeque<Vec<u8>>,
}

impl Ring {
    pub(super) fn new(slots: usize, bytes: u64) -> Self {
        Ring { slots, bytes, results: VecDeque::with_capacity(slots) }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.results.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.results.len() == self.slots
    }

    pub(super) fn clear(&mut self) {
        self.results.clear();
    }

    pub(super) fn push(&mut self, result: &[u8]) -> Result<()> {
        if self.is_full() {
            bail!(Internal, "A result was made while all {} of its ring wait to be read.", self.slots);
        }
        self.results.push_back(result.to_vec());
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Vec<u8>> {
        match self.results.pop_front() {
            Some(result) => Ok(result),
            None => bail!(Internal, "A result was waited for, but none was made."),
        }
    }
}
