//! The threads of the artifact with shared memory: each is a worker with an instance of its own on the same memory.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use sotto::device::Worker;

/// The module and the memory, for the instances of other threads.
#[wasm_bindgen]
pub fn shared() -> Array {
    Array::of2(&wasm_bindgen::module(), &wasm_bindgen::memory())
}

/// Serves a pool until it ends; `worker` is what `spawn` was given.
#[wasm_bindgen]
pub fn serve(worker: usize) {
    // Made by `Box::into_raw`, and handed to this thread alone.
    unsafe { Box::from_raw(worker as *mut Worker) }.serve();
}

/// Tells the pool that `serve` trapped, which has freed nothing.
#[wasm_bindgen]
pub fn fail(worker: usize) {
    // As above: it is still there.
    unsafe { &*(worker as *const Worker) }.fail();
}
