//! Attention that is merged in its own dispatch, against the same merged by a dispatch of its own: to the bit, again and again
//! in one buffer.

use sotto::base::buffer::BufferId;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::memory::Memory;
use sotto::device::recording::{Dispatch, Recording};
use sotto::kernels::table::attention_combine;
use sotto::kernels::table::choices::{Kv, Lanes};

use super::single_rows::{Shape, attend};
use crate::case::{Case, POISON, dispatch};
use crate::random::Random;

const ROWS: [(u32, u32); 4] = [(130, 0), (0, 140), (77, 150), (300, 240)];
/// Of the buffer that all dispatches share: its results, and what is behind them.
const RESULTS: u32 = 4 * 7 * 256 + 3;
const BEHIND: u32 = 4 * 7 * (1 + 128 * 258);
const KV: Kv = Kv::F32;

/// Every shape's dispatches have the same buffers.
struct Bench {
    gpu: Gpu,
    fields: Vec<BufferId>,
    parts: BufferId,
    apart: BufferId,
    inside: BufferId,
}

impl Bench {
    fn new() -> Self {
        let mut gpu = pollster::block_on(Gpu::request(GpuOptions::default())).expect("an adapter");
        let mut alloc = |words: u32| gpu.alloc("merge", u64::from(words) * 4).expect("a buffer");
        let fields = (0..7).map(|_| alloc(1 << 20)).collect();
        let (parts, apart, inside) = (alloc(BEHIND * 2), alloc(RESULTS), alloc(RESULTS + BEHIND));
        Bench { gpu, fields, parts, apart, inside }
    }

    /// A case's dispatch with `out` there, its other buffers filled.
    fn ready(&mut self, case: &Case, out: BufferId) -> Dispatch {
        for (field, data) in case.fields[..7].iter().enumerate() {
            self.gpu.write(self.fields[field], 0, bytemuck::cast_slice(&data.padded()));
        }
        let buffers = self.fields.iter().copied().chain([out]).collect();
        assert!(case.dispatch.buffers.iter().enumerate().all(|(binding, id)| id.0 == binding));
        Dispatch { buffers, ..case.dispatch.clone() }
    }

    fn run(&self, dispatches: Vec<Dispatch>) {
        self.gpu.run(&self.gpu.prepare(&Recording { dispatches }));
    }

    fn words(&self, id: BufferId, count: u32) -> Vec<u32> {
        let bytes = pollster::block_on(self.gpu.read(id, u64::from(count) * 4)).expect("its words");
        bytemuck::pod_collect_to_vec(&bytes)
    }

    fn apart(&mut self, s: &Shape, lanes: Lanes) -> Vec<u32> {
        let case = attend(&mut Random::new(5), s, lanes, KV, None);
        let attention = self.ready(&case, self.parts);
        let params = attention_combine::Params { dim4: s.head_dim / 4, splits: s.splits };
        let combine = dispatch(attention_combine::Variant {}, params, [s.n_heads, s.rows.len() as u32]);
        let combine = Dispatch { buffers: vec![self.parts, self.apart], ..combine };
        self.run(vec![attention, combine]);
        self.words(self.apart, s.results())
    }

    /// The results, and what is left behind them. So many of the last workgroups never run.
    fn inside(&mut self, s: &Shape, lanes: Lanes, times: usize, missing: u32) -> (Vec<u32>, Vec<u32>) {
        let case = attend(&mut Random::new(5), s, lanes, KV, Some(RESULTS));
        self.gpu.write(self.inside, 0, bytemuck::cast_slice(&[POISON; RESULTS as usize]));
        let mut attention = self.ready(&case, self.inside);
        attention.grid[1] -= missing;
        self.run(vec![attention; times]);
        let mut words = self.words(self.inside, RESULTS + BEHIND);
        let behind = words.split_off(RESULTS as usize);
        assert!(words[s.results() as usize..].iter().all(|&word| word == POISON), "written behind the results");
        words.truncate(s.results() as usize);
        (words, behind)
    }
}

fn shape(per_kv: u32, head_dim: u32, splits: u32, rows: usize) -> Shape {
    Shape {
        n_heads: per_kv,
        n_kv_heads: 1,
        head_dim,
        rope_half: head_dim / 2,
        neox: 0,
        norm: 0,
        window: 0,
        softcap: 0.0,
        alibi: 0.0,
        splits,
        rows: &ROWS[..rows],
    }
}

#[test]
fn what_is_merged_inside_is_what_is_merged_apart() {
    let mut bench = Bench::new();
    let lanes = if bench.gpu.caps.subgroups { &Lanes::ALL[..] } else { &[Lanes::Tree] };
    let mut turn = 0;
    for &lanes in lanes {
        for head_dim in [4, 32, 64, 80, 100, 128, 160, 192, 256] {
            for splits in [2, 3, 8, 16, 33, 64, 65, 128] {
                turn += 1;
                // Every size and every number of parts, but not all of both.
                if !usize::is_multiple_of(turn, 3) {
                    continue;
                }
                let rows = 1 + (turn + turn / 8) % 4;
                // A head a workgroup, four, and two workgroups of four, the last of which has three.
                let per_kv = [1, 4, 7][turn / 3 % 3];
                let s = shape(per_kv, head_dim, splits, rows);
                let want = bench.apart(&s, lanes);
                let (got, behind) = bench.inside(&s, lanes, 3, 0);
                let what = format!("{lanes:?}, {per_kv} heads of {head_dim}, {splits} parts, {rows} rows");
                assert!(want == got, "{what}: other bits");
                assert!(behind.iter().all(|&word| word == 0), "{what}: not everything was put back");
            }
        }
    }
}

#[test]
fn a_part_that_does_not_come_ends_in_no_number_for_good() {
    let mut bench = Bench::new();
    let s = shape(1, 64, 4, 1);
    let is_nan = |words: &[u32]| words.iter().all(|&word| f32::from_bits(word).is_nan());
    // One counts that does not store, and the last one does not run: the last but one waits for its part.
    bench.gpu.write(bench.inside, u64::from(RESULTS) * 4, bytemuck::cast_slice(&[1u32]));
    let (got, behind) = bench.inside(&s, Lanes::Tree, 1, 1);
    assert!(is_nan(&got) && behind[0] >= 4, "{} after {:#x}", f32::from_bits(got[0]), behind[0]);
    for _ in 0..2 {
        let (got, behind) = bench.inside(&s, Lanes::Tree, 1, 0);
        assert!(is_nan(&got) && behind[0] >= 4, "{} after {:#x}", f32::from_bits(got[0]), behind[0]);
    }
}
