//! From a file's bytes, in order and in pieces of any size, to an engine. Everything that can be known from the header
//! is checked when the header has arrived, before the rest is fetched.

use std::collections::HashMap;

use crate::bail;
use crate::choice::Choice;
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
    pub kv: KvType,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions { gpu: GpuOptions::default(), context: None, max_rows: None, kv: KvType::F16 }
    }
}

/// Enough for a chat, and small beside the weights.
pub const DEFAULT_CONTEXT: u32 = 4096;
/// Rows that may want logits in one batch: each takes n_vocab floats.
const MAX_OUTPUTS: u32 = 16;

pub struct Loader {
    options: LoadOptions,
    gpu: Gpu,
    state: State,
    /// Bytes pushed so far.
    received: u64,
}

enum State {
    Header(Box<HeaderParser>),
    /// The header is in; tensors are arriving.
    Tensors(Box<Tensors>),
    /// An error has been returned: there is nothing to go on with.
    Failed,
}

struct Tensors {
    model: Model,
    upload: Upload,
    tokenizer: Tokenizer,
    template: Option<String>,
    name: String,
    types: Vec<(&'static str, u64)>,
    n_params: u64,
    file_bytes: u64,
}

impl Loader {
    /// Asks for a device first: without one there is no use in fetching anything.
    pub async fn new(options: LoadOptions) -> Result<Self> {
        let gpu = Gpu::request(options.gpu.clone()).await?;
        Ok(Loader { options, gpu, state: State::Header(Box::default()), received: 0 })
    }

    pub fn caps(&self) -> &Caps {
        &self.gpu.caps
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
                tensors.upload.push(bytes, &mut self.gpu);
                self.state = State::Tensors(tensors);
            }
            State::Header(mut parser) => match parser.push(bytes)? {
                None => self.state = State::Header(parser),
                Some((header, used)) => {
                    let mut tensors = self.open(header)?;
                    // Padding before the first tensor may still be to come.
                    tensors.upload.start_at(self.received + used as u64);
                    tensors.upload.push(&bytes[used..], &mut self.gpu);
                    self.state = State::Tensors(Box::new(tensors));
                }
            },
        }
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Everything the header decides.
    fn open(&mut self, mut header: Header) -> Result<Tensors> {
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

        // A software adapter takes long over a batch: keep them short, so that a stop is prompt.
        let rows = self.options.max_rows.unwrap_or(if self.gpu.caps.is_software { 64 } else { 256 });
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
        let choice = Choice::of(&self.gpu.caps, self.options.kv);
        let (model, upload) = Model::place(&header, config, sizes, choice, &mut self.gpu)?;
        self.gpu.check()?;
        Ok(Tensors { model, upload, tokenizer, template, name, types, n_params, file_bytes: header.file_bytes })
    }

    /// Waits until the device has taken what was pushed: call it every few megabytes, or memory fills up.
    pub async fn drain(&mut self) -> Result<()> {
        self.gpu.idle().await
    }

    /// The end of the file. `Truncated` if bytes are missing.
    pub async fn finish(mut self) -> Result<Engine> {
        let tensors = match self.state {
            State::Header(parser) => return Err(parser.finish()),
            State::Failed => bail!(Internal, "This load has failed already; start a new one."),
            State::Tensors(tensors) => *tensors,
        };
        tensors.upload.finish(tensors.file_bytes)?;
        tensors.model.finish(&tensors.upload, &mut self.gpu);
        let mut engine = Engine::new(self.gpu, tensors.model, tensors.tokenizer, tensors.template);
        engine.name = tensors.name;
        engine.types = tensors.types;
        engine.n_params = tensors.n_params;
        engine.warm_up()?;
        engine.gpu.idle().await?;
        Ok(engine)
    }
}
