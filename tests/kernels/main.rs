//! Every kernel variant on this machine's adapter against its CPU mirror, the CPU backend's kernels against theirs, and
//! the mirrors against arithmetic written another way.

mod attention;
mod case;
mod elementwise;
mod export;
mod findings;
mod gather;
mod gpu;
mod host;
mod loops;
mod norm;
mod product;
mod random;
mod recording;
mod rope;
mod sample;
mod simd;

use sotto::quant::TensorType;

/// Kernels in f32 differ from their mirror, which sums in f64, by roundings alone.
const F32: f64 = 1e-12;

#[test]
fn every_variant_does_as_its_mirror() {
    // Nearly all the time goes into compiling the products: two devices share that.
    let (some, others) = TensorType::FORMATS.split_at(6);
    let (others, last) = others.split_at(7);
    let second = std::thread::spawn(|| {
        let mut rig = gpu::Rig::new();
        product::run(&mut rig, others);
        rig.report("some-products")
    });
    let mut rig = gpu::Rig::new();
    norm::run(&mut rig);
    elementwise::run(&mut rig);
    product::quantize(&mut rig);
    gather::run(&mut rig);
    rope::run(&mut rig);
    sample::run(&mut rig);
    attention::run(&mut rig);
    product::run(&mut rig, some);
    product::run(&mut rig, last);
    let mut report = rig.report("cases");
    report.merge(second.join().expect("the second device's tests"));
    report.finish();
}
