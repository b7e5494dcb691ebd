//! From a file's bytes, in order and in pieces of any size, to an engine. Everything that can be known from the header
//! is checked when the header has arrived, before the rest is fetched.

use std::collections::HashMap;

use crate::bail;
use crate::choice::{Choice, Tuning};
use crate::config::ModelConfig;
use crate::engine::Engine;
use crate::error::Result;
use crate::forward::{Model, Sizes};
use crate::gguf::{Header, HeaderParser};
use crate::gpu::{Caps, Gpu, GpuOptions};
use crate::kv_cache::KvType;
use crate::tokenizer::Tokenizer;
use crate::upload::Upload;

#[derive(Clone, Debug)]
pub struct LoadOptions {
    pub gpu: GpuOptions,
    /// Positions per sequence; `None`: the trained context, at most [`DEFAULT_CONTEXT`].
    pub context: Option<u32>,
    /// Rows of the largest batch; `None`: by the adapter.
    pub max_rows: Option<u32>,
    /// Tokens that are decoded at a time, the one that is read included; `None`: by the adapter.
    pub depth: Option<usize>,
    pub kv: KvType,
    /// Whether the kernels of unknown products are measured; `None`: on a real GPU.
    pub tune: Option<bool>,
    /// What was measured before on this adapter (`Tuning::lines`).
    pub tuning: Vec<String>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            gpu: GpuOptions::default(),
            context: None,
            max_rows: None,
            depth: None,
            kv: KvType::F16,
            tune: None,
            tuning: Vec::new(),
        }
    }
}

/// Enough for a chat, and small beside the weights.
pub const DEFAULT_CONTEXT: u32 = 4096;
/// Rows that may want logits in one batch: each takes n_vocab floats.
const MAX_OUTPUTS: u32 = 16;

pub struct Loader {
    options: LoadOptions,
    caps: Caps,
    state: State,
    /// Bytes pushed so far.
    received: u64,
}

enum State {
    Header(Box<(HeaderParser, Gpu)>),
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
        let gpu = Gpu::request(options.gpu.clone()).await?;
        let caps = gpu.caps.clone();
        Ok(Loader { options, caps, state: State::Header(Box::new((HeaderParser::default(), gpu))), received: 0 })
    }

    pub fn caps(&self) -> &Caps {
        &self.caps
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
                tensors.upload.push(bytes, &mut tensors.engine.gpu);
                self.state = State::Tensors(tensors);
            }
            State::Header(mut parsing) => match parsing.0.push(bytes)? {
                None => self.state = State::Header(parsing),
                Some((header, used)) => {
                    let mut tensors = self.open(header, parsing.1)?;
                    // Padding before the first tensor may still be to come.
                    tensors.upload.start_at(self.received + used as u64);
                    tensors.upload.push(&bytes[used..], &mut tensors.engine.gpu);
                    self.state = State::Tensors(Box::new(tensors));
                }
            },
        }
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Everything the header decides.
    fn open(&self, mut header: Header, mut gpu: Gpu) -> Result<Tensors> {
        let config = ModelConfig::from_header(&header)?;
        let context = match self.options.context {
            None => config.context_length.min(DEFAULT_CONTEXT),
            Some(0) => bail!(BadOption, "contextLength is 0; give at least 1."),
            Some(wanted) if wanted > config.context_length => bail!(
                BadOption,
                "contextLength is {wanted}, but the model was trained for {}; give at most that.",
                config.context_length
            ),
            Some(wanted) => wanted,
        };
        let tokenizer = Tokenizer::from_metadata(&mut header.metadata)?;
        let template = header.metadata.str("tokenizer.chat_template")?.map(str::to_string);
        let name = header.metadata.str("general.name")?.unwrap_or(config.arch).to_string();
        let mut types: HashMap<&'static str, u64> = HashMap::new();
        let mut n_params = 0;
        for tensor in &header.tensors {
            *types.entry(tensor.kind.name()).or_default() += tensor.bytes;
            n_params += tensor.shape.iter().product::<u64>();
        }
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|&(name, bytes)| (std::cmp::Reverse(bytes), name));

        let rows = self.options.max_rows.unwrap_or(default_rows(&gpu.caps));
        if rows == 0 || rows > 4096 {
            bail!(BadOption, "maxBatchTokens is {rows}; it should be from 1 to 4096.");
        }
        let sizes = Sizes {
            context,
            n_sequences: 1,
            max_rows: rows.min(context),
            max_outputs: MAX_OUTPUTS.min(rows),
            kv: self.options.kv,
        };
        let choice = Choice::of(&gpu.caps, self.options.kv);
        let (mut model, upload) = Model::place(&header, config, sizes, choice, &mut gpu)?;
        gpu.check()?;
        model.tuning = Tuning::parse(self.options.tuning.iter().map(String::as_str), gpu.caps.subgroup_min);
        // A software adapter gains nothing by going ahead, and would finish in vain what a stop makes needless.
        let depth = self.options.depth.unwrap_or(if gpu.caps.is_software { 1 } else { 3 });
        let mut engine = Engine::new(gpu, model, tokenizer, template, depth.max(1))?;
        engine.name = name;
        engine.types = types;
        engine.n_params = n_params;
        // Kernels are compiled while the weights are on their way.
        engine.compile_ahead()?;
        Ok(Tensors { engine, upload, file_bytes: header.file_bytes })
    }

    /// Waits until the device has taken what was pushed: call it every few megabytes, or memory fills up.
    pub async fn drain(&mut self) -> Result<()> {
        match &self.state {
            State::Tensors(tensors) => tensors.engine.gpu.idle().await,
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
        engine.model.finish(&upload, &mut engine.gpu);
        engine.gpu.compiled().await;
        engine.warm_up()?;
        engine.gpu.idle().await?;
        if self.options.tune.unwrap_or(!engine.gpu.caps.is_software) {
            engine.tune().await?;
        }
        Ok(engine)
    }
}

/// A software adapter takes long over a batch: keep them short, so that a stop is prompt.
pub fn default_rows(caps: &Caps) -> u32 {
    if caps.is_software { 64 } else { 256 }
}
