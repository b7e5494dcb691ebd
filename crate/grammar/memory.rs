//! The module's allocator: while a grammar is compiled or followed, it ends the module when the work takes too long or too
//! much. All work of that kind allocates; and the worker makes the module anew (`www/worker/grammar.ts`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

/// Of one piece: a text that is forced without end grows by doubling.
const PIECE: usize = 48 << 20;
/// Of all that one work takes.
const BYTES: usize = 250 << 20;
/// The clock is read once in so many allocations, and at each of so many bytes: lists that grow double, and are few.
const PACE: u32 = 64;
const LARGE: usize = 4096;

thread_local! {
    /// When the work must be done, in milliseconds since 1970; and what is allocated for it.
    static UNTIL: Cell<f64> = const { Cell::new(f64::INFINITY) };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

/// The work within these bounds; beyond them it is thrown out of.
pub fn bounded<T>(time: Duration, work: impl FnOnce() -> T) -> T {
    TAKEN.set(0);
    UNTIL.set(js_sys::Date::now() + time.as_millis() as f64);
    let done = work();
    UNTIL.set(f64::INFINITY);
    done
}

struct Bounded;

fn check(bytes: usize) {
    if UNTIL.get() == f64::INFINITY {
        return;
    }
    TAKEN.set(TAKEN.get().saturating_add(bytes));
    COUNT.set(COUNT.get().wrapping_add(1));
    let late = (bytes >= LARGE || COUNT.get().is_multiple_of(PACE)) && js_sys::Date::now() > UNTIL.get();
    if late || bytes > PIECE || TAKEN.get() > BYTES {
        UNTIL.set(f64::INFINITY);
        wasm_bindgen::throw_str(if late { "it takes too long" } else { "it takes too much memory" });
    }
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size.saturating_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        TAKEN.set(TAKEN.get().saturating_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;
