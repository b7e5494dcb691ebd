//! Measuring the kernels: what is chosen computes the same, is kept, and costs no more than it may.

#[path = "common/run.rs"]
mod run;
#[path = "common/tiny.rs"]
mod tiny;

use run::{decode, largest_difference, load, prefill};
use sotto::device::Backend;
use sotto::engine::Engine;
use sotto::loader::LoadOptions;

fn engine(tune: bool, tuning: Vec<String>) -> Engine {
    let file = tiny::build("gemma3-mixed").expect("a tiny model");
    let options =
        LoadOptions { backend: Backend::Webgpu, max_rows: Some(16), tune: Some(tune), tuning, ..Default::default() };
    load(&file, options).expect("a model")
}

#[test]
fn a_tuned_model_computes_alike_and_is_not_measured_again() {
    let prompt: Vec<u32> = (100..140).collect();
    let mut plain = engine(false, Vec::new());
    assert!(plain.model.tuning.is_empty());
    let mut tuned = engine(true, Vec::new());
    let lines = tuned.model.tuning.lines();
    assert!(lines.iter().any(|l| l.contains("rows 1 fused")), "no product of a decoded token: {lines:?}");
    for (a, b) in [
        (prefill(&mut plain, &prompt, 0, 16), prefill(&mut tuned, &prompt, 0, 16)),
        (decode(&mut plain, &prompt), decode(&mut tuned, &prompt)),
    ] {
        let error = largest_difference(&a, &b);
        // That of a cache of f16.
        assert!(error < 4e-2, "{error:.1e} with {lines:?}");
    }
    // What is known stays, even where it is slow.
    let slow: Vec<String> = lines.iter().map(|line| slowest(line)).collect();
    let again = engine(true, slow.clone());
    let kept = again.model.tuning.lines();
    assert!(slow.iter().all(|line| kept.contains(line)), "{slow:?} became {kept:?}");
}

/// The product of a line by the plainest way.
fn slowest(line: &str) -> String {
    let (product, _) = line.split_once(" = ").expect("a line");
    let way = if product.ends_with("fused") { "matvec tree 64" } else { "matmul direct 0" };
    format!("{product} = {way}")
}
