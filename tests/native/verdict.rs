//! What is told of a model before its weights, beside what loading it then takes.

use pollster::block_on;
use sotto::base::error::Code;
use sotto::device::gpu::{Gpu, GpuOptions};
use sotto::device::{Backend, CpuOptions};
use sotto::file::gguf::HeaderParser;
use sotto::run::loader::LoadOptions;
use sotto::run::verdict::{Around, Budget, Verdict};
use sotto::wire::header::ModelText;
use sotto::wire::inspect::{Inspection, Judgement};
use tiny_models as tiny;
use tiny_models::gguf::Value;

use crate::common::run::load;

/// Its header alone.
fn text(file: &[u8]) -> ModelText {
    let header = HeaderParser::new().push(file).expect("a sound header").expect("a whole header").0;
    ModelText::new(header).expect("a text")
}

fn verdict(file: &[u8], options: &LoadOptions, around: &Around) -> Verdict {
    Verdict::of(&text(file).subject(), options, around).expect("sound options")
}

fn on(backend: Backend) -> LoadOptions {
    LoadOptions { backend, ..Default::default() }
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|finding| finding.code).collect()
}

fn tiny(name: &str) -> Vec<u8> {
    tiny::build(name).or_else(|| tiny::encoders::build(name)).expect("a tiny model")
}

#[test]
fn memory_is_what_loading_takes() {
    let gpu = block_on(Gpu::request(GpuOptions::default())).expect("an adapter");
    let around = Around { caps: Some(gpu.caps.clone()), ..Around::default() };
    let encoder = tiny::encoders::ROWS[0].name;
    for name in ["llama-f32", "llama-mixed", "gemma3-mixed", "qwen2-f32", encoder] {
        for backend in [Backend::Webgpu, Backend::Cpu] {
            for context in [None, Some(16)] {
                let options = LoadOptions { context, ..on(backend) };
                let verdict = verdict(&tiny(name), &options, &around);
                let memory = verdict.memory.expect("a known network");
                let engine = load(&tiny(name), options).expect("a model");
                assert_eq!(memory.total, engine.device.bytes(), "{name} {backend:?} {context:?}");
                assert_eq!(verdict.context_length, Some(engine.model.sizes.context));
                assert_eq!(verdict.backend, backend.as_str());
                assert!(memory.cache > 0 && memory.weights > memory.activations / 100, "{memory:?}");
            }
        }
    }
}

#[test]
fn what_keeps_a_model_from_running_is_named() {
    let around = Around::default();
    let spec = tiny::find("llama-f32").expect("a tiny model");
    let mut file = tiny::assemble(spec);
    file.set("general.architecture", Value::Str("mamba9".into()));
    let strange = verdict(&file.to_bytes(), &on(Backend::Cpu), &around);
    assert_eq!((strange.runs, codes(&strange)), (false, vec!["unsupported_architecture"]));
    assert!(strange.findings[0].sentence.contains("mamba9") && strange.memory.is_none(), "{strange:?}");

    let mut file = tiny::assemble(spec);
    file.set("tokenizer.ggml.model", Value::Str("made-up".into()));
    let strange = verdict(&file.to_bytes(), &on(Backend::Cpu), &around);
    assert_eq!((strange.runs, strange.findings[0].code), (false, "unsupported_tokenizer"));
    assert!(strange.memory.is_some());

    let mut file = tiny::assemble(spec);
    file.tensor("blk.1.ffn_up.weight").kind_id = 15;
    let bytes = file.to_bytes();
    let mut parser = HeaderParser::new();
    let error = parser.push(&bytes).expect_err("a type that is not read");
    let text = ModelText::refused(parser.so_far(), error).expect("a text");
    let found = Inspection::of(&text, &on(Backend::Cpu), &around).expect("sound options");
    let verdict = &found.judgement.verdict;
    assert_eq!((found.header.architecture.as_str(), verdict.runs), ("llama", false));
    assert!(verdict.findings[0].sentence.contains("Q8_K"), "{verdict:?}");

    let none = self::verdict(&tiny("llama-f32"), &on(Backend::Webgpu), &around);
    assert_eq!((none.runs, none.findings[0].code), (false, "no_webgpu"));
    let long = Verdict::of(
        &self::text(&tiny("llama-f32")).subject(),
        &LoadOptions { context: Some(1 << 20), ..on(Backend::Cpu) },
        &around,
    );
    assert_eq!(long.expect_err("too long").code, Code::BadOption);
}

#[test]
fn room_is_judged_as_load_judges_it() {
    let file = tiny("llama-f32");
    let whole = verdict(&file, &on(Backend::Cpu), &Around::default());
    let needs = whole.memory.expect("a known network");
    assert_eq!((whole.runs, codes(&whole)[0]), (true, "fits"));
    assert_eq!(whole.largest_context, Some(tiny::CONTEXT_LENGTH));

    let room = needs.total - needs.cache / 2;
    let tight = verdict(&file, &on(Backend::Cpu), &Around { room: Some(room), ..Around::default() });
    let cpu = CpuOptions { room: Some(room), ..CpuOptions::default() };
    let refused = load(&file, LoadOptions { cpu: cpu.clone(), ..on(Backend::Cpu) }).err().expect("no room");
    assert_eq!((tight.runs, tight.findings[0].code), (false, "out_of_memory"));
    assert_eq!(tight.findings[0].sentence, refused.message);
    let context = tight.largest_context;
    assert!(context.is_some_and(|context| (200..tiny::CONTEXT_LENGTH).contains(&context)), "{context:?}");
    assert!(load(&file, LoadOptions { cpu, context, ..on(Backend::Cpu) }).is_ok());

    // What a browser allows is no more than a likelihood: `load` tries.
    let budget = Some(Budget { bytes: room, who: "a page on this phone".into() });
    let phone = verdict(&file, &on(Backend::Cpu), &Around { budget, ..Around::default() });
    assert_eq!((phone.runs, phone.findings[0].code), (false, "out_of_memory"));
    assert!(phone.findings[0].sentence.contains("a page on this phone"), "{phone:?}");
    assert_eq!(phone.largest_context, tight.largest_context);
}

#[test]
fn speed_is_told_from_what_was_measured() {
    let gpu = block_on(Gpu::request(GpuOptions::default())).expect("an adapter");
    let card = sotto::kernels::choose::Caps { is_software: false, ..gpu.caps.clone() };
    let known = |gpu_rate| Around {
        caps: Some(card.clone()),
        cpu_rate: Some(1e7),
        gpu_rate: Some(gpu_rate),
        threads: 2,
        ..Around::default()
    };
    let fast = verdict(&tiny("llama-f32"), &on(Backend::Auto), &known(1e11));
    let slow = verdict(&tiny("llama-f32"), &on(Backend::Auto), &known(1e5));
    assert_eq!((fast.backend, fast.runs), ("webgpu", true));
    assert!(fast.tokens_per_second > slow.tokens_per_second && !codes(&fast).contains(&"cpu_quicker"));
    assert!(codes(&slow).contains(&"cpu_quicker") && codes(&slow).contains(&"slow"), "{slow:?}");
    assert_eq!(verdict(&tiny("llama-f32"), &on(Backend::Cpu), &Around::default()).tokens_per_second, None);
}

#[test]
fn a_file_says_what_its_template_languages_and_licence_are() {
    let mut file = tiny::assemble(tiny::find("llama-f32").expect("a tiny model"));
    let template = "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n\
                    {% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}";
    file.set("tokenizer.chat_template", Value::Str(template.into()));
    file.set("general.languages", Value::Strings(vec!["en".into(), "de".into()]));
    file.set("general.license", Value::Str("apache-2.0".into()));
    let of = |file: &[u8]| Judgement::of(&text(file), &on(Backend::Cpu), &Around::default()).expect("sound options");
    let found = of(&file.to_bytes());
    assert!(found.tools && found.thinking);
    assert_eq!((found.languages, found.license.as_deref()), (vec!["en".into(), "de".into()], Some("apache-2.0")));
    let plain = of(&tiny("llama-f32"));
    assert!(!plain.tools && !plain.thinking && plain.languages.is_empty() && plain.license.is_none());
}
