//! The store of keys and values: what sequences keep while they grow, share and go.

use std::collections::HashSet;

use pollster::block_on;
use sotto::base::error::Code;
use sotto::base::precision::KvType;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::{Memory, Move, Moves};
use sotto::device::reference::CpuMemory;
use sotto::kernels::cell::{BLOCK, cell};
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
        store.check(id, position).expect("a cell of its own");
        let at = u64::from(cell(&sequence.table(position + 1).collect::<Vec<u32>>(), [0; 4], position));
        let token = sequence.tokens[position as usize];
        for (layer, (&(keys, values), width)) in store.layers.iter().zip(WIDTHS).enumerate() {
            for (offset, buffer) in [(0, keys), (1, values)] {
                let words = vec![100 * token + 10 * layer as u32 + offset; width as usize];
                memory.write(buffer, at * u64::from(width) * 4, bytemuck::cast_slice(&words));
            }
        }
    }
}

/// Every token of every sequence is where a row would look for it, no two share a cell but those that read the same, and no
/// block is lost.
fn check(store: &Store, memory: &CpuMemory) {
    let mut used = HashSet::new();
    for sequence in store.sequences() {
        assert!(sequence.tokens.len() <= sequence.room() as usize);
        used.extend(sequence.blocks.iter().copied());
        for (&token, position) in sequence.tokens.iter().zip(0..) {
            let at = cell(&sequence.table(position + 1).collect::<Vec<u32>>(), [0; 4], position) as usize;
            for (layer, (&(keys, values), width)) in store.layers.iter().zip(WIDTHS).enumerate() {
                for (offset, buffer) in [(0, keys), (1, values)] {
                    let words = &memory.read(buffer)[at * width as usize..][..width as usize];
                    let want = 100 * token + 10 * layer as u32 + offset;
                    assert!(words.iter().all(|&w| w == want), "{:?}, position {position}: {words:?}", sequence.id);
                }
            }
        }
    }
    assert_eq!(store.free(), store.cells - used.len() as u32 * BLOCK);
}

#[test]
fn whoever_shares_goes_back_and_goes_every_sequence_keeps_what_was_computed_of_it() {
    let mut state = 7u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    for cells in [160, 800] {
        let (mut store, mut memory) = store(cells);
        let (mut shared, mut gone, mut forked, mut cut) = (0, 0, 0, 0);
        for _ in 0..3000 {
            let before: Vec<_> = store.sequences().iter().map(|s| s.id).collect();
            let some = (!before.is_empty()).then(|| before[below(before.len() as u64) as usize]);
            match (below(11), some) {
                (0 | 1, _) => {
                    let room = below(u64::from(cells) / 3) as u32 + 1;
                    let id = store.open(room, &mut memory).expect("a sequence");
                    let tokens: Vec<u32> = (0..below(u64::from(room) + 1)).map(|_| below(1000) as u32).collect();
                    store.push(id, &tokens);
                    write(&store, &mut memory, id, 0..tokens.len() as u32);
                }
                (2 | 3, Some(of)) => {
                    let (most, room) = (below(150) as u32, below(100) as u32);
                    let tokens = store.get(of).expect("a sequence").tokens.clone();
                    let id = store.fork(of, most, room, &mut memory).expect("a sequence");
                    let copied = &store.get(id).expect("a sequence").tokens;
                    assert!(tokens.starts_with(copied));
                    let all = tokens.len().min(most as usize);
                    assert!(copied.len() == all || copied.len() == all - all % BLOCK as usize);
                    forked += u32::from(!copied.is_empty());
                }
                (4, Some(id)) => {
                    let (to, len) = (below(150) as u32, store.get(id).expect("a sequence").tokens.len() as u32);
                    assert_eq!(store.rewind(id, to), to.min(len));
                }
                (5, Some(id)) => store.trim(id),
                (6, Some(id)) if below(4) == 0 => store.close(id),
                (7, Some(id)) => {
                    let len = store.get(id).expect("a sequence").tokens.len() as u64;
                    let (first, count) = (below(len + 1), below(50));
                    let behind = below(len.saturating_sub(first + count) + 1);
                    if first + count + behind <= len {
                        let sizes = [count as u32, behind as u32];
                        let moved = store.cut_out(id, first as u32, sizes, &mut memory).expect("room");
                        store.push(id, &moved);
                        cut += u32::from(behind > 0 && count > 0);
                    }
                }
                (_, Some(id)) => {
                    let len = store.get(id).expect("a sequence").tokens.len() as u32;
                    let more = below(40) as u32;
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
            let all: Vec<u32> = store.sequences().iter().flat_map(|s| s.blocks.iter().copied()).collect();
            shared += u32::from(all.len() > all.iter().collect::<HashSet<_>>().len());
            gone += before.iter().filter(|id| store.get(**id).is_err()).count();
        }
        let told = format!("{cells}: {shared} steps shared, {gone} gone, {forked} forks, {cut} cut");
        assert!(shared > 200 && gone > 100 && forked > 50 && cut > 50, "{told}");
    }
}

#[test]
fn one_sequence_can_have_every_cell_and_the_oldest_go_first() {
    // Five blocks.
    let (mut store, mut memory) = store(150);
    assert_eq!(store.cells, 160);
    let [a, b, c] = [(); 3].map(|()| read(&mut store, &mut memory, &[5; 30]));
    assert_eq!(store.free(), 64);
    store.touch(a);
    // Two are free: nobody goes for them.
    store.reserve(c, 96, &mut memory).expect("room");
    assert_eq!(store.sequences().len(), 3);
    store.reserve(c, 97, &mut memory).expect("room");
    assert!(store.get(b).is_err() && store.get(a).is_ok());
    store.reserve(c, 160, &mut memory).expect("room");
    assert_eq!((store.sequences().len(), store.free()), (1, 0));
    assert_eq!(store.get(a).err().map(|e| e.code), Some(Code::Disposed));
    assert_eq!(store.reserve(c, 161, &mut memory).err().map(|e| e.code), Some(Code::PromptTooLong));
    assert_eq!(store.open(161, &mut memory).err().map(|e| e.code), Some(Code::PromptTooLong));
    assert_eq!(store.sequences().len(), 1);
    // What was set aside and not used is free again, and a sequence of nothing is none.
    store.trim(c);
    assert_eq!(store.free(), 128);
    store.rewind(c, 0);
    store.trim(c);
    assert!(store.sequences().is_empty());
}

/// Counts what is moved.
#[derive(Default)]
struct Counted(u64);

impl Moves for Counted {
    fn move_bytes(&mut self, moves: &[Move]) {
        self.0 += moves.iter().map(|m| m.bytes).sum::<u64>();
    }
}

#[test]
fn a_fork_copies_less_than_a_block_of_each_layer() {
    let (mut store, mut memory) = store(800);
    let mut counted = Counted::default();
    let of_a_cell: u64 = store.buffers().map(|(_, bytes)| bytes).sum();
    let mut moved = |store: &mut Store, work: &dyn Fn(&mut Store, &mut Counted)| {
        counted.0 = 0;
        work(store, &mut counted);
        counted.0 / of_a_cell
    };
    let a = read(&mut store, &mut memory, &(0..500).collect::<Vec<u32>>());
    let fork = |shared, room| {
        move |store: &mut Store, memory: &mut Counted| store.fork(a, shared, room, memory).map(drop).expect("a copy")
    };
    assert_eq!(moved(&mut store, &fork(500, 510)), 500 % 32);
    assert_eq!(moved(&mut store, &fork(480, 490)), 0);
    // 16 blocks, and one more of each copy.
    assert_eq!(store.free(), 800 - 18 * 32);
    // The first goes back to where others read on: what it keeps of that block is copied once it is to be written.
    assert_eq!((store.rewind(a, 100), store.free()), (100, 800 - 18 * 32 + 32));
    assert_eq!(store.check(a, 100).err().map(|e| e.code), Some(Code::Internal));
    assert_eq!(moved(&mut store, &|store, memory| store.reserve(a, 101, memory).expect("room")), 4);
    assert!(store.check(a, 100).is_ok());
    // Once the others are gone nothing is to be copied.
    store.clear();
    let b = read(&mut store, &mut memory, &[3; 40]);
    let c = store.fork(b, 40, 40, &mut memory).expect("a copy");
    store.close(b);
    store.rewind(c, 10);
    assert_eq!(moved(&mut store, &|store, memory| store.reserve(c, 50, memory).expect("room")), 0);
    assert_eq!(store.free(), 800 - 64);
}

#[test]
fn what_others_hold_is_no_room_but_for_who_shares_it() {
    let (mut store, mut memory) = store(160);
    let a = read(&mut store, &mut memory, &[1; 90]);
    let b = store.fork(a, 64, 90, &mut memory).expect("a copy");
    assert_eq!((store.free(), store.spare()), (32, 160));
    store.hold(a, true);
    // Three blocks are held; the copy has one of its own, which goes if it does.
    assert_eq!((store.spare(), store.held_of(b, 90), store.held_of(b, 63)), (64, 64, 32));
    assert!(store.has_room(b, 128) && !store.has_room(b, 129));
    assert!(store.has_room(a, 160) && store.has_room(b, 96));
    store.hold(b, true);
    assert!(store.has_room(a, 128) && !store.has_room(a, 129));
    assert_eq!(store.reserve(a, 129, &mut memory).err().map(|e| e.code), Some(Code::Internal));
    // Back in a block that the other holds: it takes another, its own behind that where there is no other.
    let c = store.open(32, &mut memory).expect("a sequence");
    assert_eq!(store.free(), 0);
    store.hold(c, true);
    assert_eq!((store.rewind(b, 10), store.has_room(b, 12)), (10, true));
    store.reserve(b, 12, &mut memory).expect("room");
    store.close(c);
    store.close(b);
    let b = store.fork(a, 64, 90, &mut memory).expect("a copy");
    store.hold(b, true);
    assert_eq!(store.rewind(b, 50), 50);
    assert!(store.has_room(b, 96) && !store.has_room(b, 128));
    store.reserve(b, 96, &mut memory).expect("room");
    assert_eq!(store.free(), 0);
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
    assert_eq!(store.get(a).unwrap().room(), 64);
    assert!(store.get(b).is_ok());
}

#[test]
fn texts_that_are_read_at_once_lie_right_behind_each_other() {
    let (mut store, mut memory) = store(160);
    read(&mut store, &mut memory, &[5; 100]);
    let lengths = [70, 1, 25, 5, 59];
    let laid = store.lay(&lengths, &Blend::new()).expect("cells");
    assert_eq!((store.sequences().len(), store.free()), (5, 0));
    let cells = laid.iter().zip(lengths).flat_map(|(id, len)| {
        let table: Vec<u32> = store.get(*id).expect("a sequence").table(len).collect();
        assert!(store.check(*id, len - 1).is_ok());
        (0..len).map(move |position| cell(&table, [0; 4], position))
    });
    assert!(cells.eq(0..160));
    laid[1..].iter().for_each(|id| store.close(*id));
    assert_eq!(store.free(), 64);
    assert_eq!(store.lay(&[100, 61], &Blend::new()).err().map(|e| e.code), Some(Code::PromptTooLong));
}
