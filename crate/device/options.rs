//! What is asked of a device, whether or not this build has its kind.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use crate::base::error::{Code, Error};
use crate::base::platform::BROWSER;
use crate::device::pool::{Pool, Spawn};
use crate::kernels::choose::AdapterName;

/// Which adapter features may be used; what the adapter lacks is off whatever is asked.
#[derive(Clone, Debug)]
pub struct GpuOptions {
    /// In a browser also: whether the page made the device with the `subgroups` feature.
    pub subgroups: bool,
    /// Kernels may use 16-bit floats (`shader-f16`).
    pub f16: bool,
    /// In a browser also: whether its language has `packed_4x8_integer_dot_product`.
    pub dot: bool,
    /// How the browser describes the adapter, of which wgpu passes on only part.
    pub adapter: Option<AdapterName>,
    /// Why WebGPU was given up by the build that has it; read by one that has the CPU alone.
    pub refused: Option<Error>,
    /// Faults that a test plants; a page has none.
    #[cfg(not(target_arch = "wasm32"))]
    pub spoiled: Vec<Spoiled>,
}

/// A fault of kernels whose names begin so: a piece of their text, and what stands in its place.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy, Debug)]
pub struct Spoiled {
    /// How the names begin of the variants that have it.
    pub kernel: &'static str,
    /// What is in their text.
    pub from: &'static str,
    /// What takes its place.
    pub to: &'static str,
}

impl Default for GpuOptions {
    fn default() -> Self {
        GpuOptions {
            subgroups: !BROWSER,
            f16: true,
            dot: !BROWSER,
            adapter: None,
            refused: None,
            #[cfg(not(target_arch = "wasm32"))]
            spoiled: Vec::new(),
        }
    }
}

/// Why there is no GPU in a browser: it offers none.
pub(super) fn no_adapter() -> Error {
    let message = "This browser offers no WebGPU adapter; update the browser and graphics driver, or enable hardware acceleration.";
    Error::new(Code::NoWebgpu, message)
}

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
    /// Those of another device, which computes in turns with this one.
    pub pool: Option<SharedPool>,
}

/// Threads that several devices compute on, in turns.
#[derive(Clone)]
#[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "the CPU's device alone computes on them"))]
pub struct SharedPool(pub(super) Rc<RefCell<Pool>>);

impl fmt::Debug for SharedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedPool")
    }
}

/// The most bytes of a buffer of the CPU: what one allocation can hold where pointers have 32 bits.
pub const MAX_BUFFER: u64 = (1 << 31) - (1 << 16);
