//! From a file's bytes, in order and in pieces of any size, to an engine. Everything that can be known from the header
//! is checked when the header has arrived, before the rest is fetched.

use std::collections::HashMap;

use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::base::precision::KvType;
use crate::device::gpu::{Gpu, GpuOptions};
use crate::device::memory::Memory;
use crate::device::{Backend, Chosen, CpuOptions, Device};
use crate::file::Catalog;
use crate::file::gguf::HeaderParser;
use crate::kernels::choose::Caps;
use crate::kernels::choose::{Choice, Tuning};
use crate::model::forward::{Model, Sizes};
use crate::model::spec::{Gives, Net};
use crate::model::upload::Upload;
use crate::model::{self, fit};
use crate::run::engine::Engine;
use crate::text::template::Templates;
use crate::text::tokenizer::Tokenizer;

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What it shall run on.
    pub backend: Backend,
    /// Of the GPU.
    pub gpu: GpuOptions,
    /// Of the CPU.
    pub cpu: CpuOptions,
    /// Positions of a sequence, at most; `None`: the trained context, at most [`default_context`].
    pub context: Option<u32>,
    /// Tokens of all conversations together whose keys and values are kept, so that none of them is computed again;
    /// at least the context. `None`: as many as the context. Called `cacheTokens` in JavaScript.
    pub cache_tokens: Option<u32>,
    /// Rows of the largest batch; `None`: by the device.
    pub max_rows: Option<u32>,
    /// Tokens that are decoded at a time, the one that is read included; `None`: by the device.
    pub depth: Option<usize>,
    /// How the cache stores a number.
    pub kv: KvType,
    /// Products may take 8 bits of each activation where that is quicker, and less exact.
    pub fast: bool,
    /// The kernels of a GPU; `None`: by the adapter.
    pub choice: Option<Choice>,
    /// Whether the kernels of unknown products are measured; `None`: on a real GPU.
    pub tune: Option<bool>,
    /// What was measured before on this adapter (`Tuning::lines`).
    pub tuning: Vec<String>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            backend: Backend::default(),
            gpu: GpuOptions::default(),
            cpu: CpuOptions::default(),
            context: None,
            cache_tokens: None,
            max_rows: None,
            depth: None,
            kv: KvType::F16,
            fast: false,
            choice: None,
            tune: None,
            tuning: Vec::new(),
        }
    }
}

/// Rows of the largest batch that may be asked for.
pub const MAX_ROWS: u32 = 4096;

/// Rows that may want logits in one batch: each takes n_vocab floats.
const MAX_OUTPUTS: u32 = 16;

/// A model on its way: bytes of its file go in, in order; an engine comes out.
pub struct Loader {
    options: LoadOptions,
    /// Why the device is the one it is.
    reason: String,
    warning: Option<Error>,
    state: State,
    /// Bytes pushed so far.
    received: u64,
}

enum State {
    Header(Box<(HeaderParser, Device)>),
    /// The header is in, and all but the weights is there; they are arriving.
    Tensors(Box<Tensors>),
    /// An error has been returned: there is nothing to go on with.
    Failed,
}

struct Tensors {
    engine: Engine,
    upload: Upload,
    file_bytes: u64,
}

impl Loader {
    /// Asks for a device first: without one there is no use in fetching anything.
    pub async fn new(options: LoadOptions) -> Result<Self> {
        let Chosen { device, reason, warning } =
            Chosen::new(options.backend, &options.gpu, &options.cpu, options.fast).await?;
        let state = State::Header(Box::new((HeaderParser::default(), device)));
        Ok(Loader { options, reason, warning, state, received: 0 })
    }

    /// Why the CPU took WebGPU's place; once, as soon as it is known.
    pub fn take_warning(&mut self) -> Option<Error> {
        self.warning.take()
    }

    /// The file's size by its header, once that is known.
    pub fn total_bytes(&self) -> Option<u64> {
        match &self.state {
            State::Tensors(t) => Some(t.file_bytes),
            _ => None,
        }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Failed => bail!(Internal, "This load has failed already; start a new one."),
            State::Tensors(mut tensors) => {
                tensors.upload.push(bytes, &mut tensors.engine.device);
                self.state = State::Tensors(tensors);
            }
            State::Header(mut parsing) => match parsing.0.push(bytes)? {
                None => self.state = State::Header(parsing),
                Some((header, used)) => {
                    let mut tensors = self.open(header.catalog, parsing.1)?;
                    // Padding before the first tensor may still be to come.
                    tensors.upload.start_at(self.received + used as u64);
                    tensors.upload.push(&bytes[used..], &mut tensors.engine.device);
                    self.state = State::Tensors(Box::new(tensors));
                }
            },
        }
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Everything the header decides.
    fn open(&mut self, mut catalog: Catalog, mut device: Device) -> Result<Tensors> {
        let net = model::read(&catalog)?;
        let tokenizer = Tokenizer::from_metadata(&mut catalog.metadata)?;
        let templates = Templates::from_metadata(&catalog.metadata)?;
        let name = catalog.metadata.str("general.name")?.unwrap_or(net.arch).to_string();
        let labels = labels(&catalog, &net)?;
        let mut types: HashMap<&'static str, u64> = HashMap::new();
        let mut n_params = 0;
        for tensor in &catalog.tensors {
            *types.entry(tensor.kind.name()).or_default() += tensor.bytes;
            n_params += tensor.shape.iter().product::<u64>();
        }
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|&(name, bytes)| (std::cmp::Reverse(bytes), name));

        let mut placed = self.place(&catalog, &net, &mut device);
        if self.options.backend == Backend::Auto
            && device.gpu().is_some()
            && let Some(error) = placed.as_ref().err().filter(|error| error.code == Code::AdapterTooSmall)
        {
            let chosen = Chosen::instead(error.clone(), &self.options.cpu, self.options.fast);
            (device, self.reason, self.warning) = (chosen.device, chosen.reason, chosen.warning);
            placed = self.place(&catalog, &net, &mut device);
        }
        let (model, upload) = placed?;
        // Only a real GPU gains by going ahead: others would finish in vain what a stop makes needless.
        let depth = self.options.depth.unwrap_or(if is_real_gpu(&device) { 3 } else { 1 });
        let mut engine = Engine::new(device, model, tokenizer, templates, depth.max(1))?;
        engine.reason = self.reason.clone();
        engine.name = name;
        engine.labels = labels;
        engine.types = types;
        engine.n_params = n_params;
        // Kernels are compiled while the weights are on their way.
        engine.compile_ahead(tunes(&self.options, &engine.device))?;
        Ok(Tensors { engine, upload, file_bytes: catalog.file_bytes })
    }

    /// Lays the model out on a device. `OutOfMemory` and `AdapterTooSmall` where it does not fit.
    fn place(&self, catalog: &Catalog, net: &Net, device: &mut Device) -> Result<(Model, Upload)> {
        // Where tokens see those behind them, a text is one batch.
        let at_once = net.sees_ahead();
        let context = match self.options.context {
            None if at_once => net.context_length.min(default_context(device)).min(MAX_ROWS),
            None => net.context_length.min(default_context(device)),
            Some(0) => bail!(BadOption, "contextLength is 0; give at least 1."),
            Some(wanted) if wanted > net.context_length => bail!(
                BadOption,
                "contextLength is {wanted}, but the model was trained for {}; give at most that.",
                net.context_length
            ),
            Some(wanted) if at_once && wanted > MAX_ROWS => bail!(
                BadOption,
                "contextLength is {wanted}, but this model reads a text at once, and so at most {MAX_ROWS} tokens; give at most that."
            ),
            Some(wanted) => wanted,
        };
        let embeds = net.gives != Gives::Logits;
        let cells = self.options.cache_tokens.unwrap_or(context);
        if cells < context {
            bail!(BadOption, "cacheTokens is {cells}, but one conversation may take {context}; give at least that.");
        }
        let usual = device.gpu().map_or(CPU_ROWS, |gpu| default_rows(&gpu.caps, catalog));
        let rows = self.options.max_rows.unwrap_or(if at_once { context.max(usual) } else { usual });
        if rows == 0 || rows > MAX_ROWS {
            bail!(BadOption, "maxBatchTokens is {rows}; give a whole number from 1 to {MAX_ROWS}.");
        }
        let context = if at_once { context.min(rows) } else { context };
        let mut sizes = Sizes { context, cells, max_rows: rows.min(context), max_outputs: MAX_OUTPUTS.min(rows) };
        let mut kv = self.options.kv;
        if embeds {
            // Several texts may share a batch, any row's state may be wanted, and keys are kept for one batch only.
            sizes = Sizes { cells: cells.max(rows), max_rows: rows, max_outputs: rows, ..sizes };
            kv = KvType::F32;
        }
        let suits = |gpu: &Gpu| self.options.choice.unwrap_or_else(|| Choice::of(&gpu.caps, kv, self.options.fast));
        let choice = device.gpu().map_or(Choice::cpu(kv), suits);
        if let (Device::Cpu(_), Some(room)) = (&device, self.options.cpu.room) {
            fit::check(catalog, net, sizes, choice, device.max_binding(), room)?;
        }
        let (mut model, upload) = Model::place(catalog, net.clone(), sizes, choice, device)?;
        device.check()?;
        if let Some(gpu) = device.gpu() {
            model.tuning = Tuning::parse(self.options.tuning.iter().map(String::as_str), choice.able(&gpu.caps));
        }
        Ok((model, upload))
    }

    /// Waits until the device has taken what was pushed: call it every few megabytes, or memory fills up.
    pub async fn drain(&mut self) -> Result<()> {
        match &self.state {
            State::Tensors(tensors) => tensors.engine.device.idle().await,
            State::Header(_) | State::Failed => Ok(()),
        }
    }

    /// The end of the file. `Truncated` if bytes are missing.
    pub async fn finish(self) -> Result<Engine> {
        let Tensors { mut engine, upload, file_bytes } = match self.state {
            State::Header(parsing) => return Err(parsing.0.finish()),
            State::Failed => bail!(Internal, "This load has failed already; start a new one."),
            State::Tensors(tensors) => *tensors,
        };
        upload.finish(file_bytes)?;
        engine.model.finish(&upload, &mut engine.device);
        engine.device.idle().await?;
        if tunes(&self.options, &engine.device) {
            engine.tune().await?;
        }
        Ok(engine)
    }
}

/// A name for each of the classifier's scores, where there is one.
fn labels(catalog: &Catalog, net: &Net) -> Result<Vec<String>> {
    let Gives::States { head: Some(head), .. } = net.gives else { return Ok(Vec::new()) };
    let named = catalog.metadata.strings(&format!("{}.classifier.output_labels", net.arch))?.unwrap_or_default();
    Ok((0..head.n_labels as usize).map(|i| named.get(i).cloned().unwrap_or_else(|| format!("LABEL_{i}"))).collect())
}

/// Whether kernels are measured.
fn tunes(options: &LoadOptions, device: &Device) -> bool {
    options.tune.unwrap_or(is_real_gpu(device))
}

fn is_real_gpu(device: &Device) -> bool {
    device.gpu().is_some_and(|gpu| !gpu.caps.is_software)
}

/// Enough for a chat, and small beside the weights; less where its memory is the program's own.
pub fn default_context(device: &Device) -> u32 {
    if device.gpu().is_some() { 4096 } else { 2048 }
}

/// Rows of a batch on the CPU: enough to read each weight seldom, few enough that a stop is prompt.
const CPU_ROWS: u32 = 64;

/// Weights up to which a graphics card gets large batches: 512 rows of them are about 3 · 10¹² operations.
const SMALL: u64 = 2_500_000_000;

/// Rows of a batch on a GPU. Small matrices leave a card idle where few rows share them, but a batch is a command that
/// nothing interrupts: large models, and software adapters, take less at once.
pub fn default_rows(caps: &Caps, catalog: &Catalog) -> u32 {
    let weights: u64 = catalog.tensors.iter().map(|tensor| tensor.shape.iter().product::<u64>()).sum();
    match caps.is_software {
        true => 64,
        false if weights <= SMALL => 512,
        false => 256,
    }
}
