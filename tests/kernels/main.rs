//! Every kernel variant on this machine's adapter against its CPU mirror, the CPU backend's kernels against theirs, and
//! the mirrors against arithmetic written another way.

mod attention;
mod case;
mod cells;
mod elementwise;
mod experts;
mod export;
mod findings;
mod gather;
mod gpu;
mod host;
mod latent;
mod loops;
mod lora;
mod norm;
mod product;
mod random;
mod recording;
mod recurrent;
mod rope;
mod sample;
mod shift;
mod simd;

use std::sync::Mutex;

use sotto::quant::TensorType;

/// Kernels in f32 differ from their mirror, which sums in f64, by roundings alone.
const F32: f64 = 1e-12;

/// What one device runs at a time.
type Job = Box<dyn FnOnce(&mut gpu::Rig) + Send>;

/// What compiles quickly.
fn quick(rig: &mut gpu::Rig) {
    norm::run(rig);
    elementwise::run(rig);
    experts::run(rig);
    lora::run(rig);
    product::quantize(rig);
    gather::run(rig);
    recurrent::run(rig);
    rope::run(rig);
    latent::run(rig);
    shift::run(rig);
    sample::run(rig);
}

#[test]
fn every_variant_does_as_its_mirror() {
    // Nearly all the time goes into compiling, which two devices share: each takes what is next.
    let mut jobs: Vec<Job> = vec![Box::new(attention::run)];
    jobs.extend(TensorType::FORMATS.iter().map(|format| -> Job { Box::new(|rig| product::run(rig, *format)) }));
    jobs.push(Box::new(quick));
    let queue = Mutex::new(jobs.into_iter());
    let device = |name| {
        let mut rig = gpu::Rig::new();
        loop {
            let job = queue.lock().expect("the jobs").next();
            let Some(job) = job else { break };
            job(&mut rig);
        }
        rig.report(name)
    };
    let report = std::thread::scope(|scope| {
        let second = scope.spawn(|| device("some-products"));
        let mut report = device("cases");
        report.merge(second.join().expect("the second device's tests"));
        report
    });
    report.finish();
}
