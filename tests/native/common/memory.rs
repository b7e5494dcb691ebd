//! What work costs in memory, counted by the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    /// Of this thread alone: other tests run beside this one. (held now, the most held, all that was asked for)
    static COUNTS: Cell<(isize, isize, usize)> = const { Cell::new((0, 0, 0)) };
}

fn count(bytes: isize) {
    // A thread that ends frees memory after its counters are gone.
    let _ = COUNTS.try_with(|counts| {
        let (live, peak, total) = counts.get();
        let live = live + bytes;
        counts.set((live, peak.max(live), total + bytes.max(0) as usize));
    });
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives; the most bytes that this thread holds at a time while it runs, and all that it asks for.
pub fn cost<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (live, _, total) = COUNTS.get();
    COUNTS.set((live, live, total));
    let done = work();
    let (_, peak, all) = COUNTS.get();
    (done, (peak - live) as usize, all - total)
}
