//! The check of a model's kernels on its device: what computes as it should is left alone; a fault that is planted in any of them is
//! found before the first token, replaced and told, or an error where there is no other kernel.

use sotto::base::error::{Code, Result};
use sotto::device::Backend;
use sotto::device::gpu::GpuOptions;
use sotto::device::options::Spoiled;
use sotto::kernels::choose::{Choice, ManyRows, Prefill, SingleRow};
use sotto::kernels::table::choices::{Kv, Lanes, Planes, Reduce};
use sotto::run::check::{CheckOptions, Judge, Replaced, SelfCheck, When};
use sotto::run::engine::Engine;
use sotto::run::loader::LoadOptions;
use tiny_models as tiny;

use crate::common::run::{decode, largest_difference, load, prefill};
use crate::common::twin::PLAIN;

/// What cards take, with subgroups and packed integer products.
const CARD: Choice = Choice {
    reduce: Reduce::Subgroup,
    lanes: Lanes::Subgroup,
    many: ManyRows::Tile,
    single: SingleRow::Shared,
    few: true,
    post: true,
    prefill: Prefill::Tile,
    blocks: true,
    kv: Kv::Pack16,
    ..PLAIN
};
const DOTS: Choice = Choice { many: ManyRows::TileDot, single: SingleRow::SharedDot, planes: Some(Planes::N2), ..CARD };

fn file(model: &str) -> Vec<u8> {
    tiny::build(model)
        .or_else(|| tiny::archs::build(model))
        .or_else(|| tiny::encoders::build(model))
        .unwrap_or_else(|| panic!("a tiny model {model}"))
}

fn open(model: &str, choice: Option<Choice>, spoiled: Vec<Spoiled>, check: CheckOptions) -> Result<Engine> {
    let options = LoadOptions {
        backend: Backend::Webgpu,
        gpu: GpuOptions { spoiled, ..Default::default() },
        max_rows: Some(64),
        tune: Some(false),
        choice,
        check,
        ..Default::default()
    };
    load(&file(model), options)
}

fn always() -> CheckOptions {
    CheckOptions { when: When::Always, judge: Some(Judge::here()), ..Default::default() }
}

fn checked(engine: &Engine) -> &SelfCheck {
    engine.self_check.as_ref().expect("a check")
}

#[test]
fn what_computes_as_it_should_is_left_alone() {
    let models = [
        ("llama-q4_0", None),
        ("llama-q4_k", Some(CARD)),
        ("llama-q8_0", Some(DOTS)),
        ("gemma3-mixed", None),
        ("qwen3moe", None),
        ("granitehybrid", Some(CARD)),
        ("deepseek2", None),
        ("bert", None),
    ];
    for (model, choice) in models {
        let engine = open(model, choice, Vec::new(), always()).expect(model);
        let check = checked(&engine);
        assert!(check.replaced.is_empty(), "{model}: {check:?}");
        assert!(check.checked >= 6 && !check.kept, "{model}: {check:?}");
        println!("{model}: {} kernels in {:.0} ms", check.checked, check.milliseconds);
    }
}

/// A wrong constant in a kernel: the model that has it, what it is, and what the kernel's place is taken by.
struct Fault {
    model: &'static str,
    choice: Option<Choice>,
    kernel: &'static str,
    from: &'static str,
    to: &'static str,
    /// How the name begins of what computes in its place; `None` where nothing can.
    instead: Option<&'static str>,
}

const fn fault(
    model: &'static str,
    choice: Option<Choice>,
    kernel: &'static str,
    [from, to]: [&'static str; 2],
    instead: Option<&'static str>,
) -> Fault {
    Fault { model, choice, kernel, from, to, instead }
}

const PUT: [&str; 2] = ["= result + due", "= 1.05 * result + due"];
const NORM: [&str; 2] = ["let scale = inverseSqrt(", "let scale = 1.05 * inverseSqrt("];
const COS: [&str; 2] = ["vec2<f32>(c.x * f.x", "vec2<f32>(1.05 * c.x * f.x"];

#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    fault("llama-q4_0", None, "embed", ["w.scale * params.scale", "w.scale * params.scale * 1.05"], None),
    fault("gemma3-mixed", None, "rmsnorm.subgroup", NORM, Some("rmsnorm.tree")),
    fault("gemma3-mixed", None, "rmsnorm", NORM, None),
    fault("llama-q4_k", Some(CARD), "matvec.q4_k.subgroup", PUT, Some("mat")),
    fault("llama-q4_k", Some(CARD), "matvec_few", PUT, Some("mat")),
    fault("llama-q4_k", Some(CARD), "matmul_tile.q4_k.rows32", PUT, Some("mat")),
    fault("llama-q4_k", Some(CARD), "matmul_tile", PUT, Some("matmul.")),
    fault("llama-q4_0", None, "matmul.q4_0", PUT, Some("matmul_tile.")),
    fault("llama-q4_0", None, "matvec_rows", PUT, Some("matvec.")),
    fault("llama-q8_0", Some(DOTS), "matmul_dot", PUT, Some("mat")),
    fault("llama-q8_0", Some(DOTS), "matvec_dot", PUT, Some("mat")),
    fault("llama-q8_0", Some(DOTS), "quantize", ["let d = most / MOST", "let d = 1.05 * most / MOST"], Some("mat")),
    fault("gemma3-f16", Some(CARD), "matvec_post", ["return Input(start, inverseSqrt(", "return Input(start, 1.05 * inverseSqrt("], Some("mat")),
    fault("llama-q4_0", None, "rope_kv_rows", COS, Some("rope_kv.")),
    fault("llama-q4_k", Some(CARD), "rope_kv.subgroup", COS, Some("rope_kv.tree")),
    fault("llama-q4_0", None, "attention_rows", ["out[", "out[1u + "], Some("attention.")),
    fault("llama-q4_k", Some(CARD), "attention_tile", ["out[", "out[1u + "], Some("attention.")),
    fault("llama-q4_k", Some(CARD), "decode_attention", COS, None),
    fault("llama-q4_k", Some(CARD), "attention_combine", ["acc / total", "1.05 * acc / total"], Some("attention")),
    fault("llama-q4_0", None, "map", ["return activate(gate, false) * up", "return 1.05 * activate(gate, false) * up"], None),
    fault("qwen3moe", None, "route", ["* params.scale * factor[i]", "* params.scale * 1.05 * factor[i]"], None),
    fault("mamba2", None, "conv", ["] = sum;", "] = 1.05 * sum;"], None),
    fault("mamba2", None, "scan_ready", ["(sum.x + sum.y)", "(1.5 * sum.x + sum.y)"], Some("scan")),
    fault("llama-q4_0", None, "sample_take", ["state.token = id;", "state.token = id + 1u;"], None),
];

/// What is not as it should be of a fault.
fn plant(fault: &Fault) -> std::result::Result<(), String> {
    let Fault { model, choice, kernel, from, to, instead } = *fault;
    let fail = |what: String| Err(format!("{kernel} of {model}: {what}"));
    let spoiled = || vec![Spoiled { kernel, from, to }];
    let mut engine = match (open(model, choice, spoiled(), always()), instead) {
        (Err(error), None) if error.code == Code::WrongResults => {
            let named = error.message.contains(kernel.split('.').next().unwrap_or(kernel));
            return if named { Ok(()) } else { fail(error.message) };
        }
        (Err(error), _) => return fail(error.to_string()),
        (Ok(engine), Some(_)) => engine,
        (Ok(engine), None) => return fail(format!("{:?}", checked(&engine))),
    };
    let found = checked(&engine).replaced.clone();
    let told = |replaced: &Replaced| replaced.from.starts_with(kernel) && (0.01..=1.0).contains(&replaced.error);
    let last = found.last().is_some_and(|last| instead.is_some_and(|instead| last.to.starts_with(instead)));
    if !last || !found.iter().all(told) {
        return fail(format!("{found:?}"));
    }
    // It computes as without the fault, which would be seen.
    let prompt: Vec<u32> = (10..40).collect();
    let mut right = open(model, choice, Vec::new(), CheckOptions::default()).expect("a model");
    let all = |engine: &mut Engine| [prefill(engine, &prompt, 16), decode(engine, &prompt)].concat();
    let error = largest_difference(&all(&mut engine), &all(&mut right));
    if error > 4e-2 {
        return fail(format!("{found:?} and logits are off by {error:.1e}"));
    }
    // The next load knows, and tries nothing.
    let known = CheckOptions {
        avoid: found.iter().map(|replaced| replaced.from.to_string()).collect(),
        known: vec![checked(&engine).key.clone()],
        ..Default::default()
    };
    let again = open(model, choice, spoiled(), known).expect("a model");
    if again.model.choice != engine.model.choice { fail("the next load takes others".into()) } else { Ok(()) }
}

#[test]
fn every_fault_is_found_replaced_and_told() {
    let wrong: Vec<String> = FAULTS.iter().filter_map(|fault| plant(fault).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
}

#[test]
fn what_was_checked_is_not_checked_again() {
    let first = open("llama-q4_0", None, Vec::new(), always()).expect("a model");
    let never = || Judge(std::rc::Rc::new(|trial| panic!("{} is tried", trial.variant.name())));
    // On a software adapter it has to be asked for.
    let auto = CheckOptions { judge: Some(never()), ..Default::default() };
    assert!(open("llama-q4_0", None, Vec::new(), auto).expect("a model").self_check.is_none());
    let off = CheckOptions { when: When::Off, ..always() };
    assert!(open("llama-q4_0", None, Vec::new(), off).expect("a model").self_check.is_none());
    // Another choice of kernels is another matter, and so is another shape.
    let key = |model, choice| checked(&open(model, choice, Vec::new(), always()).expect("a model")).key.clone();
    assert_eq!(key("llama-q4_0", None), checked(&first).key);
    assert_ne!(key("llama-q4_0", Some(PLAIN)), checked(&first).key);
    assert_ne!(key("llama-q4_1", None), checked(&first).key);
}
