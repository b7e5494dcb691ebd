//! What a model file says before its weights, and what can be done with its text by that alone.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::base::error::{Code, Error, Result};
use crate::base::platform;
use crate::file::gguf::Header;
use crate::file::{Catalog, Metadata, Value};
use crate::model;
use crate::model::spec::Net;
use crate::run::verdict::Subject;
use crate::text::template::{self, RenderOptions, Templates};
use crate::text::tokenizer::Tokenizer;

/// What a model file says before its weights.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelHeader {
    /// `general.architecture` of the file.
    pub architecture: String,
    /// `general.name` of the file; may be empty.
    pub name: String,
    /// `model`, or what else the file is: `adapter`, `vocab`, …; `null` where it does not say.
    pub kind: Option<String>,
    /// Of the GGUF format.
    pub version: u32,
    /// What the whole file takes.
    pub file_bytes: u64,
    /// Parameters: the elements of all tensors.
    pub n_params: u64,
    /// How many tensors it has.
    pub n_tensors: usize,
    /// Its tensors by type, the type with most bytes first; none where the file holds a vocabulary only.
    pub types: Vec<TypeCount>,
    /// Tokens of context that the model was trained for.
    pub context_length: Option<u32>,
    /// The architecture's own keys, such as `block_count`.
    pub sizes: Map<String, Json>,
    /// Its tokenizer.
    pub tokenizer: TokenizerInfo,
    /// The tokens that the file names: `bos`, `eos`, `padding`, …
    pub special_tokens: Vec<SpecialToken>,
    /// Token ids that end a reply.
    pub eos_tokens: Vec<u32>,
    /// Its chat template: Jinja's source; `null` where it has none.
    pub chat_template: Option<String>,
}

/// The tensors of one type.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypeCount {
    /// The type: `Q4_K`, `F32`, …
    pub name: &'static str,
    /// How many tensors are of it.
    pub n_tensors: usize,
    /// What they take together.
    pub bytes: u64,
}

/// The tokenizer that a file describes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenizerInfo {
    /// As the file calls it: `gpt2`, `llama`, …
    pub model: Option<String>,
    /// How texts are split before, in models that do.
    pub pre: Option<String>,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Whether texts start with BOS.
    pub adds_bos: bool,
    /// Why there is none to tokenize with; `null` where there is one.
    pub error: Option<String>,
}

/// A token with a role.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpecialToken {
    /// Its role.
    pub name: String,
    /// Its token id.
    pub id: u32,
    /// Its text; `null` where the vocabulary lacks it.
    pub text: Option<String>,
}

impl ModelHeader {
    /// `BadMetadata` where keys that every file has are of another kind.
    fn of(header: &Header, tokenizer: &Result<Tokenizer>) -> Result<ModelHeader> {
        let metadata = &header.catalog.metadata;
        let text = |key: &str| metadata.str(key).map(|text| text.map(str::to_string));
        let architecture = text("general.architecture")?.unwrap_or_default();
        let prefix = format!("{architecture}.");
        let own = |(key, value): (&str, &Value)| Some((key.strip_prefix(&prefix)?.to_string(), as_json(value)));
        let known = tokenizer.as_ref().ok();
        Ok(ModelHeader {
            name: text("general.name")?.unwrap_or_else(|| architecture.clone()),
            kind: text("general.type")?,
            version: header.version,
            file_bytes: header.catalog.file_bytes,
            n_params: header.catalog.tensors.iter().map(|tensor| tensor.shape.iter().product::<u64>()).sum(),
            n_tensors: header.catalog.tensors.len(),
            types: types(header),
            context_length: metadata.u32(&format!("{prefix}context_length"))?,
            sizes: metadata.iter().filter_map(own).collect(),
            tokenizer: TokenizerInfo {
                model: text("tokenizer.ggml.model")?,
                pre: text("tokenizer.ggml.pre")?,
                vocab_size: known.map_or(0, Tokenizer::n_vocab),
                adds_bos: known.is_some_and(Tokenizer::adds_bos),
                error: tokenizer.as_ref().err().map(|error| error.message.clone()),
            },
            special_tokens: special_tokens(header, known),
            eos_tokens: known.map_or(Vec::new(), |tokenizer| tokenizer.eog_ids().to_vec()),
            chat_template: Templates::from_metadata(metadata)?.chat,
            architecture,
        })
    }
}

fn types(header: &Header) -> Vec<TypeCount> {
    let mut types: HashMap<&'static str, TypeCount> = HashMap::new();
    for tensor in &header.catalog.tensors {
        let name = tensor.kind.name();
        let sum = types.entry(name).or_insert(TypeCount { name, n_tensors: 0, bytes: 0 });
        sum.n_tensors += 1;
        sum.bytes += tensor.bytes;
    }
    let mut types: Vec<TypeCount> = types.into_values().collect();
    types.sort_by_key(|sum| (std::cmp::Reverse(sum.bytes), sum.name));
    types
}

/// The tokens that the file names, and BOS and EOS where its tokenizer has them unnamed.
fn special_tokens(header: &Header, tokenizer: Option<&Tokenizer>) -> Vec<SpecialToken> {
    let mut named: Vec<(String, u32)> = header
        .catalog
        .metadata
        .iter()
        .filter_map(|(key, value)| {
            let name = key.strip_prefix("tokenizer.ggml.")?.strip_suffix("_token_id")?;
            let Value::U64(id) = value else { return None };
            Some((name.to_string(), u32::try_from(*id).ok()?))
        })
        .collect();
    for (name, id) in [("bos", tokenizer.and_then(Tokenizer::bos)), ("eos", tokenizer.and_then(Tokenizer::eos))] {
        if let Some(id) = id.filter(|_| named.iter().all(|(other, _)| other != name)) {
            named.push((name.into(), id));
        }
    }
    let text = |id| tokenizer.and_then(|tokenizer| tokenizer.token_text(id)).map(str::to_string);
    named.into_iter().map(|(name, id)| SpecialToken { name, id, text: text(id) }).collect()
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::U64(number) => json!(number),
        Value::I64(number) => json!(number),
        Value::F64(number) => json!(super::shortest(*number)),
        Value::Bool(flag) => json!(flag),
        Value::Str(text) => json!(text),
        Value::Ints(list) => json!(list),
        Value::Floats(list) => list.iter().map(|number| super::shortest(f64::from(*number))).collect(),
        Value::Bools(list) => json!(list),
        Value::Strings(list) => json!(list),
    }
}

/// A model's tokenizer and chat template, without its weights.
pub struct ModelText {
    /// What the file says.
    pub header: ModelHeader,
    /// Its chat templates.
    pub templates: Templates,
    /// Its tensors, and the keys that describe it as a whole.
    pub catalog: Catalog,
    /// Bytes of the program's memory once all of this is there; 0 natively.
    pub heap: u64,
    tokenizer: Result<Tokenizer>,
    net: Result<Net>,
}

impl ModelText {
    /// `BadMetadata` as for [`ModelHeader`]. What is wrong with the tokenizer is told where it is needed.
    pub fn new(header: Header) -> Result<ModelText> {
        // The browser's store, or the file that it is given, can be read again.
        let net = model::read(&header.catalog).map(Net::of_file);
        ModelText::with(header, net)
    }

    /// Of a file whose header could not be read to its end.
    pub fn refused(header: Header, why: Error) -> Result<ModelText> {
        ModelText::with(header, Err(why))
    }

    fn with(mut header: Header, net: Result<Net>) -> Result<ModelText> {
        let tokenizer = Tokenizer::from_metadata(&mut header.catalog.metadata);
        ModelText::new_of(header, net, tokenizer)
    }

    fn new_of(header: Header, net: Result<Net>, tokenizer: Result<Tokenizer>) -> Result<ModelText> {
        let templates = Templates::from_metadata(&header.catalog.metadata)?;
        let (facts, mut catalog) = (ModelHeader::of(&header, &tokenizer)?, header.catalog);
        let heap = platform::wasm_bytes();
        // What the tokenizer was made of is large, and of no more use.
        catalog.metadata.keep(|key| key.starts_with("general."));
        Ok(ModelText { header: facts, templates, catalog, heap, tokenizer, net })
    }

    /// What a verdict is about.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            catalog: &self.catalog,
            net: self.net.as_ref(),
            refused: self.tokenizer.as_ref().err(),
            chats: self.templates.chat.is_some(),
        }
    }

    /// A chat template alone: there is nothing to tokenize with.
    pub fn of_template(source: String) -> Result<ModelText> {
        let mut metadata = Metadata::default();
        metadata.insert("tokenizer.chat_template", Value::Str(source));
        let header = Header { version: 0, catalog: Catalog { metadata, ..Catalog::default() }, data_offset: 0 };
        let why = "There is only a chat template here; open a model file to tokenize with.";
        let none = Error::new(Code::UnsupportedTokenizer, why);
        ModelText::new_of(header, Err(none.clone()), Err(none))
    }

    /// `UnsupportedTokenizer` and `BadMetadata` where the file has none that works.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        self.tokenizer.as_ref().map_err(Error::clone)
    }

    /// The text that the model's template makes of messages. `NoTemplate` where it has none.
    pub fn render(&self, messages: &Json, options: &RenderOptions) -> Result<String> {
        template::render_chat(&self.templates, self.tokenizer.as_ref().ok(), messages, options)
    }
}
