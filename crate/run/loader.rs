//! From a file's bytes, in order and in pieces of any size, to an engine. Everything that can be known from the header
//! is checked when the header has arrived, before the rest is fetched.

use std::collections::{HashMap, VecDeque};

use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::base::precision::KvType;
use crate::device::options::GpuOptions;
use crate::device::{Backend, Chosen, CpuOptions, Device, HAS_CPU};
use crate::file::Catalog;
use crate::file::gguf::{Header, HeaderParser, Joined};
use crate::kernels::choose::{Choice, Tuning};
use crate::kernels::job::Together;
use crate::model;
use crate::model::forward::Model;
use crate::model::spec::{Gives, Head, Net, Scores};
use crate::model::upload::Upload;
use crate::quant::TensorType;
#[cfg(not(target_arch = "wasm32"))]
use crate::run::check::CheckOptions;
use crate::run::engine::Engine;
use crate::run::experts::Experts;
use crate::run::plan::{Place, Plan};
use crate::run::room;
use crate::run::rows::{Reread, Rows};
use crate::run::sampler::SamplingParams;
use crate::text::template::Templates;
use crate::text::tokenizer::Tokenizer;

use xxhash_rust::xxh64::Xxh64;

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// What it shall run on.
    pub backend: Backend,
    /// Of the GPU.
    pub gpu: GpuOptions,
    /// Of the CPU.
    pub cpu: CpuOptions,
    /// Positions of a sequence, at most; `None`: the trained context, at most [`default_context`](super::plan::default_context).
    pub context: Option<u32>,
    /// Where the model was trained for less than `context`, it is that.
    pub context_at_most: bool,
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
    /// Whether the kernels are checked, and by whom.
    #[cfg(not(target_arch = "wasm32"))]
    pub check: CheckOptions,
    /// What a repository's matrices become before they come here; `None`: [`USUAL`](crate::file::safetensors::USUAL), or what they are. A file's are
    /// what they are.
    pub quantize: Option<TensorType>,
    /// Experts of each layer that are in memory; the others stay in the file, and are read when they are chosen. `None`: all of
    /// them are.
    pub experts: Option<u32>,
    /// Reads the model's files again, where that can be: what is large and read by rows then stays there.
    pub reread: Option<Reread>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            backend: Backend::default(),
            gpu: GpuOptions::default(),
            cpu: CpuOptions::default(),
            context: None,
            context_at_most: false,
            cache_tokens: None,
            max_rows: None,
            depth: None,
            kv: KvType::F16,
            fast: false,
            choice: None,
            tune: None,
            tuning: Vec::new(),
            #[cfg(not(target_arch = "wasm32"))]
            check: CheckOptions::default(),
            quantize: None,
            experts: None,
            reread: None,
        }
    }
}

impl LoadOptions {
    /// Of a model that guesses for a loaded one: on the same device, where it can follow each of its texts.
    pub fn of_draft(self, engine: &Engine) -> LoadOptions {
        let cpu = match &engine.device {
            Device::Cpu(cpu) => cpu.options_beside(),
            Device::Gpu(_) => self.cpu,
        };
        let context = Some(engine.model.sizes.context);
        LoadOptions {
            backend: engine.device.backend(),
            cpu,
            context,
            context_at_most: true,
            cache_tokens: None,
            experts: None,
            ..self
        }
    }
}

/// A model on its way: bytes of its file go in, in order; an engine comes out.
pub struct Loader {
    options: LoadOptions,
    /// Why the device is the one it is.
    reason: String,
    warning: Option<Error>,
    state: State,
    /// Of the model's other files, the second first.
    others: Vec<Header>,
    /// Bytes pushed so far, of the file that comes now.
    received: u64,
    /// Of the bytes of all files.
    hash: Xxh64,
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
    /// Bytes of the model's files that are still to come, the one that comes now first; of `parts` in all.
    files: VecDeque<u64>,
    parts: usize,
    file_bytes: u64,
}

impl Tensors {
    /// The next bytes of a file, `at` of which have come. What lies behind its tensors is not the next file's.
    fn push(&mut self, bytes: &[u8], at: u64) {
        let ours = bytes.len().min(self.left(at));
        self.upload.push(&bytes[..ours], &mut self.engine.device);
    }

    /// Bytes of the file that comes now, of which `at` have come.
    fn left(&self, at: u64) -> usize {
        let left = self.files.front().copied().unwrap_or_default().saturating_sub(at);
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

impl Loader {
    /// Asks for a device first: without one there is no use in fetching anything.
    pub async fn new(options: LoadOptions) -> Result<Self> {
        let Chosen { device, reason, warning } =
            Chosen::new(options.backend, &options.gpu, &options.cpu, options.fast).await?;
        let state = State::Header(Box::new((HeaderParser::default(), device)));
        Ok(Loader { options, reason, warning, state, others: Vec::new(), received: 0, hash: Xxh64::new(0) })
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

    /// The header of another file of the model, in order; before the bytes of the first.
    pub fn add_part(&mut self, header: Header) {
        self.others.push(header);
    }

    /// The bytes of the model's next file follow; says how many of all came before it. `Truncated` where the one before has
    /// not come whole.
    pub fn next_part(&mut self) -> Result<u64> {
        let State::Tensors(tensors) = &mut self.state else { return Err(self.cut_short()) };
        let bytes = tensors.files.pop_front().unwrap_or_default();
        if self.received < bytes {
            let part = tensors.parts - tensors.files.len();
            bail!(
                Truncated,
                "Part {part} of the model ends after {} of {bytes} bytes; download it again.",
                self.received
            );
        }
        self.received = 0;
        Ok(tensors.file_bytes - tensors.files.iter().sum::<u64>())
    }

    /// Why there is no model yet, though its file has ended.
    fn cut_short(&self) -> Error {
        match &self.state {
            State::Header(parsing) => parsing.0.finish(),
            _ => Error::new(Code::Internal, "This load has failed already; start a new one."),
        }
    }

    /// How the model's files are read again; before their first bytes.
    pub fn set_reread(&mut self, reread: Reread) {
        self.options.reread = Some(reread);
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Failed => bail!(Internal, "This load has failed already; start a new one."),
            State::Tensors(mut tensors) => {
                tensors.push(bytes, self.received);
                self.state = State::Tensors(tensors);
            }
            State::Header(mut parsing) => match parsing.0.push(bytes)? {
                None => self.state = State::Header(parsing),
                Some((header, used)) => {
                    let mut headers = vec![header];
                    headers.append(&mut self.others);
                    let Joined { header, bytes: files } = Joined::new(headers)?;
                    self.options.reread = self.options.reread.take().map(|reread| reread.of(&files));
                    let mut tensors = self.open(header.catalog, files.into(), parsing.1)?;
                    // Padding before the first tensor may still be to come.
                    let start = self.received + used as u64;
                    tensors.upload.start_at(start);
                    tensors.push(&bytes[used..], start);
                    self.state = State::Tensors(Box::new(tensors));
                }
            },
        }
        let ours = match &self.state {
            State::Tensors(tensors) => tensors.left(self.received).min(bytes.len()),
            _ => bytes.len(),
        };
        self.hash.update(&bytes[..ours]);
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Everything the header decides.
    fn open(&mut self, mut catalog: Catalog, files: VecDeque<u64>, mut device: Device) -> Result<Tensors> {
        let mut net = model::read(&catalog)?;
        if self.options.reread.is_some() {
            net = net.of_file();
        }
        if self.options.experts.is_some() && self.options.reread.is_none() {
            bail!(
                BadOption,
                "Experts cannot stay in a file that cannot be read again; leave experts out, or load a file that is kept."
            );
        }
        net = net.with_experts(self.options.experts)?;
        let tokenizer = Tokenizer::from_metadata(&mut catalog.metadata)?;
        let templates = Templates::from_metadata(&catalog.metadata)?;
        let name = catalog.metadata.str("general.name")?.unwrap_or(net.arch).to_string();
        let labels = labels(&catalog, &net)?;
        let sampling = SamplingParams::of_file(&catalog.metadata);
        let mut types: HashMap<&'static str, u64> = HashMap::new();
        let mut n_params = 0;
        for tensor in &catalog.tensors {
            *types.entry(tensor.kind.name()).or_default() += tensor.bytes;
            n_params += tensor.shape.iter().product::<u64>();
        }
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|&(name, bytes)| (std::cmp::Reverse(bytes), name));

        let mut placed = self.place(&catalog, &net, &mut device);
        if HAS_CPU
            && self.options.backend == Backend::Auto
            && device.gpu().is_some()
            && let Some(error) = placed.as_ref().err().filter(|error| error.code == Code::AdapterTooSmall)
        {
            let chosen = Chosen::instead(error.clone(), &self.options.cpu, self.options.fast)?;
            (device, self.reason, self.warning) = (chosen.device, chosen.reason, chosen.warning);
            placed = self.place(&catalog, &net, &mut device);
        }
        let (model, upload) = placed?;
        match model.net.gives {
            Gives::Logits => {}
            Gives::States { head: Some(Head { scores: Scores::Labels { .. }, .. }), .. } => {
                device.set_together(Together::Whole);
            }
            Gives::States { .. } => device.set_together(Together::Rounded),
        }
        // Only a real GPU gains by going ahead, and by no more than that (docs/PERFORMANCE.md): others would finish in vain
        // what a stop makes needless.
        let depth = self.options.depth.unwrap_or(if is_real_gpu(&device) { 3 } else { 1 });
        let mut engine = Engine::new(device, model, tokenizer, templates, depth.max(1))?;
        if engine.model.file_rows().is_some() {
            engine.rows = self.options.reread.clone().map(Rows::new);
        }
        if !engine.model.weights().kept().is_empty() {
            engine.experts = self.options.reread.clone().map(|reread| Experts::new(reread, &engine.model));
        }
        engine.reason = self.reason.clone();
        engine.name = name;
        engine.labels = labels;
        engine.sampling = sampling;
        engine.types = types;
        engine.n_params = n_params;
        // Kernels are compiled while the weights are on their way.
        engine.compile_ahead(tunes(&self.options, &engine.device))?;
        Ok(Tensors { engine, upload, parts: files.len(), files, file_bytes: catalog.file_bytes })
    }

    /// Lays the model out on a device. `OutOfMemory` and `AdapterTooSmall` where it does not fit.
    fn place(&self, catalog: &Catalog, net: &Net, device: &mut Device) -> Result<(Model, Upload)> {
        let place = Place::of(device, self.options.cpu.room);
        let plan = Plan::new(&self.options, &place, catalog, net)?;
        room::check(catalog, net, &plan, &place, self.options.reread.is_some())?;
        let Plan { sizes, choice } = plan;
        let (mut model, upload) = Model::place(catalog, net.clone(), sizes, choice, device)?;
        device.check()?;
        if let Some(gpu) = device.gpu() {
            model.tuning = Tuning::parse(self.options.tuning.iter().map(String::as_str), choice.able(&gpu.caps));
        }
        Ok((model, upload))
    }

    /// What it is loaded on; none once the load has failed.
    pub fn device(&self) -> Option<&Device> {
        match &self.state {
            State::Header(parsing) => Some(&parsing.1),
            State::Tensors(tensors) => Some(&tensors.engine.device),
            State::Failed => None,
        }
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
        let Loader { state: State::Tensors(tensors), hash, options, .. } = self else { return Err(self.cut_short()) };
        let Tensors { mut engine, upload, file_bytes, .. } = *tensors;
        upload.finish(file_bytes)?;
        engine.fingerprint = (hash.digest(), options.fast);
        engine.model.check_factors(&upload)?;
        engine.model.finish(&upload, &mut engine.device);
        engine.device.idle().await?;
        #[cfg(not(target_arch = "wasm32"))]
        engine.avoid(&options.check.avoid)?;
        if tunes(&options, &engine.device) {
            engine.tune().await?;
        }
        #[cfg(not(target_arch = "wasm32"))]
        engine.check_once(&options.check).await?;
        Ok(engine)
    }
}

/// A name for each of the classifier's scores, where there is one.
fn labels(catalog: &Catalog, net: &Net) -> Result<Vec<String>> {
    let Gives::States { head: Some(head), .. } = net.gives else { return Ok(Vec::new()) };
    let count = head.labels().unwrap_or(0);
    let key = format!("{}.classifier.output_labels", net.arch);
    match catalog.metadata.strings(&key)? {
        Some(named) if named.len() != count as usize => {
            bail!(
                BadMetadata,
                "{key} names {} labels, and the classifier has {count}; convert the model again.",
                named.len()
            )
        }
        Some(named) => Ok(named.to_vec()),
        None => Ok((0..count).map(|i| format!("LABEL_{i}")).collect()),
    }
}

/// Whether kernels are measured.
fn tunes(options: &LoadOptions, device: &Device) -> bool {
    options.tune.unwrap_or(is_real_gpu(device))
}

fn is_real_gpu(device: &Device) -> bool {
    device.gpu().is_some_and(|gpu| !gpu.caps.is_software)
}
