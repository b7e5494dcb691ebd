//! The kernels of the CPU backend at the shapes of Gemma 3 270M: 300 cells for a token, and 64 rows of a prompt.

use super::encoder;
use bytemuck::{bytes_of, cast_slice};
use sotto::kernels::cell::BLOCK;
use sotto::kernels::cpu::Scratch;
use sotto::kernels::face::{Face, VariantId};
use sotto::kernels::job::{Exactness, Job, Shared};
use sotto::kernels::table::choices::{Bins, Digit, Kv, Lanes, Merge, Op, Qh, Reduce, X};
use sotto::kernels::table::{
    attention, attention_combine, decode_attention, map, matmul, matvec, rmsnorm, rope_kv, sample_bins, sample_gather,
    sample_pick, sample_scan, sample_take,
};
use sotto::quant::{self, TensorType};

const HEADS: u32 = 4;
const DIM: u32 = 256;
const EMBD: u32 = 640;
const FF: u32 = 2048;
const LAYERS: f64 = 18.0;
const VOCAB: u32 = 262_144;
const ROWS: u32 = 64;
/// Where the rows of the prompt begin.
const AT: u32 = 170;
const CELLS: u32 = 300;
const LONG: u32 = 1000;

pub struct Case {
    pub name: &'static str,
    variant: VariantId,
    /// For each binding, the buffer that is bound to it.
    views: &'static [usize],
    params: Vec<u8>,
    grid: [u32; 3],
    exactness: Exactness,
    pub buffers: Vec<Vec<u32>>,
    /// Calls for a token that is decoded, or that is part of a prompt.
    pub per_token: f64,
    /// Bytes that it reads and writes at the least, and multiply-adds.
    pub bytes: f64,
    pub operations: f64,
}

impl Case {
    pub fn new<V: Face>(
        name: &'static str,
        variant: V,
        params: V::Params,
        grid: [u32; 2],
        bind: V::Bind<Vec<u32>>,
    ) -> Self {
        Case {
            name,
            variant: variant.id(),
            views: V::VIEWS,
            params: bytes_of(&params).to_vec(),
            grid: [grid[0], grid[1], 1],
            exactness: Exactness::default(),
            buffers: V::list(bind),
            per_token: 0.0,
            bytes: 0.0,
            operations: 0.0,
        }
    }

    pub fn costs(mut self, per_token: f64, bytes: f64, operations: f64) -> Self {
        (self.per_token, self.bytes, self.operations) = (per_token, bytes, operations);
        self
    }

    pub fn exactness(self, exactness: Exactness) -> Self {
        Case { exactness, ..self }
    }

    pub fn run(&mut self, scratch: &mut Scratch) {
        let shared: Vec<Shared> = self.buffers.iter_mut().map(|words| Shared::new(words)).collect();
        let bound: Vec<Shared> = self.views.iter().map(|&field| shared[field]).collect();
        // SAFETY: the buffers outlive it, and this thread alone uses them.
        let job = unsafe { Job::new(self.variant, &self.params, self.grid, &bound, self.exactness) };
        let kernel = self.variant.kernel().simd.expect("a kernel of the CPU backend");
        (kernel.run)(&job, 0..(kernel.pieces)(&job), scratch);
    }
}

/// Numbers from -size to size, the same always.
pub fn floats(count: u32, size: f32) -> Vec<u32> {
    let mut seed = 1u32;
    let each = (0..count).map(|_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (size * ((seed >> 8) as f32 / 8_388_608.0 - 1.0)).to_bits()
    });
    each.collect()
}

/// f16 from 0.5 to 1 of either sign, two a word.
fn cache(cells: u32) -> Vec<u32> {
    floats(cells * DIM / 2, 1.0).into_iter().map(|bits| bits & 0x83ff_83ff | 0x3800_3800).collect()
}

fn batch(rows: u32, at: u32) -> Vec<u32> {
    let cells = (0..LONG).step_by(BLOCK as usize);
    (0..rows).flat_map(|r| [0, at + r, 4 * rows, 0]).chain(cells).collect()
}

pub fn all() -> Vec<Case> {
    match std::env::var("ONLY").as_deref() {
        Ok("few") => return few(),
        Ok("encoder") => return encoder::cases(),
        _ => {}
    }
    let mut cases = products();
    cases.extend(few());
    cases.extend(prompt());
    cases.extend(decode());
    cases.extend(sampling());
    cases.extend(encoder::cases());
    cases
}

/// The types of a Q4_K_M file, and those that are codes or have few bits, at 2048 by 2048: for a token, and for the rows of a prompt.
fn products() -> Vec<Case> {
    const N: u32 = 2048;
    let mut cases = Vec::new();
    let types = [
        (TensorType::Q4_0, "q4_0"),
        (TensorType::Q4_K, "q4_k"),
        (TensorType::Q5_0, "q5_0"),
        (TensorType::Q6_K, "q6_k"),
        (TensorType::Q8_0, "q8_0"),
        (TensorType::IQ4_NL, "iq4_nl"),
        (TensorType::IQ4_XS, "iq4_xs"),
        (TensorType::MXFP4, "mxfp4"),
        (TensorType::IQ2_S, "iq2_s"),
        (TensorType::Q2_0, "q2_0"),
        (TensorType::Q1_0, "q1_0"),
    ];
    for (format, name) in types {
        let (offsets, bytes) = quant::plane_offsets(format, u64::from(N * N));
        let mut planes = [0; 4];
        planes.iter_mut().zip(&offsets).for_each(|(plane, at)| *plane = (at / 4) as u32);
        // Scales of a model's size, as f16 and as the bytes of K-quants alike.
        let weights = vec![0x1c1c_1c1c; bytes as usize / 4];
        let none = vec![0; 4];
        let one = one_row(planes, N);
        let bind = matvec::Bind {
            weights: weights.clone(),
            x: floats(N, 1.0),
            bias: none.clone(),
            norm: none.clone(),
            rows: none.clone(),
            out: vec![0; N as usize],
        };
        let operations = f64::from(N) * f64::from(N);
        let case = Case::new(name, matvec::Variant { format, reduce: Reduce::Tree }, one, [1, 1], bind);
        cases.push(case.costs(0.0, bytes as f64, operations));
        let many =
            matmul::Params { planes, n: N, k_blocks: N / 32, out_stride: N, m: ROWS, scale: 1.0, ..Default::default() };
        let (x, out) = (floats(N * ROWS, 1.0), vec![0; (N * ROWS) as usize]);
        let bind = matmul::Bind { weights, x, bias: none, out };
        let case = Case::new(name, matmul::Variant { format, x: X::Direct }, many, [1, 1], bind);
        cases.push(case.costs(0.0, bytes as f64, operations * f64::from(ROWS)));
    }
    cases
}

/// A product of one row with a square of n by n weights.
fn one_row(planes: [u32; 4], n: u32) -> matvec::Params {
    matvec::Params { planes, n, k_blocks: n / 32, out_stride: n, lanes: 16, scale: 1.0, m: 1, ..Default::default() }
}

/// Rows of several requests, by either kernel of products.
fn few() -> Vec<Case> {
    const N: u32 = 2048;
    let mut cases = Vec::new();
    for (format, names) in [
        (TensorType::Q4_0, ["q4_0, rows one by one", "q4_0, rows side by side"]),
        (TensorType::Q4_K, ["q4_k, rows one by one", "q4_k, rows side by side"]),
        (TensorType::Q8_0, ["q8_0, rows one by one", "q8_0, rows side by side"]),
    ] {
        let (offsets, bytes) = quant::plane_offsets(format, u64::from(N * N));
        let mut planes = [0; 4];
        planes.iter_mut().zip(&offsets).for_each(|(plane, at)| *plane = (at / 4) as u32);
        let weights = vec![0x1c1c_1c1c; bytes as usize / 4];
        let none = vec![0; 4];
        for rows in [1, 2, 3, 4, 8, 16] {
            let (x, out) = (floats(N * rows, 1.0), vec![0; (N * rows) as usize]);
            let operations = f64::from(N) * f64::from(N) * f64::from(rows);
            let one = matvec::Params { m: rows, ..one_row(planes, N) };
            let bind = matvec::Bind {
                weights: weights.clone(),
                x: x.clone(),
                bias: none.clone(),
                norm: none.clone(),
                rows: none.clone(),
                out: out.clone(),
            };
            let case = Case::new(names[0], matvec::Variant { format, reduce: Reduce::Tree }, one, [1, rows], bind);
            cases.push(case.costs(0.0, bytes as f64, operations));
            let many = matmul::Params {
                planes,
                n: N,
                k_blocks: N / 32,
                out_stride: N,
                m: rows,
                scale: 1.0,
                ..Default::default()
            };
            let bind = matmul::Bind { weights: weights.clone(), x, bias: none.clone(), out };
            let case = Case::new(names[1], matmul::Variant { format, x: X::Direct }, many, [1, 1], bind);
            cases.push(case.costs(0.0, bytes as f64, operations));
        }
    }
    cases
}

fn prompt() -> Vec<Case> {
    let (per, qkv) = (LAYERS / f64::from(ROWS), ROWS * (HEADS + 2) * DIM);
    let norm = rmsnorm::Params { k4: EMBD / 4, eps: 1e-6, gather: 0, accumulate: 0 };
    let x = f64::from(ROWS * EMBD);
    let ff = f64::from(ROWS * FF);
    let seen = f64::from((AT + 1..=AT + ROWS).sum::<u32>() * HEADS * DIM);
    let rope = rope_kv::Params {
        n_heads: HEADS,
        n_kv_heads: 1,
        head_dim: DIM,
        rope_half: DIM / 2,
        neox: 1,
        has_norm: 1,
        v_norm: 0,
        eps: 1e-6,
        attn_scale: 0.0625,
        stretch: 0.0,
        stretch_every: 1,
        rows: ROWS,
        row_heads: HEADS + 2,
        tables: 0,
    };
    let attention = attention::Params {
        n_heads: HEADS,
        n_kv_heads: 1,
        head_dim4: DIM / 4,
        q_stride4: (HEADS + 2) * DIM / 4,
        window: 512,
        groups: 1,
        softcap: 0.0,
        alibi: 0.0,
        rows: ROWS,
        ahead: 0,
        tables: 0,
    };
    let rope_bind = rope_kv::Bind {
        batch: batch(ROWS, AT),
        q_norm: floats(DIM, 1.0),
        k_norm: floats(DIM, 1.0),
        rope: floats(DIM * 260, 1.0),
        qkv: floats(qkv, 1.0),
        k_cache: cache(LONG),
        v_cache: cache(LONG),
    };
    let attention_bind = attention::Bind {
        batch: batch(ROWS, AT),
        qkv: floats(qkv, 0.1),
        k_cache: cache(LONG),
        v_cache: cache(LONG),
        out: vec![0; (ROWS * HEADS * DIM) as usize],
    };
    let norm_bind = rmsnorm::Bind {
        x: floats(ROWS * EMBD, 1.0),
        weight: floats(EMBD, 1.0),
        rows: vec![0],
        out: vec![0; (ROWS * EMBD) as usize],
    };
    let (kv, lanes, reduce) = (Kv::Pack16, Lanes::Tree, Reduce::Tree);
    vec![
        Case::new("rmsnorm, 64 rows", rmsnorm::Variant { reduce }, norm, [1, ROWS], norm_bind).costs(
            4.0 * per,
            8.0 * x,
            2.0 * x,
        ),
        Case::new(
            "map.gelu_glu, 64 rows",
            map::Variant { op: Op::GeluGlu },
            map::Params { curve: [0.0; 4], n4: FF / 4, gated: 1 },
            [8, ROWS],
            map::Bind { x: floats(2 * ROWS * FF, 4.0), out: vec![0; (ROWS * FF) as usize] },
        )
        .costs(per, 12.0 * ff, 16.0 * ff),
        Case::new("rope_kv, 64 rows", rope_kv::Variant { reduce, kv }, rope, [HEADS + 2, ROWS], rope_bind).costs(
            per,
            f64::from(ROWS * DIM) * (6.0 * 4.0 + 4.0 * 4.0 + 4.0),
            f64::from(ROWS * DIM * 5) * 5.0,
        ),
        Case::new(
            "attention, 64 rows",
            attention::Variant { lanes, kv, qh: Qh::N4 },
            attention,
            [1, ROWS],
            attention_bind,
        )
        .costs(per, f64::from((AT + ROWS) * DIM) * 4.0, 2.0 * seen),
    ]
}

fn decode() -> Vec<Case> {
    let attend = |name, cells: u32, splits| {
        let params = decode_attention::Params {
            n_heads: HEADS,
            n_kv_heads: 1,
            head_dim4: DIM / 4,
            rope_half: DIM / 2,
            neox: 1,
            has_norm: 1,
            eps: 1e-6,
            attn_scale: 0.0625,
            stretch: 0.0,
            stretch_every: 1,
            window: 0,
            groups: 1,
            softcap: 0.0,
            alibi: 0.0,
            splits,
            tables: 0,
            results: 0,
        };
        let bind = decode_attention::Bind {
            batch: batch(1, cells - 1),
            qkv: floats((HEADS + 2) * DIM, 1.0),
            q_norm: floats(DIM, 1.0),
            k_norm: floats(DIM, 1.0),
            rope: floats(DIM * 260, 1.0),
            k_cache: cache(LONG),
            v_cache: cache(LONG),
            out: vec![0; (HEADS * splits * (DIM + 4)) as usize],
        };
        let variant = decode_attention::Variant { lanes: Lanes::Tree, kv: Kv::Pack16, qh: Qh::N4, merge: Merge::Apart };
        let seen = f64::from(cells * DIM);
        Case::new(name, variant, params, [1, splits], bind).costs(LAYERS, 4.0 * seen, 2.0 * f64::from(HEADS) * seen)
    };
    let parts = f64::from(HEADS * 16 * (DIM + 4));
    vec![
        attend("decode_attention, 300 cells", CELLS, 1),
        attend("decode_attention, 1000 cells, 16 parts", LONG, 16).costs(
            0.0,
            4.0 * f64::from(LONG * DIM),
            8.0 * f64::from(LONG * DIM),
        ),
        Case::new(
            "attention_combine, 16 parts",
            attention_combine::Variant {},
            attention_combine::Params { dim4: DIM / 4, splits: 16 },
            [HEADS, 1],
            attention_combine::Bind {
                parts: floats(HEADS * 16 * (DIM + 4), 1.0),
                out: vec![0; (HEADS * DIM) as usize],
            },
        )
        .costs(0.0, 4.0 * parts, parts),
    ]
}

/// A greedy choice, and a chat's draw; each kernel gets what the ones before left.
fn sampling() -> Vec<Case> {
    let sums = [1, 2, 3].map(|i| floats(VOCAB + i, 3.0));
    let logit = |id: usize| sums.iter().enumerate().map(|(i, all)| f32::from_bits(all[id + i])).sum::<f32>();
    let logits: Vec<u32> = (0..VOCAB as usize).map(|id| logit(id).to_bits()).collect();
    let options = |top_k, top_p, reach| {
        let options = sample_scan::Options {
            inv_temperature: 1.25,
            top_k,
            top_p,
            reach,
            repeat_penalty: 1.0,
            inv_repeat_penalty: 1.0,
            limit: u32::MAX,
            ..sample_scan::Options::default()
        };
        [cast_slice(bytes_of(&options)), &vec![0; VOCAB as usize / 32][..]].concat()
    };
    let (chat, free) = (options(40, 0.95, 3.0), options(0, 1.0, f32::MAX));
    let params = |n_groups| sample_scan::Params { n_vocab: VOCAB, n_groups, softcap: 0.0, context: u32::MAX / 2 };
    let (state, batch) = (vec![0u32; 8], vec![0u32; 4]);
    let adjust = || vec![0u32; 2 * VOCAB as usize];
    let mut scratch = Scratch::default();
    let mut then = |mut case: Case| {
        case.run(&mut scratch);
        case
    };
    let vocab = f64::from(VOCAB);
    let scanned = |options: &Vec<u32>| sample_scan::Bind {
        logits: logits.clone(),
        options: options.clone(),
        adjust: adjust(),
        values: logits.clone(),
        partials: vec![0; 256],
        bins: vec![0; 3072],
    };
    let variant = |adjust| sample_scan::Variant { adjust };
    let greedy = then(Case::new("sample_scan", variant(false), params(0), [256, 1], scanned(&chat)));
    let scan = then(Case::new("sample_scan, adjusted", variant(true), params(0), [256, 1], scanned(&chat)));
    let best = greedy.buffers[4].clone();
    let bind = sample_take::Bind {
        values: logits.clone(),
        partials: best.clone(),
        options: chat.clone(),
        state: state.clone(),
        adjust: vec![0; 2],
        batch: batch.clone(),
    };
    let take = then(Case::new("sample_take", sample_take::Variant {}, params(256), [1, 1], bind));
    let bind = sample_bins::Bind {
        values: logits.clone(),
        partials: best,
        options: chat.clone(),
        bins: vec![0; 3072],
        list: vec![0; VOCAB as usize + 2],
    };
    let variant = sample_bins::Variant { bins: Bins::Shared };
    let bins = then(Case::new("sample_bins", variant, params(256), [128, 1], bind));
    let (counts, list) = (bins.buffers[3].clone(), bins.buffers[4].clone());
    let gather = |name, options: &Vec<u32>| {
        let bind = sample_gather::Bind {
            values: logits.clone(),
            options: options.clone(),
            state: state.clone(),
            bins: counts.clone(),
            list: list.clone(),
            draws: vec![0; 10 + 128],
        };
        Case::new(name, sample_gather::Variant {}, params(0), [128, 1], bind)
    };
    let drawn = then(gather("sample_gather, chat", &chat));
    let bind = sample_pick::Bind {
        values: logits.clone(),
        options: chat.clone(),
        list: drawn.buffers[4].clone(),
        draws: drawn.buffers[5].clone(),
        state: state.clone(),
        adjust: vec![0; 2],
        batch,
    };
    let pick = Case::new("sample_pick", sample_pick::Variant { digit: Digit::N8 }, params(128), [1, 1], bind);
    let costs = |case: Case, bytes: f64| case.costs(0.0, bytes * vocab, vocab);
    vec![
        costs(greedy, 4.0),
        take,
        costs(scan, 12.0),
        costs(bins, 4.0),
        // Without what was listed before: the kernel adds to it.
        costs(gather("sample_gather, chat", &chat), 4.0),
        costs(gather("sample_gather, no cuts", &free), 4.0),
        pick,
    ]
}
