//! The CPU as a device: buffers in this program's memory, and recordings run by the kernels of `simd`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

mod buffer;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::device::memory::{Exchange, Memory, Move, Moves, Named};
use crate::device::options::{CpuOptions, MAX_BUFFER, Pause, SharedPool};
use crate::device::pool::Pool;
use crate::device::recording::{Dispatch, Recording};
use crate::kernels::job::{Exactness, Job, MAX_BINDINGS, Shared, Together};
use crate::kernels::product::quads;
use crate::quant::{self, TensorType};
use buffer::Buffer;

/// More threads than this wait for memory, and for each other.
const MOST_THREADS: usize = 8;

/// How long is computed between two pauses.
const SLICE: Duration = Duration::from_millis(30);

/// The CPU as a device: its buffers, and the threads that compute.
pub struct Cpu {
    options: CpuOptions,
    exactness: Exactness,
    buffers: Vec<Buffer>,
    labels: Vec<String>,
    /// Numbers of buffers that were given back.
    vacant: Vec<BufferId>,
    bytes: u64,
    pool: SharedPool,
    /// When the last pause was.
    paused: Instant,
}

impl Cpu {
    /// `fast`: products may take 8 bits of each activation. Never fails, unlike that of a build without it.
    pub fn new(options: &CpuOptions, fast: bool) -> Result<Self> {
        let threads = options.threads.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            cores.min(MOST_THREADS)
        });
        let new = || SharedPool(Rc::new(RefCell::new(Pool::new(threads, options.spawn.as_ref()))));
        Ok(Cpu {
            options: options.clone(),
            exactness: Exactness { bytes: fast, together: Together::AsOne },
            buffers: Vec::new(),
            labels: Vec::new(),
            vacant: Vec::new(),
            bytes: 0,
            pool: options.pool.clone().unwrap_or_else(new),
            paused: Instant::now(),
        })
    }

    /// How products of many rows are made. Who allows bytes does not want floats.
    pub fn set_together(&mut self, together: Together) {
        let rounds = self.exactness.bytes && together == Together::Whole;
        self.exactness.together = if rounds { Together::Rounded } else { together };
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        self.pool.0.borrow().threads()
    }

    /// What another device on the same threads is to be made with.
    pub fn options_beside(&self) -> CpuOptions {
        let room = self.options.room.map(|room| room.saturating_sub(self.bytes));
        CpuOptions { room, pool: Some(self.pool.clone()), ..self.options.clone() }
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
        self.pool.0.borrow_mut().run((kernel.pieces)(&job), &|pieces, scratch| (kernel.run)(&job, pieces, scratch))
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
        if let Some(id) = self.vacant.pop() {
            self.buffers[id.0] = buffer;
            self.labels[id.0] = label.to_string();
            return Ok(id);
        }
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

impl Exchange for Cpu {
    fn free(&mut self, id: BufferId) {
        let Some(nothing) = Buffer::new(0) else { return };
        self.bytes -= self.buffers[id.0].bytes();
        self.buffers[id.0] = nothing;
        self.vacant.push(id);
    }

    fn copy(&mut self, from: (BufferId, u64), to: (BufferId, u64), bytes: u64) {
        let bytes = bytes as usize;
        let words = |at: u64| at as usize / 4..at as usize / 4 + bytes / 4;
        let [from_buffer, to_buffer] = self.buffers.get_disjoint_mut([from.0.0, to.0.0]).expect("two buffers");
        to_buffer.words_mut()[words(to.1)].copy_from_slice(&from_buffer.words()[words(from.1)]);
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
