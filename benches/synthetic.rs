//! A model that no file holds: its header made from a row of `SHAPES`, its weights random, laid out as any other.

use pollster::block_on;
use sotto::bail;
use sotto::base::buffer::BufferId;
use sotto::base::error::Result;
use sotto::device::gpu::Gpu;
use sotto::device::memory::{Memory, Named};
use sotto::file::gguf::{Header, Metadata, TensorInfo, Value};
use sotto::kernels::choose::Choice;
use sotto::model::config::{ARCHITECTURES, COMMON, ModelConfig, Role};
use sotto::model::forward::{Model, Sizes};

use crate::shapes::Shape;

/// As a file of this model would begin, with the first `layers` of its layers.
pub fn header(shape: &Shape, quant: &str, layers: u32) -> Result<Header> {
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
    metadata.insert(format!("{}.attention.layer_norm_rms_epsilon", shape.arch), Value::F64(1e-6));

    let mut header = Header { version: 3, metadata, tensors: Vec::new(), data_offset: 0, file_bytes: 0 };
    for role in roles(shape)? {
        for layer in 0..if role.per_layer() { layers } else { 1 } {
            let dims = dims(shape, role);
            let kind = shape.kind(quant, role, layer, dims[0]);
            let bytes = dims.iter().product::<u64>() / kind.block_len() as u64 * kind.block_bytes() as u64;
            let offset = header.file_bytes;
            header.tensors.push(TensorInfo { name: role.name(layer), shape: dims, kind, offset, bytes });
            header.file_bytes = (offset + bytes).next_multiple_of(32);
        }
    }
    Ok(header)
}

/// The tensors of the shape's architecture.
fn roles(shape: &Shape) -> Result<Vec<Role>> {
    let Some(arch) = ARCHITECTURES.iter().find(|arch| arch.name == shape.arch) else {
        bail!(Internal, "The shape {} names the architecture '{}', which is not there.", shape.name, shape.arch);
    };
    let output = (!shape.tied).then_some(Role::Output);
    Ok(COMMON.iter().copied().chain(output).chain(arch.required.iter().copied()).collect())
}

/// In GGUF order: the length of a row first.
fn dims(shape: &Shape, role: Role) -> Vec<u64> {
    let (q, kv) = (shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim);
    let dims: &[u32] = match role {
        Role::TokenEmbd | Role::Output => &[shape.n_embd, shape.n_vocab],
        Role::AttnQ => &[shape.n_embd, q],
        Role::AttnK | Role::AttnV => &[shape.n_embd, kv],
        Role::AttnQBias => &[q],
        Role::AttnKBias | Role::AttnVBias => &[kv],
        Role::AttnQNorm | Role::AttnKNorm => &[shape.head_dim],
        Role::AttnOutput => &[q, shape.n_embd],
        Role::FfnGate | Role::FfnUp => &[shape.n_embd, shape.n_ff],
        Role::FfnDown => &[shape.n_ff, shape.n_embd],
        _ => &[shape.n_embd],
    };
    dims.iter().map(|&dim| dim.into()).collect()
}

/// Lays the model out as a load does, and fills weights and cache with random bits.
pub fn place(header: &Header, sizes: Sizes, choice: Choice, gpu: &mut Gpu) -> Result<Model> {
    let config = ModelConfig::from_header(header)?;
    let mut memory = Recorder { gpu, made: Vec::new() };
    let (model, upload) = Model::place(header, config, sizes, choice, &mut memory)?;
    let made = memory.made;
    gpu.check()?;
    let noise = noise(4 << 20);
    let mut waiting = 0;
    for id in made {
        let is_cache = model.kv().layers.iter().any(|&(k, v)| k == id || v == id);
        if !is_cache && Role::of(gpu.label(id)).is_none() {
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
        out.extend((state & 0xbfff_bfff_bfff_bfff).to_le_bytes());
    }
    out
}
