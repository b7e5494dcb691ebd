//! What `config.json` says, in GGUF's keys.

use serde_json::{Map, Value as Json};

use super::classes::{Class, Heads};
use super::factors::{self, Factors};
use super::quantized::Quantized;
use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::{Metadata, Value, quoted};

/// What a key holds.
#[derive(Clone, Copy)]
enum Kind {
    Whole,
    Number,
}

/// GGUF's key (after the architecture's name), what config.json calls it, now or before, and what it holds.
const KEYS: &[(&str, &[&str], Kind)] = &[
    ("block_count", &["num_hidden_layers"], Kind::Whole),
    ("context_length", &["max_position_embeddings"], Kind::Whole),
    ("embedding_length", &["hidden_size"], Kind::Whole),
    ("feed_forward_length", &["intermediate_size"], Kind::Whole),
    ("attention.head_count", &["num_attention_heads"], Kind::Whole),
    ("attention.head_count_kv", &["num_key_value_heads"], Kind::Whole),
    ("attention.key_length", &["head_dim"], Kind::Whole),
    ("attention.value_length", &["head_dim"], Kind::Whole),
    ("attention.sliding_window", &["sliding_window"], Kind::Whole),
    ("attention.layer_norm_rms_epsilon", &["rms_norm_eps"], Kind::Number),
    ("attention.layer_norm_epsilon", &["layer_norm_eps", "norm_epsilon"], Kind::Number),
    ("attn_logit_softcapping", &["attn_logit_softcapping"], Kind::Number),
    ("final_logit_softcapping", &["final_logit_softcapping"], Kind::Number),
    // Granite's.
    ("attention.scale", &["attention_multiplier"], Kind::Number),
    ("embedding_scale", &["embedding_multiplier"], Kind::Number),
    ("residual_scale", &["residual_multiplier"], Kind::Number),
    ("logit_scale", &["logits_scaling"], Kind::Number),
    // The base of the rotation, and of layers with a window.
    ("rope.freq_base", &["rope_theta"], Kind::Number),
    ("rope.freq_base_swa", &["rope_local_base_freq"], Kind::Number),
];

/// The longest head that is read: more than any model has.
const MOST_HEAD: u64 = 1 << 12;

/// `config.json`, as far as it is understood.
pub struct Config {
    pub class: &'static Class,
    /// The members, those of the text's part where a model has several.
    members: Map<String, Json>,
    /// The labels of a classifier, by their numbers.
    labels: Vec<String>,
    /// Where its weights are no floats.
    pub quantized: Option<Quantized>,
}

impl Config {
    /// `BadMetadata` where it is no such file, `UnsupportedArchitecture` where the model is none that is built,
    /// `UnsupportedTensorType` where its weights are quantised in a way that is not read.
    pub fn read(bytes: &[u8]) -> Result<Config> {
        let mut members: Map<String, Json> = parse("config.json", bytes)?;
        let named = members.get("architectures").and_then(|names| names[0].as_str()).map(String::from);
        let Some(name) = named else {
            bail!(
                BadMetadata,
                "config.json does not say the model's class (architectures); take a repository that does"
            )
        };
        let class = Class::of(&name)?;
        let quantized = Quantized::read(&members)?;
        let labels = labels(&members);
        if let Some(Json::Object(text)) = members.remove("text_config") {
            members = text;
        }
        let config = Config { class, members, labels, quantized };
        config.check()?;
        Ok(config)
    }

    /// What a network of this class cannot be told of.
    fn check(&self) -> Result<()> {
        let act = ["hidden_activation", "hidden_act"].iter().find_map(|name| self.members.get(*name)?.as_str());
        if let Some(act) = act.filter(|act| !self.class.acts.contains(act)) {
            bail!(
                UnsupportedArchitecture,
                "This {} model has the activation {}, which is not supported; only {} is",
                self.class.name,
                quoted(act),
                self.class.acts.join(" or ")
            );
        }
        let positions = self.members.get("position_embedding_type").and_then(Json::as_str).unwrap_or("absolute");
        if positions != "absolute" {
            bail!(
                UnsupportedArchitecture,
                "This {} model has positions of the kind {}, which is not supported",
                self.class.name,
                quoted(positions)
            );
        }
        Ok(())
    }

    /// A whole number that has to be there.
    fn need(&self, name: &str) -> Result<u64> {
        match self.members.get(name).and_then(Json::as_u64) {
            Some(number) => Ok(number),
            None => bail!(
                BadMetadata,
                "config.json does not say {name}, a whole number; take another repository of the model"
            ),
        }
    }

    /// Length of a head whose numbers are rotated: even, and not so long that lists of that length are a danger.
    pub fn head_dim(&self) -> Result<u64> {
        let length = match self.members.get("head_dim").and_then(Json::as_u64) {
            Some(length) => length,
            None => self.need("hidden_size")? / self.need("num_attention_heads")?.max(1),
        };
        if !(2..=MOST_HEAD).contains(&length) || !length.is_multiple_of(2) {
            bail!(
                BadMetadata,
                "config.json has heads of {length} numbers, not an even count from 2 to {MOST_HEAD}; take another repository of the model"
            );
        }
        Ok(length)
    }

    /// Whether the matrix of logits is the embedding's, though the files may have it twice.
    pub fn is_tied(&self) -> bool {
        let stated = self.members.get("tie_word_embeddings").and_then(Json::as_bool);
        stated.unwrap_or(self.class.tied)
    }

    /// All that it says of the text's part.
    pub fn members(&self) -> &Map<String, Json> {
        &self.members
    }

    /// The architecture's keys, and the factors of the rotation that a file of GGUF has as tensors.
    pub fn keys(&self, metadata: &mut Metadata) -> Result<Vec<Factors>> {
        let arch = self.class.arch;
        metadata.insert("general.architecture", Value::Str(arch.into()));
        let mut set = |key: &str, value: Value| {
            metadata.insert(format!("{arch}.{key}"), value);
        };
        for (key, names, kind) in KEYS {
            let Some((name, value)) = names.iter().find_map(|name| Some((name, self.members.get(*name)?))) else {
                continue;
            };
            if let Some(value) = number(name, value, *kind)? {
                set(key, value);
            }
        }
        if self.members.contains_key("num_local_experts") || self.members.contains_key("num_experts") {
            bail!(
                UnsupportedArchitecture,
                "Mixtures of experts are not read from repositories; take a GGUF file of the model"
            );
        }
        if let Some(scalar) = self.members.get("query_pre_attn_scalar").and_then(Json::as_f64).filter(|x| *x > 0.0) {
            set("attention.scale", Value::F64(scalar.sqrt().recip()));
        }
        if let Some(part) = self.members.get("partial_rotary_factor").and_then(Json::as_f64) {
            set("rope.dimension_count", Value::U64((self.head_dim()? as f64 * part) as u64));
        }
        if let Some(Json::Array(layers)) = self.members.get("layer_types") {
            let windows = layers.iter().map(|layer| layer.as_str() == Some("sliding_attention")).collect();
            set("attention.sliding_window_pattern", Value::Bools(windows));
        }
        if self.class.heads != Heads::None {
            set("attention.causal", Value::Bool(false));
        }
        if self.class.heads == Heads::Labels {
            set("pooling_type", Value::U64(4));
            set("classifier.output_labels", Value::Strings(self.labels.clone()));
        }
        factors::keys(&self.members, self.head_dim()?, &mut set)
    }
}

/// What a member holds; `None` for null.
fn number(name: &str, value: &Json, kind: Kind) -> Result<Option<Value>> {
    match (kind, value) {
        (_, Json::Null) => Ok(None),
        (Kind::Whole, value) if value.is_u64() => Ok(value.as_u64().map(Value::U64)),
        (Kind::Number, value) if value.is_number() => Ok(value.as_f64().map(Value::F64)),
        _ => bail!(
            BadMetadata,
            "config.json says {name} otherwise than by a number; take another repository of the model"
        ),
    }
}

fn labels(members: &Map<String, Json>) -> Vec<String> {
    let Some(Json::Object(named)) = members.get("id2label") else { return Vec::new() };
    let mut labels: Vec<(u32, String)> =
        named.iter().filter_map(|(id, label)| Some((id.parse().ok()?, label.as_str()?.to_string()))).collect();
    labels.sort();
    labels.into_iter().map(|(_, label)| label).collect()
}

/// A file of JSON. `BadMetadata` names it where it is none.
pub fn parse<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(Code::BadMetadata, format!("{name} is not as it should be ({e}); download it again")))
}
