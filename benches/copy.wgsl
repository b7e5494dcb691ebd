// copied[i] = source[i], a workgroup 4 runs of 256: what memory can do.
@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * 1024u + lane;
    let a = source[first];
    let b = source[first + 256u];
    let c = source[first + 512u];
    let d = source[first + 768u];
    copied[first] = a;
    copied[first + 256u] = b;
    copied[first + 512u] = c;
    copied[first + 768u] = d;
}
