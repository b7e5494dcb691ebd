//! Every kernel variant on this machine's adapter against its CPU mirror, and the mirrors against arithmetic written
//! another way.

mod attention;
#[path = "../common/compare.rs"]
mod compare;
mod decode_attention;
mod embed;
#[path = "../common/export.rs"]
mod export;
mod glu;
#[path = "../common/gpu.rs"]
mod gpu;
mod matmul;
mod matvec;
mod matvec_post;
mod mirrors;
mod quantize;
mod random;
mod recording;
mod rmsnorm;
mod rope_kv;
mod sample;
mod sample_truth;

use sotto::quant::TensorType;

/// Kernels in f32 differ from their mirror, which sums in f64, by roundings alone.
const F32: f64 = 1e-12;

const REDUCES: [&str; 2] = ["tree", "subgroup"];

#[test]
fn every_variant_does_as_its_mirror() {
    // Nearly all the time goes into compiling the products: two devices share that.
    let (some, others) = TensorType::ALL.split_at(6);
    let second = std::thread::spawn(|| {
        let mut rig = gpu::Rig::new();
        matmul::run(&mut rig, others);
        matvec::run(&mut rig, others);
        matvec_post::run(&mut rig, others);
        rig.report("some-products")
    });
    let mut rig = gpu::Rig::new();
    rmsnorm::run(&mut rig);
    glu::run(&mut rig);
    quantize::run(&mut rig);
    embed::run(&mut rig);
    rope_kv::run(&mut rig);
    sample::run(&mut rig);
    attention::run(&mut rig);
    decode_attention::run(&mut rig);
    matmul::run(&mut rig, some);
    matvec::run(&mut rig, some);
    matvec_post::run(&mut rig, some);
    let mut report = rig.report("cases");
    report.merge(second.join().expect("the second device's tests"));
    report.finish();
}
