// A cache in blocks of 32 numbers of a head, which share a scale: the number of theirs that is largest, as f16. Two
// blocks follow their scales, a word; a block more than there are pairs has a word of its own.
// Mirror: crate/kernels/rope/blocks.rs
alias Kv4 = u32;
const KV_TURNED: bool = true;

fn kv_head_size(dim4: u32) -> u32 {
    return dim4 / KV_FOURS + (dim4 + 15u) / 16u;
}
fn kv_at(i: u32) -> u32 {
    return i / KV_FOURS + i / 16u + 1u;
}
fn kv_scales_at(i: u32) -> u32 {
    return i / 16u * (1u + 16u / KV_FOURS);
}
fn kv_vector(word: u32, scales: u32, i: u32) -> vec4<f32> {
    let scale = unpack2x16float(scales >> ((i & 8u) << 1u)).x;
    return kv_numbers(word, i) * (scale * KV_PER_SCALE);
}
