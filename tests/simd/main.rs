//! The CPU backend's kernels against their mirrors, in the cases that the shaders are tested with.

#[path = "../kernels/attention.rs"]
mod attention;
#[path = "../common/compare.rs"]
#[allow(dead_code)] // What only other tests need.
mod compare;
#[path = "../kernels/decode_attention.rs"]
mod decode_attention;
#[path = "../kernels/glu.rs"]
mod glu;
#[path = "rig.rs"]
mod gpu;
#[path = "../kernels/random.rs"]
#[allow(dead_code)] // Its weights: the products have tests of their own.
mod random;
#[path = "../kernels/rmsnorm.rs"]
mod rmsnorm;
#[path = "../kernels/rope_kv.rs"]
mod rope_kv;
#[path = "../kernels/sample.rs"]
mod sample;

/// Kernels in f32 differ from their mirror, which sums in f64, by roundings alone.
const F32: f64 = 1e-12;

const REDUCES: [&str; 1] = ["tree"];

#[test]
fn norms_and_activations() {
    gpu::Rig::check(&["rmsnorm", "glu"], |rig| {
        rmsnorm::run(rig);
        glu::run(rig);
    });
}

#[test]
fn rotation_and_cache() {
    gpu::Rig::check(&["rope_kv"], rope_kv::run);
}

#[test]
fn attention_of_many_rows() {
    gpu::Rig::check(&["attention"], attention::run);
}

#[test]
fn attention_of_single_rows() {
    gpu::Rig::check(&["decode_attention", "attention_combine"], decode_attention::run);
}

#[test]
fn sampling() {
    let kernels = ["sample_scan", "sample_take", "sample_bins", "sample_gather", "sample_pick"];
    gpu::Rig::check(&kernels, sample::run);
}
