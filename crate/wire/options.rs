//! The options of every call. A field is a member of the JavaScript object and a flag of the commands, and its
//! attributes say what it may be; what no range can say is checked where it is used.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bail;
use crate::base::error::Result;
use crate::base::many::OneOrMany;
use crate::base::platform;
use crate::base::precision::KvType;
use crate::device::options::GpuOptions;
use crate::device::{Backend, CpuOptions};
use crate::eval;
use crate::quant::TensorType;
use crate::run::adapters::Wanted;
use crate::run::sampler::{SamplingParams, range, token_id};
use crate::run::schedule::Schedule;
use crate::run::speculate::Speculate;
use crate::run::{loader, plan, session};
use crate::text::template::RenderOptions;
use crate::text::tokenizer::EncodeOptions;

/// Bits of activations in matrix products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As exact as f32.
    #[default]
    High,
    /// 8 bits where that is quicker.
    Fast,
}

/// What the matrices of a repository of floats become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quantize {
    /// `q8_0`; of weights that are quantised already, what holds these.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits (IEEE half).
    F16,
    /// The upper 16 bits of 32.
    Bf16,
    /// 8 bits, with a scale for each 32.
    #[serde(rename = "q8_0")]
    Q8Zero,
    /// 6 bits, with small scales under one for each 256.
    #[serde(rename = "q6_k")]
    Q6K,
    /// 5 bits, with small scales and minima under one of each for 256.
    #[serde(rename = "q5_k")]
    Q5K,
    /// 5 bits, with a scale and a minimum.
    #[serde(rename = "q5_1")]
    Q5One,
    /// 5 bits, with a scale.
    #[serde(rename = "q5_0")]
    Q5Zero,
    /// 4 bits, with small scales and minima under one of each for 256.
    #[serde(rename = "q4_k")]
    Q4K,
    /// 4 bits, with a scale and a minimum.
    #[serde(rename = "q4_1")]
    Q4One,
    /// 4 bits, with a scale.
    #[serde(rename = "q4_0")]
    Q4Zero,
    /// 3 bits, with small scales under one for each 256.
    #[serde(rename = "q3_k")]
    Q3K,
    /// 2 bits, with small scales and minima under one of each for 256.
    #[serde(rename = "q2_k")]
    Q2K,
}

impl Quantize {
    /// The type of tensors; `None` where nobody said.
    pub fn kind(self) -> Option<TensorType> {
        Some(match self {
            Quantize::Auto => return None,
            Quantize::F32 => TensorType::F32,
            Quantize::F16 => TensorType::F16,
            Quantize::Bf16 => TensorType::BF16,
            Quantize::Q8Zero => TensorType::Q8_0,
            Quantize::Q6K => TensorType::Q6_K,
            Quantize::Q5K => TensorType::Q5_K,
            Quantize::Q5One => TensorType::Q5_1,
            Quantize::Q5Zero => TensorType::Q5_0,
            Quantize::Q4K => TensorType::Q4_K,
            Quantize::Q4One => TensorType::Q4_1,
            Quantize::Q4Zero => TensorType::Q4_0,
            Quantize::Q3K => TensorType::Q3_K,
            Quantize::Q2K => TensorType::Q2_K,
        })
    }
}

/// How a model is loaded.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadOptions {
    /// `auto` takes a graphics card where WebGPU offers one, else the CPU; `info.backendReason` says why. With `webgpu`
    /// there is no other choice: what it lacks is an error.
    pub backend: Backend,
    /// Bits of activations in matrix products. `high` takes as many as are as good as f32. `fast` allows 8 bits where
    /// that is quicker: on the CPU where the browser has relaxed SIMD, on a graphics card where measurement says so. That
    /// costs up to 2 % of a text's log-likelihood.
    pub precision: Precision,
    /// Threads that compute on the CPU; by default one a core, at most 8, and in a page one less than cores. A page has them
    /// if it is cross-origin isolated; elsewhere there is one.
    #[schemars(range(min = 1, max = 256), extend("aliases" = ["n_threads"]))]
    pub threads: Option<u32>,
    /// Tokens of context to reserve memory for; by default what the model was trained for, at most 4096 on WebGPU and
    /// 2048 on the CPU.
    #[schemars(range(min = 1), extend("aliases" = ["n_ctx", "num_ctx", "context_size"]))]
    pub context_length: Option<u32>,
    /// Tokens of all conversations together whose keys and values are kept, so that none of them is computed again; at
    /// least those of one context, which is the default.
    #[schemars(range(min = 1), extend("aliases" = ["cache_size"]))]
    pub cache_tokens: Option<u32>,
    /// Prompt tokens computed at once.
    #[schemars(range(min = 1, max = plan::MAX_ROWS), extend("aliases" = ["n_batch", "batch_size"]))]
    pub max_batch_tokens: Option<u32>,
    /// How the cache stores keys and values. `q8_0` takes 53 % of the memory of `f16`, `q4_0` 28 % and costs accuracy; both want
    /// heads that are a multiple of 32 long. Models that embed always keep f32.
    #[schemars(extend("aliases" = ["cache_type"]))]
    pub kv_type: KvType,
    /// `false` keeps the kernels to f32 on an adapter with `shader-f16`.
    pub f16: bool,
    /// `false` keeps the kernels off subgroup operations.
    pub subgroups: bool,
    /// `false` keeps the kernels off packed integer products.
    pub dot: bool,
    /// Whether kernels are measured, for up to 1.5 s, where the adapter and model are new; by default on a real GPU.
    pub tune: Option<bool>,
    /// Of a mixture of experts, so many experts of each layer are in memory; the others stay in the browser's store or the file,
    /// and are read when a token takes them, in the place of those that were taken longest ago. At least as many as a token takes.
    /// It is for models that are larger than the memory, and costs speed. By default all are in memory.
    #[schemars(range(min = 1))]
    pub experts: Option<u32>,
    /// What the matrices of a repository of safetensors become while they come: `auto` is `q8_0`, and of weights that are
    /// quantised already what holds these. With fewer bits embedding and logits stay `q8_0`. A GGUF file's are what they are:
    /// there it is an error.
    pub quantize: Quantize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            backend: Backend::default(),
            precision: Precision::default(),
            threads: None,
            context_length: None,
            cache_tokens: None,
            max_batch_tokens: None,
            kv_type: KvType::default(),
            f16: true,
            subgroups: true,
            dot: true,
            tune: None,
            experts: None,
            quantize: Quantize::default(),
        }
    }
}

impl From<LoadOptions> for loader::LoadOptions {
    fn from(o: LoadOptions) -> Self {
        loader::LoadOptions {
            backend: o.backend,
            gpu: GpuOptions { subgroups: o.subgroups, f16: o.f16, dot: o.dot, ..Default::default() },
            cpu: CpuOptions { threads: o.threads.map(|n| n as usize), ..Default::default() },
            context: o.context_length,
            cache_tokens: o.cache_tokens,
            max_rows: o.max_batch_tokens,
            kv: o.kv_type,
            fast: o.precision == Precision::Fast,
            tune: o.tune,
            experts: o.experts,
            quantize: o.quantize.kind(),
            ..Default::default()
        }
    }
}

/// How a reply is made. What is not given is as the file recommends, else as chats are; a temperature of 0 takes the best token
/// always.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GenerateOptions {
    /// The longest reply, in tokens; by default until the context is full.
    #[schemars(extend(
        "unlimited" = true,
        "aliases" = ["max_new_tokens", "max_completion_tokens", "n_predict", "num_predict"]
    ))]
    pub max_tokens: Option<u32>,
    /// Divides the logits: below 1 likely tokens become likelier, above 1 less so; 0 is greedy. By default as the file says, else
    /// 0.8.
    #[schemars(range(min = *range::TEMPERATURE.start(), max = *range::TEMPERATURE.end()), extend("aliases" = ["temp"]))]
    pub temperature: Option<f32>,
    /// Only the k best tokens; 0 for all. By default as the file says, else 40.
    pub top_k: Option<u32>,
    /// Only the best tokens that reach this probability together; 1 for all. By default as the file says, else 0.95.
    #[schemars(range(min = *range::TOP_P.start(), max = *range::TOP_P.end()))]
    pub top_p: Option<f32>,
    /// Only tokens at least this likely compared with the best; 0 for all. By default as the file says, else 0.05.
    #[schemars(range(min = *range::MIN_P.start(), max = *range::MIN_P.end()))]
    pub min_p: Option<f32>,
    /// Divides (multiplies, below zero) the logits of recent tokens; 1 for none. By default as the file says, else 1.
    #[schemars(
        range(min = *range::REPEAT_PENALTY.start(), max = *range::REPEAT_PENALTY.end()),
        extend("aliases" = ["repetition_penalty"])
    )]
    pub repeat_penalty: Option<f32>,
    /// How many of the last tokens the penalties look at, the prompt's included. By default as the file says, else 64.
    pub repeat_last_n: Option<u32>,
    /// Subtracted once from each recent token's logit.
    #[schemars(range(min = *range::PRESENCE_PENALTY.start(), max = *range::PRESENCE_PENALTY.end()))]
    pub presence_penalty: f32,
    /// Subtracted from a recent token's logit for each time it occurred.
    #[schemars(range(min = *range::FREQUENCY_PENALTY.start(), max = *range::FREQUENCY_PENALTY.end()))]
    pub frequency_penalty: f32,
    /// Added to the logits of these token ids; `-Infinity` bans a token.
    #[schemars(extend("tsType" = "Record<number, number>"))]
    pub logit_bias: BTreeMap<String, f32>,
    /// The same seed, prompt and options give the same reply on the same machine; by default each reply is another one.
    pub seed: Option<u64>,
    /// Texts that end the reply; they are not part of it.
    #[schemars(extend("aliases" = ["stop_sequences", "stop_strings"]))]
    pub stop: Option<OneOrMany<String>>,
    /// Token ids that end the reply, beside the model's own.
    #[schemars(extend("aliases" = ["stop_token_ids"]))]
    pub stop_tokens: Vec<u32>,
    /// Whether tokens are guessed by what followed the same words before, in prompt and reply: several right ones then come
    /// of one pass, and the reply stays the same (on a GPU, but for tokens that are as good as equally likely). `auto`: where
    /// it is quicker, as measured; a number: so many a pass, in any case. Not while other replies are under way, nor under a
    /// grammar.
    pub speculate: Speculate,
    /// How much of which adapters, by the ids that they were loaded by: `{ poet: 1 }`. By default none.
    #[schemars(extend("tsType" = "Record<string, number>", "flag" = false))]
    pub adapter: Wanted,
    /// What the order of work is to serve where several replies are under way. `latency`: that nobody's next token waits long
    /// for another's prompt; `throughput`: that all are done as soon as can be, as is right for work that nobody watches.
    pub schedule: Schedule,
    /// What becomes of a reply that fills the context. `stop` ends it; `shift` goes on: the oldest tokens leave the context, a
    /// quarter of it at a time, all but the first four, and what was computed of the others is moved.
    pub overflow: Overflow,
    /// Its place in line: a reply of a lower number has room, and its prompt read, before those of higher ones; those of the
    /// same in the order in which they came. The next tokens of all go on side by side.
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// No chat template; special tokens in the prompt are parsed.
    pub raw: bool,
}

/// What becomes of a reply that fills the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Overflow {
    /// It ends.
    #[default]
    Stop,
    /// Its oldest tokens go.
    Shift,
}

/// How an adapter is loaded.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AdapterOptions {
    /// What calls use it by: `adapter: { [id]: scale }`.
    pub id: String,
}

/// How a text is scored.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ScoreOptions {
    /// How much of which adapters, by the ids that they were loaded by: `{ poet: 1 }`. By default none.
    #[schemars(extend("tsType" = "Record<string, number>", "flag" = false))]
    pub adapter: Wanted,
}

/// The largest whole number that JavaScript holds exactly.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

impl GenerateOptions {
    /// `own` says what is not given. `BadOption` for a bias of what is no token id.
    pub fn read(self, own: &SamplingParams) -> Result<session::GenerateOptions> {
        let mut logit_bias = Vec::new();
        for (id, bias) in self.logit_bias {
            let Some(id) = token_id(&id) else { bail!(BadOption, "logitBias names \"{id}\"; give token ids.") };
            logit_bias.push((id, bias));
        }
        let sampling = SamplingParams {
            temperature: self.temperature.unwrap_or(own.temperature),
            top_k: self.top_k.unwrap_or(own.top_k),
            top_p: self.top_p.unwrap_or(own.top_p),
            min_p: self.min_p.unwrap_or(own.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(own.repeat_penalty),
            repeat_last_n: self.repeat_last_n.unwrap_or(own.repeat_last_n),
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            logit_bias,
            seed: self.seed.unwrap_or_else(platform::random_seed),
        };
        Ok(session::GenerateOptions {
            sampling,
            max_tokens: self.max_tokens,
            stop: self.stop.map_or(Vec::new(), OneOrMany::into_list),
            stop_tokens: self.stop_tokens,
            speculate: self.speculate,
            adapter: self.adapter,
            schedule: self.schedule,
            shifts: self.overflow == Overflow::Shift,
            priority: self.priority,
            ..Default::default()
        })
    }
}

/// How a text is read.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenizeOptions {
    /// Add what the model puts around a text: BOS and EOS, where the file asks for them.
    #[schemars(extend("aliases" = ["add_special_tokens"]))]
    pub add_special: bool,
    /// Read texts such as `<|im_start|>` as the tokens they name.
    pub parse_special: bool,
}

impl From<TokenizeOptions> for EncodeOptions {
    fn from(o: TokenizeOptions) -> Self {
        EncodeOptions { add_special: o.add_special, parse_special: o.parse_special }
    }
}

/// How tokens become text.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DetokenizeOptions {
    /// Show control tokens as their text instead of leaving them out.
    pub keep_special: bool,
}

/// What is measured.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BenchOptions {
    /// Tokens of the made-up prompt: one length, or several to compare.
    pub prompt_tokens: OneOrMany<u32>,
    /// Tokens to generate after it.
    pub gen_tokens: u32,
    /// Each figure is the median of so many runs.
    #[schemars(range(min = 1))]
    pub runs: u32,
    /// Time every kernel too; `bad_option` where the adapter or browser cannot.
    pub profile: bool,
}

impl Default for BenchOptions {
    fn default() -> Self {
        BenchOptions { prompt_tokens: OneOrMany::One(256), gen_tokens: 64, runs: 3, profile: false }
    }
}

impl From<BenchOptions> for eval::BenchOptions {
    fn from(o: BenchOptions) -> Self {
        eval::BenchOptions {
            prompt_tokens: o.prompt_tokens.into_list().into_iter().map(|n| n as usize).collect(),
            gen_tokens: o.gen_tokens as usize,
            runs: o.runs as usize,
            profile: o.profile,
        }
    }
}

/// What a chat template is given beside the messages.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RenderChatOptions {
    /// Tools in OpenAI's form.
    pub tools: Option<Vec<Value>>,
    /// Variables of the template by name, such as `enable_thinking` or `documents`.
    pub variables: Map<String, Value>,
    /// End with the start of the assistant's turn.
    pub add_generation_prompt: bool,
    /// What time it is for the template, in seconds since 1970; by default it is now.
    #[schemars(range(min = -(MAX_SAFE_INTEGER as i64)))]
    pub now: Option<i64>,
}

impl From<RenderChatOptions> for RenderOptions {
    fn from(o: RenderChatOptions) -> Self {
        RenderOptions {
            add_generation_prompt: o.add_generation_prompt,
            tools: o.tools.map(Value::Array),
            now: Some(o.now.unwrap_or_else(platform::unix_time)),
            extra: o.variables,
        }
    }
}
