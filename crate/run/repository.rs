//! A repository of Hugging Face as one file of GGUF: what stands beside the weights first, then the files' heads, then
//! their bytes.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::Converter;
use crate::file::importance::Importance;
use crate::file::safetensors::{Head, HeadParser, Heads, Repository, parse, rows_of_embedding};
use crate::file::{Metadata, Value};
use crate::quant::TensorType;
use crate::text::tokenizer::json::{self, Beside};

/// A file that may stand beside the weights.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path in the repository.
    pub path: &'static str,
    /// Bytes that it has at most: one with more is refused, not read.
    pub most: u64,
    /// Whether nothing goes without it.
    pub needed: bool,
}

const MB: u64 = 1 << 20;
const CONFIG: &str = "config.json";
const INDEX: &str = "model.safetensors.index.json";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const GENERATION: &str = "generation_config.json";
const TEMPLATE: &str = "chat_template.jinja";
const OLD_TEMPLATE: &str = "chat_template.json";
const MODULES: &str = "modules.json";
const POOLING: &str = "1_Pooling/config.json";

const fn file(path: &'static str, megabytes: u64, needed: bool) -> File {
    File { path, most: megabytes * MB, needed }
}

/// All of them. The largest vocabularies there are have files of some 35 MB.
pub const FILES: [File; 9] = [
    file(CONFIG, 4, true),
    file(TOKENIZER, 64, true),
    file(INDEX, 16, false),
    file(TOKENIZER_CONFIG, 16, false),
    file(GENERATION, 1, false),
    file(TEMPLATE, 1, false),
    file(OLD_TEMPLATE, 1, false),
    file(MODULES, 1, false),
    file(POOLING, 1, false),
];

/// A repository whose files come one after the other.
pub struct Reading {
    repository: Repository,
    tokenizer: Vec<u8>,
    texts: Metadata,
    configs: [Option<Map<String, Json>>; 2],
    quantize: Option<TensorType>,
    importance: Importance,
    heads: Vec<Head>,
    parser: HeadParser,
}

impl Reading {
    /// `files`: those of [`FILES`] that there are, by their paths; `name`: what the model is called.
    ///
    /// Errors: `MissingPart` where one is missing that is needed, and those of [`Repository::open`].
    pub fn new(name: &str, mut files: HashMap<String, Vec<u8>>, quantize: Option<TensorType>) -> Result<Reading> {
        for File { path, most, needed } in FILES {
            match files.get(path) {
                None if needed => {
                    bail!(MissingPart, "The repository has no {path}; take one that has, or a GGUF file of the model")
                }
                Some(bytes) if bytes.len() as u64 > most => return Err(too_large(path, most)),
                _ => {}
            }
        }
        let read = |path: &str| files.get(path).map(|bytes| parse::<Json>(path, bytes)).transpose();
        let members = |path: &str| {
            Ok(read(path)?.and_then(|json| if let Json::Object(members) = json { Some(members) } else { None }))
        };
        let mut repository = Repository::open(
            name,
            files.get(CONFIG).map(Vec::as_slice).unwrap_or_default(),
            files.get(INDEX).map(Vec::as_slice),
        )?;
        if repository.class().heads == Heads::States {
            pooling(
                read(MODULES)?.as_ref(),
                read(POOLING)?.as_ref(),
                repository.class().arch,
                &mut repository.metadata,
            )?;
        }
        let configs: [Option<Map<String, Json>>; 2] = [members(TOKENIZER_CONFIG)?, members(GENERATION)?];
        let mut texts = Metadata::default();
        let own = files.get(TEMPLATE).map(|bytes| Json::String(String::from_utf8_lossy(bytes).into_owned()));
        let old = read(OLD_TEMPLATE)?.map(|mut json| json["chat_template"].take()).filter(|json| !json.is_null());
        let template = own.or(old).or_else(|| configs[0].as_ref()?.get("chat_template").cloned());
        templates(template, &mut texts);
        sampling(configs[1].as_ref(), &mut texts);
        let tokenizer = files.remove(TOKENIZER).unwrap_or_default();
        let parser = HeadParser::new(Code::BadHeader);
        let importance = Importance::new();
        Ok(Reading { repository, tokenizer, texts, configs, quantize, importance, heads: Vec::new(), parser })
    }

    /// How much columns count, by the names of matrices in the GGUF file.
    pub fn set_importance(&mut self, importance: Importance) {
        self.importance = importance;
    }

    /// The files of the weights, in the order in which their heads and their bytes are wanted.
    pub fn weights(&self) -> Vec<String> {
        self.repository.files()
    }

    /// The first bytes of the next file of weights, in order; whether they were enough.
    pub fn push_head(&mut self, bytes: &[u8]) -> Result<bool> {
        let Some(head) = self.parser.push(bytes)? else { return Ok(false) };
        self.parser = HeadParser::new(Code::BadHeader);
        self.heads.push(head);
        Ok(true)
    }

    /// Once the heads of all are there. Errors: those of [`Repository::convert`], `UnsupportedTokenizer`.
    pub fn finish(self) -> Result<Converter> {
        let Reading { mut repository, tokenizer, texts, configs, quantize, importance, heads, .. } = self;
        let rows = rows_of_embedding(repository.class(), &heads);
        let mut metadata = std::mem::take(&mut repository.metadata);
        for (key, value) in texts.iter() {
            metadata.insert(key, value.clone());
        }
        let [of_tokenizer, generation] = &configs;
        let beside = Beside { configs: [of_tokenizer.as_ref(), generation.as_ref(), Some(repository.members())], rows };
        json::keys(&tokenizer, &beside, &mut metadata)?;
        repository.metadata = metadata;
        repository.convert(heads, quantize, importance)
    }
}

/// The error of a file that is larger than any of its kind.
pub fn too_large(path: &str, most: u64) -> Error {
    Error::new(
        Code::BadMetadata,
        format!("{path} has more than {} MB, which is absurd; take another repository of the model", most / MB),
    )
}

/// How the library sentence-transformers pools states: its member, and GGUF's number.
const WAYS: [(&str, u64); 3] =
    [("pooling_mode_mean_tokens", 1), ("pooling_mode_cls_token", 2), ("pooling_mode_lasttoken", 3)];

fn pooling(modules: Option<&Json>, config: Option<&Json>, arch: &str, metadata: &mut Metadata) -> Result<()> {
    let kinds = modules.and_then(Json::as_array).into_iter().flatten().filter_map(|module| module["type"].as_str());
    if kinds.into_iter().any(|kind| kind.ends_with(".Dense")) {
        bail!(
            UnsupportedArchitecture,
            "The repository's vectors go through matrices of their own (modules.json), which is not supported"
        );
    }
    let Some(config) = config else { return Ok(()) };
    let Some((_, number)) = WAYS.iter().find(|(member, _)| config[*member].as_bool() == Some(true)) else {
        bail!(
            UnsupportedArchitecture,
            "{POOLING} pools states in a way that is not supported; mean, first and last are"
        )
    };
    metadata.insert(format!("{arch}.pooling_type"), Value::U64(*number));
    Ok(())
}

/// One template, or several by their names.
fn templates(stated: Option<Json>, metadata: &mut Metadata) {
    match stated {
        Some(Json::String(source)) => drop(metadata.insert("tokenizer.chat_template", Value::Str(source))),
        Some(Json::Array(list)) => {
            for named in list {
                let (Some(name), Some(source)) = (named["name"].as_str(), named["template"].as_str()) else { continue };
                let key = match name {
                    "default" => "tokenizer.chat_template".to_string(),
                    name => format!("tokenizer.chat_template.{name}"),
                };
                metadata.insert(key, Value::Str(source.into()));
            }
        }
        _ => {}
    }
}

/// What a model's makers recommend: their member, and GGUF's key.
const SAMPLING: [(&str, &str); 5] = [
    ("temperature", "temp"),
    ("top_k", "top_k"),
    ("top_p", "top_p"),
    ("min_p", "min_p"),
    ("repetition_penalty", "penalty_repeat"),
];

fn sampling(config: Option<&Map<String, Json>>, metadata: &mut Metadata) {
    for (member, key) in SAMPLING {
        if let Some(number) = config.and_then(|config| config.get(member)?.as_f64()) {
            metadata.insert(format!("general.sampling.{key}"), Value::F64(number));
        }
    }
}
