// What a workgroup of decode_attention.wgsl has made, left for the last of those that share its heads to put together:
// in the same dispatch, and by the sums of attention_combine.wgsl.
// WGSL orders nothing between workgroups, so nothing here rests on an order. Parts are written and read by atomics alone, each
// word coherent by itself, and a word that no part has come to yet is 0, as no number is stored. Who counts in last reads the
// parts again until none is 0, and waits for nothing but stores that were issued before the others counted: no workgroup
// that has not begun has to. Then it puts 0 back into all it read and into the count, for the next dispatch.
// `out` holds what is made, [R][n_heads][head_dim], up to `results`; behind it, for each row, a count for each group of
// heads and the parts, [n_heads][splits][head_dim + 2]. Other layers lay these out otherwise; between dispatches all of
// them are 0, for a dispatch that has begun also ends: replies are aborted between passes, and with a lost device go its buffers.
// Should a part not come in LOOKS turns, the result is NaN, which the logits show, and BROKEN in the count makes all
// later ones NaN, too: what comes after all may not pass for a part of theirs.
#import shared/merge
alias Out = atomic<u32>;
const UNLIKE: u32 = 0x7fffffffu;
const NAN: u32 = 0x7fc00000u;
const LOOKS: u32 = 0x10000u;
const BROKEN: u32 = 0x40000000u;

// How many counted before this workgroup.
var<workgroup> before: u32;
// Whether a part did not come.
var<workgroup> late: atomic<u32>;

// A number as bits, of which those of a NaN that no sum makes are 0; every NaN becomes another.
fn stored(v: f32) -> u32 {
    let bits = bitcast<u32>(v);
    return select(bits, NAN, (bits & 0x7fffffffu) > 0x7f800000u) ^ UNLIKE;
}

// Words of a part. One after the other are the first numbers of its vectors, then the second, …: so threads beside each other
// write and read words beside each other.
fn part_size(dim4: u32) -> u32 {
    return 4u * dim4 + 2u;
}

// Where a vector of a part begins: `step` further are its next numbers.
fn put_vector(at: u32, step: u32, v: vec4<f32>) {
    atomicStore(&out[at], stored(v.x));
    atomicStore(&out[at + step], stored(v.y));
    atomicStore(&out[at + 2u * step], stored(v.z));
    atomicStore(&out[at + 3u * step], stored(v.w));
}

// It, or zeros that have come: what is there is another's. No branch, so that loads are under way together.
fn look(is_own: bool, at: u32, step: u32) -> vec4<u32> {
    let words = vec4<u32>(
        atomicLoad(&out[at]), atomicLoad(&out[at + step]), atomicLoad(&out[at + 2u * step]), atomicLoad(&out[at + 3u * step]),
    );
    return select(vec4<u32>(UNLIKE), words, is_own);
}

fn forget(is_own: bool, at: u32, step: u32) {
    if is_own {
        atomicStore(&out[at], 0u);
        atomicStore(&out[at + step], 0u);
        atomicStore(&out[at + 2u * step], 0u);
        atomicStore(&out[at + 3u * step], 0u);
    }
}

fn part_tails(first: u32, splits: u32, dim4: u32, lid: u32) -> vec4<f32> {
    let tails = first + 4u * dim4;
    let near = tails + min(lid, splits - 1u) * part_size(dim4);
    let far = tails + min(lid + 64u, splits - 1u) * part_size(dim4);
    let is_near = lid < splits;
    let is_far = lid + 64u < splits;
    let none = vec4<u32>(stored(LOWEST), stored(0.0), stored(LOWEST), stored(0.0));
    var words = vec4<u32>(0u);
    for (var i = 0u; i < LOOKS; i++) {
        words = vec4<u32>(
            atomicLoad(&out[near]), atomicLoad(&out[near + 1u]), atomicLoad(&out[far]), atomicLoad(&out[far + 1u]),
        );
        words = select(none, words, vec4<bool>(is_near, is_near, is_far, is_far));
        if all(words != vec4<u32>(0u)) {
            break;
        }
    }
    if any(words == vec4<u32>(0u)) {
        atomicStore(&late, 1u);
    }
    if is_near {
        atomicStore(&out[near], 0u);
        atomicStore(&out[near + 1u], 0u);
    }
    if is_far {
        atomicStore(&out[far], 0u);
        atomicStore(&out[far + 1u], 0u);
    }
    return bitcast<vec4<f32>>(words ^ vec4<u32>(UNLIKE));
}

fn part_vectors(first: u32, splits: u32, dim4: u32, d4: u32, s: u32, each: u32) -> Parts {
    let size = part_size(dim4);
    let last = splits - 1u;
    let a = first + d4 + s * size;
    let b = first + d4 + min(s + each, last) * size;
    let c = first + d4 + min(s + 2u * each, last) * size;
    let d = first + d4 + min(s + 3u * each, last) * size;
    let is_b = s + each < splits;
    let is_c = s + 2u * each < splits;
    let is_d = s + 3u * each < splits;
    var wa = vec4<u32>(0u);
    var wb = vec4<u32>(0u);
    var wc = vec4<u32>(0u);
    var wd = vec4<u32>(0u);
    // All loads of a turn are under way before the first is looked at.
    for (var i = 0u; i < LOOKS; i++) {
        wa = look(true, a, dim4);
        wb = look(is_b, b, dim4);
        wc = look(is_c, c, dim4);
        wd = look(is_d, d, dim4);
        if all(min(min(wa, wb), min(wc, wd)) != vec4<u32>(0u)) {
            break;
        }
    }
    if any(min(min(wa, wb), min(wc, wd)) == vec4<u32>(0u)) {
        atomicStore(&late, 1u);
    }
    forget(true, a, dim4);
    forget(is_b, b, dim4);
    forget(is_c, c, dim4);
    forget(is_d, d, dim4);
    let unlike = vec4<u32>(UNLIKE);
    return Parts(
        bitcast<vec4<f32>>(wa ^ unlike), bitcast<vec4<f32>>(wb ^ unlike), bitcast<vec4<f32>>(wc ^ unlike), bitcast<vec4<f32>>(wd ^ unlike),
    );
}

// Of the heads from head0 on of row r, that the workgroups `group` share.
fn leave(r: u32, split: u32, head0: u32, n_heads: u32, group: u32, sums: Attended, lid: u32) {
    let dim4 = params.head_dim4;
    let splits = params.splits;
    let size = part_size(dim4);
    let groups = params.n_kv_heads * params.groups;
    let counts = params.results + r * (groups + params.n_heads * splits * size);
    let parts = counts + groups;
    for (var h = 0u; h < MOST_TURNS; h++) {
        if h >= n_heads {
            break;
        }
        let to = parts + ((head0 + h) * splits + split) * size;
        if lid < dim4 {
            put_vector(to + lid, dim4, attended(h, lid, dim4));
        }
        if lid == 0u {
            atomicStore(&out[to + 4u * dim4], stored(sums.top[h]));
            atomicStore(&out[to + 4u * dim4 + 1u], stored(sums.total[h]));
        }
    }
    // The part is stored before it counts; by the others it need not be seen yet.
    storageBarrier();
    workgroupBarrier();
    if lid == 0u {
        before = atomicAdd(&out[counts + group], 1u);
        atomicStore(&late, 0u);
    }
    let counted = workgroupUniformLoad(&before);
    if counted + 1u < splits {
        return;
    }
    for (var h = 0u; h < MOST_TURNS; h++) {
        if h >= n_heads {
            break;
        }
        var words = vec4<u32>(NAN);
        if counted < splits {
            let v = merged(parts + (head0 + h) * splits * size, splits, dim4, lid);
            if atomicLoad(&late) == 0u {
                words = bitcast<vec4<u32>>(v);
            }
        }
        if lid < dim4 {
            let to = (r * params.n_heads + head0 + h) * 4u * dim4 + 4u * lid;
            atomicStore(&out[to], words.x);
            atomicStore(&out[to + 1u], words.y);
            atomicStore(&out[to + 2u], words.z);
            atomicStore(&out[to + 3u], words.w);
        }
    }
    if lid == 0u {
        let is_whole = counted < splits && atomicLoad(&late) == 0u;
        atomicStore(&out[counts + group], select(BROKEN, 0u, is_whole));
    }
}
