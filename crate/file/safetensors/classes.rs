//! The classes that `config.json` names, and the architectures that they are here.

use crate::bail;
use crate::base::error::Result;
use crate::file::quoted;

/// What a model has at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// Logits of the next token.
    None,
    /// Nothing: its states are pooled.
    States,
    /// Logits of masked words.
    Words,
    /// Scores of a text.
    Labels,
}

/// A class of the library transformers.
#[derive(Debug)]
pub struct Class {
    /// As `config.json` names it.
    pub name: &'static str,
    /// As `general.architecture` names it.
    pub arch: &'static str,
    /// Activations that its network is built with, as config.json may call them.
    pub acts: &'static [&'static str],
    /// Whether the matrix of logits is the embedding's where config.json does not say.
    pub tied: bool,
    /// What it has at its end.
    pub heads: Heads,
}

const SILU: &[&str] = &["silu", "swish"];
const GELU_TANH: &[&str] = &["gelu_pytorch_tanh", "gelu_new"];
/// Gemma 1's file says `gelu`, and means the other.
const GEMMA: &[&str] = &["gelu_pytorch_tanh", "gelu"];

const fn decoder(name: &'static str, arch: &'static str, acts: &'static [&'static str], tied: bool) -> Class {
    Class { name, arch, acts, tied, heads: Heads::None }
}

const fn encoder(name: &'static str, heads: Heads) -> Class {
    Class { name, arch: "bert", acts: &["gelu"], tied: true, heads }
}

/// All that are read.
pub const CLASSES: &[Class] = &[
    decoder("LlamaForCausalLM", "llama", SILU, false),
    decoder("MistralForCausalLM", "llama", SILU, false),
    decoder("Qwen2ForCausalLM", "qwen2", SILU, false),
    decoder("Qwen3ForCausalLM", "qwen3", SILU, false),
    decoder("GemmaForCausalLM", "gemma", GEMMA, true),
    decoder("Gemma2ForCausalLM", "gemma2", GELU_TANH, true),
    decoder("Gemma3ForCausalLM", "gemma3", GELU_TANH, true),
    decoder("Gemma3ForConditionalGeneration", "gemma3", GELU_TANH, true),
    decoder("Glm4ForCausalLM", "glm4", SILU, false),
    decoder("GraniteForCausalLM", "granite", SILU, false),
    decoder("Olmo2ForCausalLM", "olmo2", SILU, false),
    decoder("Phi3ForCausalLM", "phi3", SILU, false),
    decoder("SmolLM3ForCausalLM", "smollm3", SILU, true),
    decoder("Starcoder2ForCausalLM", "starcoder2", GELU_TANH, true),
    encoder("BertModel", Heads::States),
    encoder("BertForMaskedLM", Heads::Words),
    encoder("BertForSequenceClassification", Heads::Labels),
];

impl Class {
    /// `UnsupportedArchitecture` lists those that there are.
    pub fn of(name: &str) -> Result<&'static Class> {
        let Some(class) = CLASSES.iter().find(|class| class.name == name) else {
            let known: Vec<&str> = CLASSES.iter().map(|class| class.name).collect();
            bail!(
                UnsupportedArchitecture,
                "Repositories of the class {} are not read; these are: {}; take a GGUF file of the model",
                quoted(name),
                known.join(", ")
            )
        };
        Ok(class)
    }

    /// Whether a tensor, by Hugging Face's name, is of a head that the class does not have.
    pub fn leaves(&self, tensor: &str) -> bool {
        let inside = tensor.strip_prefix("bert.").unwrap_or(tensor);
        HEADS.iter().any(|(begins, heads)| inside.starts_with(begins) && self.heads != *heads)
    }
}

/// How the names of encoders' heads begin.
const HEADS: [(&str, Heads); 3] =
    [("pooler.", Heads::Labels), ("classifier.", Heads::Labels), ("cls.predictions.", Heads::Words)];
