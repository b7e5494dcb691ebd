//! The format shaders, run on this machine's adapter, against the CPU: every weight equal.
//!
//! A kernel with nothing else in it writes out what `load_block` and `load_packed` give.

use crate::common::blocks::{assert_same, golden, pack};
use sotto::kernels::table::choices::Quantized;
use sotto::quant::{self, TensorType};
use wgpu::util::DeviceExt;

/// What every kernel declares before it imports a format.
const PRELUDE: &str = "
struct Params { planes: vec4<u32>, blocks: u32 }
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> weights_u32: array<u32>;
@group(0) @binding(2) var<storage, read> params: Params;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
struct Packed {
  q0: u32, q1: u32, q2: u32, q3: u32, q4: u32, q5: u32, q6: u32, q7: u32,
  scale: vec2<f32>, offset: vec2<f32>,
}
struct Block {
  v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>,
  v4: vec4<f32>, v5: vec4<f32>, v6: vec4<f32>, v7: vec4<f32>,
  scale: vec2<f32>, offset: vec2<f32>,
}
fn plane_offset(i: u32) -> u32 { return params.planes[i]; }
";

const LOAD_BLOCK: &str = "
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if id.x >= params.blocks { return; }
  let w = load_block(id.x);
  var v = array<vec4<f32>, 8>(w.v0, w.v1, w.v2, w.v3, w.v4, w.v5, w.v6, w.v7);
  for (var j = 0u; j < 8u; j++) { out[id.x * 8u + j] = w.scale[j / 4u] * v[j] + w.offset[j / 4u]; }
}";

/// Reads the bytes as a kernel of integer dot products does: signed, whatever the format.
const LOAD_PACKED: &str = "
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if id.x >= params.blocks { return; }
  let w = load_packed(id.x);
  var q = array<u32, 8>(w.q0, w.q1, w.q2, w.q3, w.q4, w.q5, w.q6, w.q7);
  for (var j = 0u; j < 8u; j++) {
    for (var i = 0u; i < 4u; i++) {
      let v = f32(extractBits(i32(q[j]), 8u * i, 8u));
      out[id.x * 8u + j][i] = w.scale[j / 4u] * v + w.offset[j / 4u];
    }
  }
}";

#[test]
fn format_shaders_load_the_weights_of_the_blocks() {
    let (device, queue) = device();
    for kind in TensorType::ALL {
        let (mut blocks, mut want) = golden(kind);
        // Copies in number, so that several workgroups and many units take part.
        blocks = blocks.repeat(21);
        want = want.repeat(21);
        let (words, offsets) = pack(kind, &blocks, want.len());
        let integers = Quantized::of(kind.stored()).is_some();
        let kernels: &[&str] = if integers { &[LOAD_BLOCK, LOAD_PACKED] } else { &[LOAD_BLOCK] };
        for kernel in kernels {
            let format = format!("formats/{}", kind.stored().name().to_lowercase());
            let mut source = PRELUDE.to_string();
            import(&format, &mut Vec::new(), &mut source);
            source.push_str(kernel);
            let got = run(&device, &queue, &source, &words, &offsets, want.len() / quant::BLOCK);
            assert_same(kind, "on the GPU", &got, &want);
        }
    }
}

/// Appends `shaders/{name}.wgsl` after what it imports, each file once.
fn import(name: &str, seen: &mut Vec<String>, source: &mut String) {
    if seen.iter().any(|s| s == name) {
        return;
    }
    seen.push(name.to_string());
    let path = format!("{}/shaders/{name}.wgsl", env!("CARGO_MANIFEST_DIR"));
    for line in std::fs::read_to_string(&path).expect(&path).lines() {
        match line.strip_prefix("#import ") {
            Some(other) => import(other.trim(), seen, source),
            None => {
                source.push_str(line);
                source.push('\n');
            }
        }
    }
}

fn device() -> (wgpu::Device, wgpu::Queue) {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL;
    let instance = wgpu::Instance::new(descriptor);
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))
        .expect("a Vulkan or Metal adapter (mesa-vulkan-drivers has a software one)");
    eprintln!("adapter: {:?}", adapter.get_info().name);
    pollster::block_on(adapter.request_device(&Default::default())).expect("a device")
}

/// One dispatch over `blocks` blocks of 32 weights; gives all that it wrote.
fn run(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    source: &str,
    words: &[u32],
    offsets: &[u64],
    blocks: usize,
) -> Vec<f32> {
    use wgpu::BufferUsages as Usage;
    let init = |contents: &[u8], usage| {
        let descriptor = wgpu::util::BufferInitDescriptor { label: None, contents, usage };
        device.create_buffer_init(&descriptor)
    };
    let weights = init(bytemuck::cast_slice(words), Usage::STORAGE);
    let mut params = [0u32; 8];
    for (plane, offset) in offsets.iter().enumerate() {
        params[plane] = (offset / 4) as u32;
    }
    params[4] = blocks as u32;
    let params = init(bytemuck::cast_slice(&params), Usage::STORAGE);
    let bytes = vec![0xff; blocks * quant::BLOCK * 4];
    let out = init(&bytes, Usage::STORAGE | Usage::COPY_SRC);
    let staging = init(&bytes, Usage::MAP_READ | Usage::COPY_DST);

    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let buffers = [&weights, &weights, &params, &out];
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &std::array::from_fn::<_, 4, _>(|i| wgpu::BindGroupLayoutEntry {
            binding: i as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: i < 3 },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        }),
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &layout,
        entries: &std::array::from_fn::<_, 4, _>(|i| wgpu::BindGroupEntry {
            binding: i as u32,
            resource: buffers[i].as_entire_binding(),
        }),
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(blocks.div_ceil(64) as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&out, 0, &staging, 0, out.size());
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.expect("mapped"));
    device.poll(wgpu::PollType::wait_indefinitely()).expect("the GPU finishes");
    bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).expect("mapped"))
}
