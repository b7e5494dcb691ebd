//! What parsing a header costs in memory, counted by the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::common::gguf_writer::{Random, Writer, value};
use sotto::file::gguf::HeaderParser;
use sotto::quant::TensorType;

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

/// The most bytes that this thread holds at a time while `work` runs, and all that it asks for.
fn cost(work: impl FnOnce()) -> (usize, usize) {
    let (live, _, total) = COUNTS.get();
    COUNTS.set((live, live, total));
    work();
    let (_, peak, all) = COUNTS.get();
    ((peak - live) as usize, all - total)
}

#[test]
fn memory_follows_the_bytes_that_came() {
    // Mutants of a small file: whatever counts they promise, they get what their bytes are worth.
    let mut writer = Writer::new();
    writer.key("general.name", value::text("name"));
    writer.key("ints", value::list(5, 20, vec![1; 80]));
    writer.key("bytes", value::list(0, 80, vec![1; 80]));
    writer.key("texts", value::texts(&["one", "two", "three"]));
    writer.append("first", &[256, 4], TensorType::Q4_K);
    writer.append("second", &[16], TensorType::F32);
    let good = writer.header();
    let mut random = Random(0x6e0);
    for _ in 0..5_000 {
        let mut file = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(good.len() - 8);
            let huge = [1u64 << 20, 1 << 25, 1 << 32, u64::MAX][random.below(4)];
            match random.below(2) {
                0 => file[at] = random.below(256) as u8,
                _ => file[at..at + 8].copy_from_slice(&huge.to_le_bytes()),
            }
        }
        let (peak, _) = cost(|| drop(HeaderParser::new().push(&file)));
        assert!(peak < 32 * 1024, "a file of {} bytes took {peak}", file.len());
    }

    // A vocabulary that comes in small pieces is not copied again with each of them.
    let tokens: Vec<String> = (0..20_000).map(|token| format!("token {token}")).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut writer = Writer::new();
    writer.key("tokens", value::texts(&tokens));
    writer.key("template", value::text(&"long ".repeat(40_000)));
    let file = writer.header();
    for step in [1, 1000, file.len()] {
        let (peak, total) = cost(|| {
            let mut parser = HeaderParser::new();
            assert!(file.chunks(step).any(|part| parser.push(part).unwrap().is_some()));
        });
        assert!(peak < 5 * file.len(), "in steps of {step}: {} bytes took {peak}", file.len());
        assert!(total < 10 * file.len(), "in steps of {step}: {} bytes took {total} in all", file.len());
    }
}
