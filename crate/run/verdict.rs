//! Whether a model runs, told by its header and what is known of the device: before any weight is fetched.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::error::{Code, Error, Result};
use crate::device::Backend;
use crate::device::options::MAX_BUFFER;
use crate::file::Catalog;
use crate::kernels::choose::Caps;
use crate::model::spec::{Block, Gives, Net};
use crate::run::loader::LoadOptions;
use crate::run::plan::{MAX_ROWS, Place, Plan};
use crate::run::room::{self, Needs, megabytes};

/// What a page may take in all, and who says so.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Bytes.
    pub bytes: u64,
    /// As the subject of a sentence: "a page on an iPhone".
    pub who: String,
}

/// What is known of where the model is to run.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The graphics adapter, where there is one.
    pub caps: Option<Caps>,
    /// Bytes that the CPU's buffers may take together, at the very most.
    pub room: Option<u64>,
    /// What is likely to be allowed.
    pub budget: Option<Budget>,
    /// Bytes that the program takes with the model's tokenizer.
    pub heap: u64,
    /// Threads that the CPU would compute on.
    pub threads: u32,
    /// Weights that one of them multiplies in a second.
    pub cpu_rate: Option<f64>,
    /// Bytes that the adapter reads in a second.
    pub gpu_rate: Option<f64>,
}

/// What a file is, as far as the verdict goes.
pub struct Subject<'a> {
    /// What the file holds.
    pub catalog: &'a Catalog,
    /// Its network, or why there is none.
    pub net: Result<&'a Net, &'a Error>,
    /// What else keeps it from running: its tokenizer.
    pub refused: Option<&'a Error>,
    /// Whether it has a chat template.
    pub chats: bool,
}

/// Whether a model runs here, and how well.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether `load` would succeed, as far as can be told.
    pub runs: bool,
    /// What was found, one sentence each; what keeps it from running comes first.
    pub findings: Vec<Finding>,
    /// What it would run on.
    #[schemars(extend("enum" = ["webgpu", "cpu"]))]
    pub backend: &'static str,
    /// What it would take; `null` where that cannot be told.
    pub memory: Option<MemoryNeeds>,
    /// Tokens of context that `memory` is for.
    pub context_length: Option<u32>,
    /// The longest context that there is room for, at most what the model was trained for; `null` where there is none.
    pub largest_context: Option<u32>,
    /// Tokens that it would write in a second, roughly, at short contexts; `null` where nothing was measured.
    pub tokens_per_second: Option<f64>,
}

/// One thing that was found of a model.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// What keeps a model from running has the code of the error that `load` would fail with. Others: `fits`, `context`
    /// (less than it was trained for), `slow`, `cpu_quicker`, `no_template`.
    pub code: &'static str,
    /// For people.
    pub sentence: String,
}

/// Memory that a model would take, in bytes.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryNeeds {
    /// The weights, as the device holds them.
    pub weights: u64,
    /// Keys and values of the context.
    pub cache: u64,
    /// What passes and sampling compute with.
    pub activations: u64,
    /// The program with the model's tokenizer, in the browser; 0 natively.
    pub program: u64,
    /// All of it.
    pub total: u64,
}

impl Verdict {
    /// Of a model. `BadOption` for options that do not fit it.
    pub fn of(subject: &Subject, options: &LoadOptions, around: &Around) -> Result<Verdict> {
        let card = around.caps.as_ref().is_some_and(|caps| !caps.is_software);
        let on_gpu = options.backend == Backend::Webgpu || (options.backend == Backend::Auto && card);
        let mut found = Found::default();
        if on_gpu && around.caps.is_none() {
            found.stops(Code::NoWebgpu, "There is no WebGPU adapter here; load it with backend \"cpu\".");
        }
        for error in [subject.net.err(), subject.refused].into_iter().flatten() {
            found.stops(error.code, &error.message);
        }
        let mut verdict = match subject.net {
            Ok(net) => {
                judge(subject, &net.clone().with_experts(options.experts)?, options, around, on_gpu, &mut found)?
            }
            Err(_) => Verdict::unknown(on_gpu),
        };
        if verdict.backend == "webgpu" && !card && around.caps.is_some() {
            found.tells("cpu_quicker", "The WebGPU adapter is software, which the CPU's own kernels outrun.".into());
        }
        verdict.runs = found.stops.is_empty();
        if verdict.runs && subject.net.is_ok_and(|net| net.gives == Gives::Logits) && !subject.chats {
            found.tells(
                "no_template",
                "The file has no chat template: the model goes on with texts, and does not chat.".into(),
            );
        }
        verdict.findings = [found.stops, found.tells].concat();
        Ok(verdict)
    }

    fn unknown(on_gpu: bool) -> Verdict {
        Verdict {
            runs: false,
            findings: Vec::new(),
            backend: if on_gpu { "webgpu" } else { "cpu" },
            memory: None,
            context_length: None,
            largest_context: None,
            tokens_per_second: None,
        }
    }
}

#[derive(Default)]
struct Found {
    stops: Vec<Finding>,
    tells: Vec<Finding>,
}

impl Found {
    fn stops(&mut self, code: Code, sentence: &str) {
        self.stops.push(Finding { code: code.as_str(), sentence: sentence.into() });
    }

    fn tells(&mut self, code: &'static str, sentence: String) {
        self.tells.push(Finding { code, sentence });
    }
}

/// Room and speed of a model whose network is known.
fn judge(
    subject: &Subject,
    net: &Net,
    options: &LoadOptions,
    around: &Around,
    on_gpu: bool,
    found: &mut Found,
) -> Result<Verdict> {
    let catalog = subject.catalog;
    let heap = program(catalog, around.heap, on_gpu);
    let caps = around.caps.as_ref().filter(|_| on_gpu);
    let place = Place {
        caps,
        max_binding: caps.map_or(if on_gpu { u64::MAX } else { MAX_BUFFER }, |caps| caps.max_binding),
        room: around.room.filter(|_| !on_gpu),
    };
    let plan = Plan::new(options, &place, catalog, net)?;
    let needs = match Needs::of(catalog, net, &plan, &place) {
        // As `load` does.
        Err(error) if error.code == Code::AdapterTooSmall && options.backend == Backend::Auto && on_gpu => {
            found.tells(error.code.as_str(), format!("The CPU takes WebGPU's place: {}", error.message));
            return judge(subject, net, options, around, false, found);
        }
        needs => needs,
    };
    let mut verdict = Verdict { context_length: Some(plan.sizes.context), ..Verdict::unknown(on_gpu) };
    // What is allowed is less than what there could be.
    let allowed = around.budget.as_ref().map(|budget| budget.bytes.saturating_sub(heap));
    let within = Place { room: [place.room, allowed].into_iter().flatten().min(), ..place };
    let most = if net.sees_ahead() { net.context_length.min(MAX_ROWS) } else { net.context_length };
    verdict.largest_context = room::largest_context(catalog, net, &plan, &within, most);
    match &needs {
        Err(error) => found.stops(error.code, &error.message),
        Ok(needs) => {
            let Needs { weights, cache, activations } = *needs;
            let total = needs.total() + heap;
            verdict.memory = Some(MemoryNeeds { weights, cache, activations, program: heap, total });
            let over = around.budget.as_ref().filter(|budget| total > budget.bytes);
            if let Err(error) = room::check(catalog, net, &plan, &place, true) {
                found.stops(error.code, &error.message);
            } else if let Some(Budget { bytes, who }) = over {
                let fits = verdict.largest_context.filter(|&context| context < plan.sizes.context);
                let advice = fits.map_or("use a smaller model or quantisation".to_string(), |context| {
                    format!("load it with a contextLength of at most {context}")
                });
                let (needs, has) = (megabytes(total), megabytes(*bytes));
                let short = needs.saturating_sub(has);
                let sentence = format!(
                    "The model needs {needs} MB of memory, and {who} has about {has}, {short} MB less; {advice}."
                );
                found.stops(Code::OutOfMemory, &sentence);
            } else {
                found.tells("fits", fits(needs, plan.sizes.context, total));
            }
        }
    }
    if let Some(largest) = verdict.largest_context.filter(|&largest| largest < most) {
        let trained =
            format!("There is room for a context of about {largest} tokens, of the {most} that it could have.");
        found.tells("context", trained);
    }
    let [gpu, cpu] = [on_gpu, false].map(|gpu| speed(subject.catalog, net, around, gpu));
    verdict.tokens_per_second = if on_gpu { gpu } else { cpu };
    if let (true, Some(gpu), Some(cpu)) = (on_gpu, gpu, cpu)
        && cpu > gpu * 1.1
    {
        let sentence = format!("The CPU would be quicker: about {cpu:.0} tokens a second beside {gpu:.0}.");
        found.tells("cpu_quicker", sentence);
    }
    if let Some(slow) = verdict.tokens_per_second.filter(|&speed| speed < SLOW) {
        found.tells("slow", format!("It writes about {slow:.1} tokens a second here, slower than people read."));
    }
    Ok(verdict)
}

fn fits(needs: &Needs, context: u32, total: u64) -> String {
    let [total, weights, cache] = [total, needs.weights, needs.cache].map(megabytes);
    format!(
        "It takes {total} MB: {weights} for the weights, {cache} for a context of {context} tokens, the rest to compute."
    )
}

/// What the program takes, of which `heap` were taken when the header had been read; 0 where it takes none of a page's.
///
/// On the CPU weights come to lie where the header was, which by then is a tokenizer, with what it was read through.
fn program(catalog: &Catalog, heap: u64, on_gpu: bool) -> u64 {
    let header = catalog.tensors.iter().map(|tensor| tensor.offset).min().unwrap_or_default();
    match heap {
        0 => 0,
        _ if on_gpu => heap + KERNELS,
        _ => heap.saturating_sub(header + header / 4) + PASSES,
    }
}

/// What the program takes to load and to run beside the buffers, as measured: on a card, kernels' texts among it.
const KERNELS: u64 = 700_000;
const PASSES: u64 = 400_000;
/// Tokens a second below which people wait.
const SLOW: f64 = 5.0;
/// What a second thread adds to the first.
const SHARED: f64 = 0.55;
/// The part of what was measured that a whole model reaches: of the CPU's kernel, of an adapter's reading; and what an
/// adapter spends on a dispatch.
const KERNEL: f64 = 0.48;
const PRODUCTS: f64 = 0.6;
const DISPATCH_SECONDS: f64 = 7e-6;
/// Dispatches of a layer.
const DISPATCHES: f64 = 5.0;
/// Those by which it chooses experts.
const ROUTES: f64 = 2.0;

/// Tokens that are written in a second: for each, every weight is read once but those of other tokens' embeddings and of
/// experts that it does not take.
fn speed(catalog: &Catalog, net: &Net, around: &Around, on_gpu: bool) -> Option<f64> {
    if net.gives != Gives::Logits {
        return None;
    }
    let tied = catalog.tensor("output.weight").is_none();
    let read = catalog.tensors.iter().filter(|tensor| tied || tensor.name != "token_embd.weight");
    let experts = net.blocks.iter().find_map(Block::experts);
    let chosen = experts.map_or(1.0, |experts| f64::from(experts.used) / f64::from(experts.count));
    let (weights, bytes) = read.fold((0.0, 0.0), |(weights, bytes), tensor| {
        let share = if tensor.name.contains("_exps.") { chosen } else { 1.0 };
        (weights + tensor.elements() as f64 * share, bytes + tensor.bytes as f64 * share)
    });
    let dispatches = DISPATCHES + if experts.is_some() { ROUTES } else { 0.0 };
    let seconds = if on_gpu {
        bytes / (around.gpu_rate? * PRODUCTS) + net.blocks.len() as f64 * dispatches * DISPATCH_SECONDS
    } else {
        weights / (around.cpu_rate? * KERNEL * (1.0 + SHARED * f64::from(around.threads.max(1) - 1)))
    };
    Some((10.0 / seconds).round() / 10.0)
}
