#import shared/kv_{kv}
#import shared/scores
// What the kernels for the attention of a token of its own bind.
struct Params {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim4: u32,
    rope_half: u32,
    neox: u32,
    has_norm: u32,
    eps: f32,
    attn_scale: f32,
    window: u32,
    groups: u32,
    softcap: f32,
    splits: u32,
}
@group(0) @binding(0) var<storage, read> batch: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> q_norm: array<f32>;
@group(0) @binding(3) var<storage, read> k_norm: array<f32>;
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> k_cache: array<Kv4>;
@group(0) @binding(6) var<storage, read_write> v_cache: array<Kv4>;
@group(0) @binding(7) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(8) var<uniform> params: Params;

// What a workgroup works on: up to QH query heads of one KV head, of row r, in one of the stretches of its cells.
struct Work {
    r: u32,
    kv_head: u32,
    head0: u32,
    n_heads: u32,
    // Where in qkv, in vectors, the row's queries and the KV head's key are.
    q_from: u32,
    k_from: u32,
    split: u32,
    // The stretch: cells of the sequence.
    begin: u32,
    end: u32,
}

fn work_of(group: vec3<u32>) -> Work {
    let r = group.y / params.splits;
    let split = group.y % params.splits;
    let kv_head = group.x / params.groups;
    let per_kv = params.n_heads / params.n_kv_heads;
    let head0 = kv_head * per_kv + (group.x % params.groups) * QH;
    let q_from = r * (params.n_heads + 2u * params.n_kv_heads) * params.head_dim4;
    let k_from = q_from + (params.n_heads + kv_head) * params.head_dim4;
    let end = batch[r].y + 1u;
    let first = first_seen(end);
    let share = (end - first + params.splits - 1u) / params.splits;
    let begin = min(first + split * share, end);
    return Work(
        r, kv_head, head0, min(QH, (kv_head + 1u) * per_kv - head0), q_from, k_from, split, begin, min(begin + share, end),
    );
}

// Where the results of head h of the work go; with splits > 1 its largest score and sum of weights follow its values.
fn result_at(work: Work, h: u32) -> u32 {
    let head = work.r * params.n_heads + work.head0 + h;
    if params.splits == 1u {
        return head * params.head_dim4;
    }
    return (head * params.splits + work.split) * (params.head_dim4 + 1u);
}
