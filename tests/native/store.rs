//! The store of keys and values: what sequences keep while they grow, move and go.

use std::collections::HashMap;

use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::{Memory, Move, Moves};
use sotto::device::reference::CpuMemory;
use sotto::kernels::cell::cell;
use sotto::model::adapter::Blend;
use sotto::model::store::{SequenceId, Store};
use sotto::run::prefix::{self, Choice};

const WIDTHS: [u32; 2] = [4, 8];

fn store(cells: u32) -> (Store, CpuMemory) {
    let mut memory = CpuMemory::default();
    (Store::new(WIDTHS.map(|width| [u64::from(width) * 4; 2]), KvType::F32, cells, &mut memory).expect("cells"), memory)
}

/// A text that the store has read.
fn read(store: &mut Store, memory: &mut CpuMemory, tokens: &[u32]) -> SequenceId {
    let id = store.open(tokens.len() as u32, memory).expect("a sequence");
    store.push(id, tokens);
    id
}

/// What a pass would leave in the cells of these positions: in every layer's keys and values something of its own.
fn write(store: &Store, memory: &mut CpuMemory, id: SequenceId, positions: std::ops::Range<u32>) {
    let sequence = store.get(id).expect("a sequence");
    for position in positions {
        let at = u64::from(cell(sequence.row(0, position, 0), position));
        let token = sequence.tokens[position as usize];
        for (layer, (&(keys, values), width)) in store.layers.iter().zip(WIDTHS).enumerate() {
            for (offset, buffer) in [(0, keys), (1, values)] {
                let words = vec![100 * token + 10 * layer as u32 + offset; width as usize];
                memory.write(buffer, at * u64::from(width) * 4, bytemuck::cast_slice(&words));
            }
        }
    }
}

/// Every token of every sequence is where a row would look for it, and no two share a cell.
fn check(store: &Store, memory: &CpuMemory) {
    let mut owners = HashMap::new();
    for sequence in store.sequences() {
        assert!(sequence.tokens.len() <= sequence.cells.count as usize && sequence.cells.end() <= store.cells);
        for at in sequence.cells.first..sequence.cells.end() {
            assert_eq!(owners.insert(at, sequence.id), None, "cell {at} has two owners");
        }
        for (&token, position) in sequence.tokens.iter().zip(0..) {
            let at = cell(sequence.row(token, position, 0), position) as usize;
            for (layer, (&(keys, values), width)) in store.layers.iter().zip(WIDTHS).enumerate() {
                for (offset, buffer) in [(0, keys), (1, values)] {
                    let words = &memory.read(buffer)[at * width as usize..][..width as usize];
                    let want = 100 * token + 10 * layer as u32 + offset;
                    assert!(words.iter().all(|&w| w == want), "{:?}, position {position}: {words:?}", sequence.id);
                }
            }
        }
    }
    assert_eq!(store.free(), store.cells - owners.len() as u32);
}

#[test]
fn whatever_moves_every_sequence_keeps_what_was_computed_of_it() {
    let mut state = 7u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    for cells in [40, 200] {
        let (mut store, mut memory) = store(cells);
        let (mut moved, mut gone, mut forked) = (0, 0, 0);
        for _ in 0..3000 {
            let before: Vec<_> = store.sequences().iter().map(|s| (s.id, s.cells.first)).collect();
            let some = (!before.is_empty()).then(|| before[below(before.len() as u64) as usize].0);
            match (below(10), some) {
                (0 | 1, _) => {
                    let room = below(u64::from(cells) / 3) as u32 + 1;
                    let id = store.open(room, &mut memory).expect("a sequence");
                    let tokens: Vec<u32> = (0..below(u64::from(room) + 1)).map(|_| below(1000) as u32).collect();
                    store.push(id, &tokens);
                    write(&store, &mut memory, id, 0..tokens.len() as u32);
                }
                (2, Some(of)) => {
                    let (shared, room) = (below(20) as u32, below(20) as u32);
                    let tokens = store.get(of).expect("a sequence").tokens.clone();
                    let id = store.fork(of, shared, room, &mut memory).expect("a sequence");
                    let copied = &store.get(id).expect("a sequence").tokens;
                    assert!(tokens.starts_with(copied));
                    assert!(copied.is_empty() || copied.len() == tokens.len().min(shared as usize));
                    forked += u32::from(!copied.is_empty());
                }
                (3, Some(id)) => {
                    let (to, len) = (below(20) as u32, store.get(id).expect("a sequence").tokens.len() as u32);
                    assert_eq!(store.rewind(id, to), to.min(len));
                }
                (4, Some(id)) => store.trim(id),
                (5, Some(id)) if below(4) == 0 => store.close(id),
                (_, Some(id)) => {
                    let len = store.get(id).expect("a sequence").tokens.len() as u32;
                    let more = below(12) as u32;
                    if len + more <= cells {
                        store.touch(id);
                        store.reserve(id, len + more, &mut memory).expect("room");
                        let tokens: Vec<u32> = (0..more).map(|_| below(1000) as u32).collect();
                        store.push(id, &tokens);
                        write(&store, &mut memory, id, len..len + more);
                    }
                }
                _ => {}
            }
            check(&store, &memory);
            for (id, first) in before {
                match store.get(id) {
                    Ok(sequence) => moved += u32::from(sequence.cells.first != first),
                    Err(_) => gone += 1,
                }
            }
        }
        assert!(moved > 100 && gone > 100 && forked > 50, "{cells}: {moved} moves, {gone} gone, {forked} forks");
    }
}

#[test]
fn one_sequence_can_have_every_cell_and_the_oldest_go_first() {
    let (mut store, mut memory) = store(100);
    let [a, b, c] = [(); 3].map(|()| read(&mut store, &mut memory, &[5; 30]));
    assert_eq!(store.free(), 10);
    store.touch(a);
    // Ten are free: nobody goes for them.
    store.reserve(c, 40, &mut memory).expect("room");
    assert_eq!(store.sequences().len(), 3);
    store.reserve(c, 41, &mut memory).expect("room");
    assert!(store.get(b).is_err() && store.get(a).is_ok());
    store.reserve(c, 100, &mut memory).expect("room");
    assert_eq!((store.sequences().len(), store.free()), (1, 0));
    assert_eq!(store.get(a).err().map(|e| e.code), Some(Code::Disposed));
    assert_eq!(store.reserve(c, 101, &mut memory).err().map(|e| e.code), Some(Code::Internal));
    assert_eq!(store.open(101, &mut memory).err().map(|e| e.code), Some(Code::Internal));
    assert_eq!(store.sequences().len(), 1);
    // What was set aside and not used is free again, and a sequence of nothing is none.
    store.trim(c);
    assert_eq!(store.free(), 70);
    store.rewind(c, 0);
    store.trim(c);
    assert!(store.sequences().is_empty());
}

#[test]
fn neighbours_grow_where_they_are_while_there_is_room() {
    let (mut store, mut memory) = store(1000);
    let (a, b) = (read(&mut store, &mut memory, &[1; 50]), read(&mut store, &mut memory, &[2; 50]));
    let first = |store: &Store, id| store.get(id).expect("a sequence").cells.first;
    let before = (first(&store, a), first(&store, b));
    for tokens in (60..400).step_by(10) {
        store.reserve(a, tokens, &mut memory).expect("room");
        store.reserve(b, tokens, &mut memory).expect("room");
    }
    assert_eq!((first(&store, a), first(&store, b)), before);
}

#[test]
fn an_adapter_moves_bytes_as_memory_does_however_they_overlap() {
    let mut gpu = block_on(Gpu::request(GpuOptions::default())).expect("an adapter");
    let mut cpu = CpuMemory::default();
    const BYTES: u64 = 3 << 20;
    let content: Vec<u32> = (0..BYTES as u32 / 4).map(|i| i.wrapping_mul(2654435761)).collect();
    let [on_gpu, on_cpu] = [gpu.alloc("cells", BYTES), cpu.alloc("cells", BYTES)].map(|id| id.expect("a buffer"));
    gpu.write(on_gpu, 0, bytemuck::cast_slice(&content));
    cpu.write(on_cpu, 0, bytemuck::cast_slice(&content));
    // To the left and right, by less and more than a piece, of nothing, and beside each other.
    let moves =
        [(1 << 20, 12, 1 << 20), (4, 700_000, 2 << 20), (0, 4, BYTES - 4), (500, 500, 0), (8, 0, 40), (0, 2 << 20, 64)];
    for (from, to, bytes) in moves {
        gpu.move_bytes(&[Move { buffer: on_gpu, from, to, bytes }]);
        cpu.move_bytes(&[Move { buffer: on_cpu, from, to, bytes }]);
    }
    let got = block_on(gpu.read(on_gpu, BYTES)).expect("a readback");
    assert!(got == bytemuck::cast_slice::<u32, u8>(cpu.read(on_cpu)));
}

#[test]
fn a_prompt_goes_on_with_what_it_shares_and_other_texts_stay() {
    let text = |head: &[u32], len: u32, tail: u32| [head, &vec![tail; len as usize]].concat();
    let system: Vec<u32> = (100..120).collect();
    let (mut store, mut memory) = store(200);
    assert_eq!(prefix::choose(&store, &system, &Blend::new(), false), Choice::Open);
    let a = read(&mut store, &mut memory, &text(&system, 30, 1));
    // It goes on.
    let next = text(&store.get(a).unwrap().tokens, 10, 7);
    assert_eq!(prefix::choose(&store, &next, &Blend::new(), false), Choice::Continue { id: a, shared: 50 });
    // The same prompt again, for another reply: the last of its tokens is computed.
    assert_eq!(prefix::choose(&store, &next[..45], &Blend::new(), false), Choice::Continue { id: a, shared: 44 });
    // Another text with the same start, or part of it: while there is room, both stay.
    let other = text(&system, 40, 2);
    assert_eq!(prefix::choose(&store, &other, &Blend::new(), false), Choice::Fork { of: a, shared: 20 });
    assert_eq!(
        prefix::choose(&store, &text(&system[..1], 40, 2), &Blend::new(), false),
        Choice::Fork { of: a, shared: 1 }
    );
    assert_eq!(prefix::choose(&store, &[7, 8], &Blend::new(), false), Choice::Open);
    // So does a long text of which the prompt is but the start.
    assert_eq!(prefix::choose(&store, &system, &Blend::new(), false), Choice::Fork { of: a, shared: 19 });

    // Without room the oldest goes, whoever shares most.
    let b = read(&mut store, &mut memory, &text(&[9], 120, 3));
    assert!(store.free() < 60);
    store.touch(a);
    assert_eq!(prefix::choose(&store, &other, &Blend::new(), false), Choice::Close(b));
    store.touch(b);
    assert_eq!(prefix::choose(&store, &other, &Blend::new(), false), Choice::Continue { id: a, shared: 20 });
    // What keeps more than it loses goes on, and none is lost for it.
    store.touch(a);
    assert_eq!(
        prefix::choose(&store, &text(&next[..40], 40, 2), &Blend::new(), false),
        Choice::Continue { id: a, shared: 40 }
    );

    // Done: what is shared is there, and so is room for the rest.
    store.touch(b);
    let taken = prefix::take(&mut store, &other, &Blend::new(), false, &mut memory).expect("a sequence");
    assert_eq!((taken, store.get(a).unwrap().tokens.len()), (a, 20));
    assert_eq!(store.get(a).unwrap().cells.count, 60);
    assert!(store.get(b).is_ok());
}
