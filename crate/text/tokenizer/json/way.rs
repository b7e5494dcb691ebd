//! How a text is normalized and cut before tokens are made of it, as the steps of `tokenizer.json` say: of each kind of
//! model those that it has in the field. Any other is refused by its name, since it would give other tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::super::{Prefix, pre};
use super::file::{File, Words};
use crate::bail;
use crate::base::error::Result;

const BLANK: &str = "\u{2581}";
const BYTES: &str = "ByteLevel";

/// A tokenizer as the keys of a GGUF file name it, and what these cannot say.
#[derive(Default)]
pub struct Way {
    /// `tokenizer.ggml.model`.
    pub model: &'static str,
    /// `tokenizer.ggml.pre`.
    pub pre: Option<&'static str>,
    pub prefix: Prefix,
    /// Words begin at blanks, and no token is made across their borders.
    pub split: bool,
    /// Letters and their marks become one character where there is one (NFC).
    pub composed: bool,
    pub lowercase: bool,
    /// Marks are taken off letters.
    pub strip: bool,
    /// SentencePiece's map of characters.
    pub charsmap: Option<Vec<u8>>,
    /// Runs of blanks count as one, and none at the ends.
    pub collapse: bool,
    /// Runs of spaces count as one, and there are no blanks at the end.
    pub tidy: bool,
}

impl Way {
    /// Errors: `UnsupportedTokenizer`, naming the step.
    pub fn read(file: &File) -> Result<Way> {
        let (normal, cuts) = (steps(&file.normalizer, "normalizers"), steps(&file.pre_tokenizer, "pretokenizers"));
        let kind = file.model.kind.as_deref().unwrap_or(match (&file.model.vocab, &file.model.merges) {
            (Words::Scores(_), _) => "Unigram",
            (_, Some(_)) => "BPE",
            (_, None) => "WordPiece",
        });
        match kind {
            "BPE" if cuts.iter().any(|step| name(step) == BYTES) => of_bytes(file, &normal, &cuts),
            "BPE" => of_characters(file, &normal, &cuts),
            "WordPiece" => of_pieces(file, &normal, &cuts),
            "Unigram" => of_scores(&normal, &cuts),
            _ => bail!(UnsupportedTokenizer, "The tokenizer {kind:?} of tokenizer.json is not supported"),
        }
    }
}

/// A step, or those of a sequence.
fn steps<'a>(step: &'a Json, list: &str) -> Vec<&'a Json> {
    match (step, step.get(list).and_then(Json::as_array)) {
        (Json::Null, _) => Vec::new(),
        (_, Some(list)) if name(step) == "Sequence" => list.iter().collect(),
        _ => vec![step],
    }
}

pub fn name(step: &Json) -> &str {
    step["type"].as_str().unwrap_or_default()
}

fn flag(step: &Json, key: &str, default: bool) -> bool {
    step[key].as_bool().unwrap_or(default)
}

fn unknown<T>(what: &str, step: &Json) -> Result<T> {
    let step = step.to_string();
    let start: String = step.chars().take(200).collect();
    bail!(UnsupportedTokenizer, "The {what} {start} of tokenizer.json is not supported with its kind of tokens")
}

/// Byte-level BPE.
fn of_bytes(file: &File, normal: &[&Json], cuts: &[&Json]) -> Result<Way> {
    without_affixes(file)?;
    let mut way = Way { model: "gpt2", ..Way::default() };
    for step in normal {
        match name(step) {
            "NFC" => way.composed = true,
            _ => return unknown("normalizer", step),
        }
    }
    let mut patterns = Vec::new();
    for (at, step) in cuts.iter().enumerate() {
        let inverted = flag(step, "invert", false);
        match (name(step), step["behavior"].as_str(), step["pattern"]["Regex"].as_str()) {
            (BYTES, ..) => {
                if flag(step, "add_prefix_space", true) {
                    if at > 0 {
                        return unknown("pre-tokenizer", step);
                    }
                    way.prefix = Prefix::Always;
                }
                patterns.extend(flag(step, "use_regex", true).then_some(pre::GPT2));
            }
            ("Split", Some("Isolated"), Some(pattern)) if !inverted => patterns.push(pattern),
            ("Split", Some("Removed"), Some(pattern)) if inverted => patterns.push(pattern),
            ("Digits", ..) => patterns.push(if flag(step, "individual_digits", false) { r"\p{N}" } else { r"\p{N}+" }),
            _ => return unknown("pre-tokenizer", step),
        }
    }
    match pre::of_patterns(&patterns, file.model.ignore_merges) {
        Some(name) => Ok(Way { pre: Some(name), ..way }),
        None => unknown("pre-tokenizer", &file.pre_tokenizer),
    }
}

/// No token of BPE says that a word goes on, or ends.
fn without_affixes(file: &File) -> Result<()> {
    let affixes = [&file.model.continuing_subword_prefix, &file.model.end_of_word_suffix];
    if let Some(affix) = affixes.into_iter().flatten().find(|affix| !affix.is_empty()) {
        bail!(
            UnsupportedTokenizer,
            "The BPE of tokenizer.json marks parts of words by {affix:?}, which is not supported"
        );
    }
    Ok(())
}

/// BPE of characters, whose blanks are SentencePiece's.
fn of_characters(file: &File, normal: &[&Json], cuts: &[&Json]) -> Result<Way> {
    without_affixes(file)?;
    let mut way = Way { model: "merges", ..Way::default() };
    let mut blanks = false;
    for step in normal {
        match (name(step), step["pattern"]["String"].as_str()) {
            ("Prepend", _) if step["prepend"] == BLANK => way.prefix = Prefix::Each,
            ("Replace", Some(" ")) if step["content"] == BLANK => blanks = true,
            _ => return unknown("normalizer", step),
        }
    }
    for step in cuts {
        match (name(step), step["pattern"]["String"].as_str()) {
            ("Metaspace", _) => {
                blanks = true;
                (way.prefix, way.split) = metaspace(step)?;
            }
            // There are none any more.
            ("Split", Some(" ")) if blanks => {}
            _ => return unknown("pre-tokenizer", step),
        }
    }
    if !blanks || !file.model.byte_fallback || file.model.ignore_merges {
        bail!(
            UnsupportedTokenizer,
            "The BPE of tokenizer.json is neither of bytes nor of characters with bytes for the rest"
        );
    }
    Ok(way)
}

/// What Metaspace puts before words, and whether it cuts between them.
fn metaspace(step: &Json) -> Result<(Prefix, bool)> {
    let always = flag(step, "add_prefix_space", true);
    let prefix = match step["prepend_scheme"].as_str() {
        Some("never") => Prefix::None,
        Some("first") => Prefix::First,
        _ if always => Prefix::Always,
        _ => Prefix::None,
    };
    match step["replacement"].as_str() {
        Some(BLANK) | None => Ok((prefix, flag(step, "split", true))),
        Some(_) => unknown("pre-tokenizer", step),
    }
}

/// BERT's.
fn of_pieces(file: &File, normal: &[&Json], cuts: &[&Json]) -> Result<Way> {
    let [step] = normal else { return unknown("normalizer", &file.normalizer) };
    let whole = ["clean_text", "handle_chinese_chars"].iter().all(|key| flag(step, key, true));
    if name(step) != "BertNormalizer" || !whole {
        return unknown("normalizer", step);
    }
    if !matches!(cuts, [step] if name(step) == "BertPreTokenizer") {
        return unknown("pre-tokenizer", &file.pre_tokenizer);
    }
    let inside = file.model.continuing_subword_prefix.as_deref().unwrap_or("##");
    if inside != "##" || file.model.max_input_chars_per_word.is_some_and(|most| most != 100) {
        bail!(
            UnsupportedTokenizer,
            "The WordPiece of tokenizer.json is not BERT's, with ## and words of 100 characters"
        );
    }
    let lowercase = flag(step, "lowercase", true);
    Ok(Way { model: "bert", lowercase, strip: flag(step, "strip_accents", lowercase), ..Way::default() })
}

/// Unigram, as SentencePiece's models are converted.
fn of_scores(normal: &[&Json], cuts: &[&Json]) -> Result<Way> {
    let mut way = Way { model: "t5", ..Way::default() };
    let (mut ends, mut runs, mut words, mut marked) = (false, false, false, false);
    for step in normal {
        match (name(step), step["pattern"]["Regex"].as_str()) {
            ("Precompiled", _) => {
                let map = step["precompiled_charsmap"].as_str().unwrap_or_default();
                let Ok(map) = STANDARD.decode(map) else { return unknown("normalizer", step) };
                way.charsmap = Some(map);
            }
            ("Strip", _) if flag(step, "strip_right", true) => ends = true,
            ("Replace", Some(" {2,}")) if step["content"] == BLANK || step["content"] == " " => runs = true,
            _ => return unknown("normalizer", step),
        }
    }
    for step in cuts {
        match name(step) {
            "WhitespaceSplit" => words = true,
            "Metaspace" => {
                marked = true;
                (way.prefix, way.split) = metaspace(step)?;
            }
            _ => return unknown("pre-tokenizer", step),
        }
    }
    (way.collapse, way.tidy) = (words, ends && runs);
    // Words that were cut before are all marked.
    let known = if words { way.prefix == Prefix::Always } else { ends == runs };
    if !marked || !known {
        bail!(UnsupportedTokenizer, "The Unigram of tokenizer.json treats blanks in a way that is not supported");
    }
    Ok(way)
}
