//! Measuring the kernels: what is chosen computes the same, is kept, and costs no more than it may.

use std::time::Duration;
use tiny_models as tiny;

use crate::common::run::{decode, largest_difference, load, prefill, rows};
use crate::common::twin::{Layout, PLAIN, Twin};
use pollster::block_on;
use sotto::device::Backend;
use sotto::kernels::choose::{Able, Choice, Split, Tuning};
use sotto::kernels::face::Face;
use sotto::kernels::table::choices::Merge;
use sotto::kernels::table::{KernelId, decode_attention};
use sotto::model::forward::Shape;
use sotto::run::batch::Batch;
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use sotto::run::tune::tune;

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
        (prefill(&mut plain, &prompt, 16), prefill(&mut tuned, &prompt, 16)),
        (decode(&mut plain, &prompt), decode(&mut tuned, &prompt)),
    ] {
        let error = largest_difference(&a, &b);
        // That of a cache of f16.
        assert!(error < 4e-2, "{error:.1e} with {lines:?}");
    }
    // What is known stays, even where it is slow.
    let slow: Vec<String> =
        lines.iter().filter(|line| !line.starts_with("attention")).map(|line| slowest(line)).collect();
    let again = engine(true, slow.clone());
    let kept = again.model.tuning.lines();
    assert!(slow.iter().all(|line| kept.contains(line)), "{slow:?} became {kept:?}");
}

#[test]
fn products_that_add_a_norm_first_are_measured_by_themselves() {
    let file = tiny::build("gemma3-f16").expect("a tiny model");
    let choice = Choice { post: true, ..PLAIN };
    let mut twin = Twin::new(&file, Layout { choice, ..Default::default() });
    block_on(tune(&twin.both.gpu, &mut twin.model, Duration::from_secs(60))).expect("a device");
    let lines = twin.model.tuning.lines();
    let (post, others): (Vec<&str>, Vec<&str>) = lines.iter().map(String::as_str).partition(|l| l.contains(" post "));
    // Q, K and V of all layers but the first, and gate and up: of one size here.
    assert_eq!(post.len(), 1, "{lines:?}");
    assert!(post.iter().all(|line| !line.contains("matvec_rows")), "{post:?}");
    let able = choice.able(&twin.both.gpu.caps);
    assert_eq!(Tuning::parse(post.clone(), able).lines(), post);
    // The first layer has no norm before: its product of the same size has a line of its own.
    let (size, _) = post[0].split_once(" post").expect("a line");
    assert!(others.iter().any(|line| line.starts_with(&format!("{size} ="))), "{lines:?}");
}

#[test]
fn integer_products_that_won_compute_chunks_of_any_size() {
    let prompt: Vec<u32> = (100..140).collect();
    let mut plain = engine(false, Vec::new());
    // As if they had been measured, and the fastest.
    let mut tuning = Tuning::default();
    for shape in [Shape::decode(0), Shape::new(16, 0, true, 0)] {
        for (product, _) in plain.model.record_products(shape).expect("a recording").1 {
            let mut ways = product.ways(Able { subgroup_min: 0, planes: 2, software: false });
            if let Some(way) = ways.find(|way| way.planes() == 2) {
                tuning.set(product, way);
            }
        }
    }
    let lines = tuning.lines();
    assert!(lines.iter().any(|line| line.ends_with(".rows32.planes2 0")), "{lines:?}");
    let mut dots = engine(false, lines.clone());
    assert_eq!(dots.model.tuning.lines(), lines);
    let variants = |shape| {
        let recording = dots.model.record(shape).expect("a recording");
        recording.dispatches.iter().map(|d| d.variant.name()).collect::<Vec<_>>()
    };
    for (shape, kernel) in [
        (Shape::decode(0), "matvec_dot."),
        (Shape::new(16, 0, true, 0), "matmul_dot."),
        (Shape::new(7, 0, true, 0), "matmul_dot."),
        (Shape::new(1, 0, true, 0), "quantize."),
    ] {
        let variants = variants(shape);
        assert!(variants.iter().any(|v| v.starts_with(kernel)), "{shape:?}: {variants:?}");
    }
    let whole = prefill(&mut dots, &prompt, 16);
    assert!(whole == prefill(&mut dots, &prompt, 7), "chunks of 7 change the logits");
    let error = largest_difference(&whole, &prefill(&mut plain, &prompt, 16));
    assert!(error > 0.0 && error < 4e-2, "{error:.1e}");
    // The dispatch that makes integers belongs to the product.
    let (recording, products) = dots.model.record_products(Shape::new(16, 0, true, 0)).expect("a recording");
    let made =
        products.iter().filter(|(_, index)| recording.dispatches[*index].kernel().id == KernelId::Quantize).count();
    assert!(made >= lines.iter().filter(|line| !line.contains("fused")).count(), "{made} of {lines:?}");
}

#[test]
fn attention_is_put_together_as_was_measured_and_to_the_same_bits() {
    let prompt: Vec<u32> = (0..200).map(|i| 100 + i % 40).collect();
    let logits = [Merge::Apart, Merge::Inside].map(|merge| {
        let mut twin = Twin::new(&tiny::build("gemma3-f16").expect("a tiny model"), Layout::default());
        block_on(tune(&twin.both.gpu, &mut twin.model, Duration::from_secs(60))).expect("a device");
        let lines = twin.model.tuning.lines();
        let splits: Vec<Split> = lines.iter().filter_map(|line| line.split_once(" = ")?.0.parse().ok()).collect();
        assert!(!splits.is_empty(), "no attention was measured: {lines:?}");
        // Products are to be the same.
        twin.model.tuning = Tuning::default();
        splits.iter().for_each(|&split| twin.model.tuning.set_merge(split, Some(merge)));
        let recording = twin.model.record(Shape::decode(200)).expect("a recording");
        let variants = || recording.dispatches.iter().filter_map(|d| decode_attention::Variant::of(d.variant));
        assert!(
            variants().any(|v| v.merge == merge) && variants().all(|v| v.merge == Merge::Apart || v.merge == merge)
        );
        for (piece, start) in prompt.chunks(64).zip((0..).step_by(64)) {
            twin.forward(&Batch { rows: rows(piece, start, 0, |_| true), prefill: true });
        }
        let mut token = |position| twin.forward(&Batch { rows: rows(&[107], position, 0, |_| true), prefill: false });
        (200..206).map(&mut token).collect::<Vec<_>>()
    });
    assert!(logits[0] == logits[1], "other bits");
}

/// The product of a line by the plainest way.
fn slowest(line: &str) -> String {
    let (product, _) = line.split_once(" = ").expect("a line");
    let kind = product.split(' ').next().expect("a type");
    let way = match product.ends_with("fused") {
        true => format!("matvec.{kind}.tree 64"),
        false => format!("matmul.{kind}.direct 0"),
    };
    format!("{product} = {way}")
}
