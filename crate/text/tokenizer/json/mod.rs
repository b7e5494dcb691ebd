//! A tokenizer of Hugging Face's `tokenizer.json`, and of what stands beside it, as the metadata that GGUF has of
//! tokenizers. What GGUF has no key for is under `tokenizer.json.*`.
//!
//! So one implementation reads both, and the crate `tokenizers` need not be whole in a page: with all its kinds of steps,
//! and the tables of Unicode that these bring, it would add 400 kB to the first load.

mod around;
mod beside;
mod file;
mod tokens;
mod way;

pub use beside::Beside;

use serde_json::{Map, Value as Json};

use self::around::Around;
use self::file::{Added, File};
use self::tokens::Tokens;
use self::way::Way;
use super::Tokenizer;
use super::named::ROLES;
use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::{Metadata, Value};

/// What else ends a reply, where several tokens do.
const MORE_ENDS: [&str; 2] = ["eot", "eom"];

impl Tokenizer {
    /// The tokenizer of the bytes of a `tokenizer.json`, and of the `tokenizer_config.json` beside it, if there is one.
    ///
    /// Errors: `BadMetadata` where they are no such files or contradict themselves, `UnsupportedTokenizer` where a step is
    /// not known.
    pub fn from_json(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Tokenizer> {
        let config: Option<Map<String, Json>> =
            config.map(|bytes| parsed("tokenizer_config.json", bytes)).transpose()?;
        let mut metadata = Metadata::default();
        keys(tokenizer, &Beside { configs: [config.as_ref(), None, None], rows: None }, &mut metadata)?;
        Tokenizer::from_metadata(&mut metadata)
    }
}

/// Adds the keys that [`Tokenizer::from_metadata`] reads, `tokenizer.ggml.tokens` among them. Errors as
/// [`Tokenizer::from_json`].
pub fn keys(tokenizer: &[u8], beside: &Beside, metadata: &mut Metadata) -> Result<()> {
    let file: File = parsed("tokenizer.json", tokenizer)?;
    let (way, around) = (Way::read(&file)?, Around::read(&file, beside)?);
    let mut set = |key: &str, value: Value| {
        metadata.insert(format!("tokenizer.{key}"), value);
    };
    let File { model, added_tokens, .. } = file;
    let unknown = (model.unk_token, model.unk_id);
    let mut tokens = Tokens::new(model.vocab, &added_tokens, model.byte_fallback)?;
    if let Some(rows) = beside.rows {
        tokens.fit(rows)?;
    }

    let id = |text: &str| tokens.id(text);
    for (role, key) in ROLES {
        let stated = beside.text(role).and_then(id).or_else(|| beside.ids(role).first().copied());
        let found = stated.or_else(|| match role {
            "bos" => around.begin.as_deref().and_then(id),
            "eos" => around.end.as_deref().and_then(id),
            "unk" => unknown.0.as_deref().and_then(id).or(unknown.1),
            _ => None,
        });
        if let Some(found) = found {
            set(&format!("ggml.{key}_token_id"), Value::U64(found.into()));
        }
    }
    let eos = beside.text("eos").and_then(id).or_else(|| beside.ids("eos").first().copied());
    let others = beside.ids("eos").into_iter().filter(|end| Some(*end) != eos);
    for (key, other) in MORE_ENDS.into_iter().zip(others) {
        set(&format!("ggml.{key}_token_id"), Value::U64(other.into()));
    }
    let place = |text: &Option<String>| match text.as_deref().map(|text| (text, id(text))) {
        None => Ok(-1),
        Some((_, Some(id))) => Ok(i64::from(id)),
        Some((text, None)) => {
            bail!(BadMetadata, "tokenizer.json puts {text:?} around texts, which is none of its tokens; fetch it again")
        }
    };
    let frame = vec![place(&around.begin)?, place(&around.end)?, around.twice.into(), around.typed.into()];
    set("json.frame", Value::Ints(frame));
    let ids = |strips: fn(&Added) -> bool| {
        Value::Ints(added_tokens.iter().filter(|token| strips(token)).map(|token| token.id.into()).collect())
    };
    set("json.lstrip", ids(|token| token.lstrip));
    set("json.rstrip", ids(|token| token.rstrip));

    set("ggml.model", Value::Str(way.model.into()));
    if let Some(pre) = way.pre {
        set("ggml.pre", Value::Str(pre.into()));
    }
    if let Some(map) = way.charsmap {
        set("ggml.precompiled_charsmap", Value::Ints(map.into_iter().map(i64::from).collect()));
    }
    if let Some(types) = beside.types() {
        set("ggml.token_type_count", Value::U64(types));
    }
    for (key, flag) in [
        ("ggml.remove_extra_whitespaces", way.collapse),
        ("ggml.normalizer.lowercase", way.lowercase),
        ("ggml.normalizer.strip_accents", way.strip),
        ("json.ignore_merges", model.ignore_merges),
        ("json.split", way.split),
        ("json.tidy", way.tidy),
        ("json.composed", way.composed),
    ] {
        set(key, Value::Bool(flag));
    }
    set("json.prefix", Value::U64(way.prefix as u64));
    set("ggml.merges", Value::Strings(model.merges.into_iter().flatten().map(|merge| merge.0).collect()));
    let Tokens { texts, kinds, scores } = tokens;
    if !scores.is_empty() {
        set("ggml.scores", Value::Floats(scores));
    }
    set("ggml.token_type", Value::Ints(kinds));
    set("ggml.tokens", Value::Strings(texts));
    Ok(())
}

fn parsed<'a, T: serde::Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(Code::BadMetadata, format!("{name} cannot be read ({e}); fetch it again")))
}
