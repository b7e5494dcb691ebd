//! A model that no file holds: its catalog made from a row of `SHAPES`, its weights random, laid out as any other.

use pollster::block_on;
use sotto::base::buffer::BufferId;
use sotto::base::error::Result;
use sotto::device::gpu::Gpu;
use sotto::device::memory::{Memory, Named};
use sotto::file::{Catalog, Metadata, Tensor, Value};
use sotto::kernels::choose::Choice;
use sotto::model;
use sotto::model::forward::{Model, Sizes};

use crate::shapes::{Recurrent, Shape, TAPS};

/// As a file of this model would begin, with the first `layers` of its layers.
pub fn catalog(shape: &Shape, quant: &str, layers: u32) -> Catalog {
    let mut metadata = Metadata::default();
    metadata.insert("general.architecture", Value::Str(shape.arch.into()));
    let sizes = [
        ("block_count", layers),
        ("context_length", 131_072),
        ("embedding_length", shape.n_embd),
        ("feed_forward_length", shape.n_ff),
        ("attention.head_count", shape.n_heads),
        ("attention.head_count_kv", shape.n_kv_heads),
        ("attention.key_length", shape.head_dim),
        ("attention.value_length", shape.head_dim),
        ("attention.sliding_window", shape.window),
        ("vocab_size", shape.n_vocab),
    ];
    for (key, size) in sizes {
        metadata.insert(format!("{}.{key}", shape.arch), Value::U64(size.into()));
    }
    let of_state = match shape.recurrent {
        Recurrent::None => None,
        Recurrent::Mamba2 { heads, head_dim, state, groups } => Some((heads, heads * head_dim, state, groups)),
        Recurrent::Delta { heads, keys, head_dim } => Some((heads, heads * head_dim, head_dim, keys)),
    };
    if let Some((heads, inner, state, groups)) = of_state {
        let all = Value::Bools(vec![true; layers as usize]);
        metadata.insert(format!("{}.attention.recurrent_layers", shape.arch), all);
        let keys = ["time_step_rank", "inner_size", "state_size", "group_count", "conv_kernel"];
        for (key, size) in keys.into_iter().zip([heads, inner, state, groups, TAPS]) {
            metadata.insert(format!("{}.ssm.{key}", shape.arch), Value::U64(size.into()));
        }
    }
    metadata.insert(format!("{}.attention.layer_norm_rms_epsilon", shape.arch), Value::F64(1e-6));

    let mut catalog = Catalog { metadata, ..Catalog::default() };
    for (name, dims) in shape.tensors() {
        for layer in 0..if name.contains("{}") { layers } else { 1 } {
            let kind = shape.kind(quant, name, layer, &dims);
            let bytes = dims.iter().product::<u64>() / kind.block_len() as u64 * kind.block_bytes() as u64;
            let (name, offset) = (name.replace("{}", &layer.to_string()), catalog.file_bytes);
            catalog.tensors.push(Tensor { name, shape: dims.clone(), kind, offset, bytes });
            catalog.file_bytes = (offset + bytes).next_multiple_of(32);
        }
    }
    catalog
}

/// Lays the model out as a load does, and fills weights and cache with random bits.
pub fn place(catalog: &Catalog, sizes: Sizes, choice: Choice, gpu: &mut Gpu) -> Result<Model> {
    let net = model::read(catalog)?;
    let mut memory = Recorder { gpu, made: Vec::new() };
    let (mut model, upload) = Model::place(catalog, net, sizes, choice, &mut memory)?;
    let made = memory.made;
    gpu.check()?;
    let noise = noise(4 << 20);
    let mut waiting = 0;
    for id in made {
        let is_cache = model.kv().layers.iter().any(|&(k, v)| k == id || v == id);
        if !is_cache && !model.weights().holds(id) {
            continue;
        }
        let bytes = gpu.buffer_bytes(id);
        for start in (0..bytes).step_by(noise.len()) {
            let piece = noise.len().min((bytes - start) as usize);
            gpu.write(id, start, &noise[..piece]);
            waiting += piece;
            if waiting >= 256 << 20 {
                block_on(gpu.idle())?;
                waiting = 0;
            }
        }
    }
    model.finish(&upload, gpu);
    block_on(gpu.idle())?;
    Ok(model)
}

/// Remembers what is allocated.
struct Recorder<'a> {
    gpu: &'a mut Gpu,
    made: Vec<BufferId>,
}

impl Memory for Recorder<'_> {
    fn alloc(&mut self, label: &str, bytes: u64) -> Result<BufferId> {
        let id = self.gpu.alloc(label, bytes)?;
        self.made.push(id);
        Ok(id)
    }

    fn write(&mut self, id: BufferId, offset: u64, bytes: &[u8]) {
        self.gpu.write(id, offset, bytes);
    }

    fn max_binding(&self) -> u64 {
        self.gpu.max_binding()
    }
}

/// Random bytes (xorshift) in which neither an f32 nor an f16 is infinite, or larger than 2: bits 14 and 30 are 0.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // As floats of either width between 2^-15 and 2: with numbers near 0 a processor takes many times as long.
        out.extend((state & 0xbfff_bfff_bfff_bfff | 0x3800_3800_3800_3800).to_le_bytes());
    }
    out
}
