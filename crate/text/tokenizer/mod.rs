//! Text ↔ token ids, from a GGUF file's `tokenizer.ggml.*` metadata.
//!
//! Byte-level BPE ("gpt2", merged by the crate `tokenizers`), SentencePiece-style merging by score ("llama") or by a list, of
//! whole texts ("gemma4") or of words ("whitespace"), the encoders' WordPiece ("bert") and Unigram ("t5"), and those of RWKV and
//! PLaMo 2. Those that Hugging Face's library has are read from its `tokenizer.json`, too ([`json`]). Around all: special
//! tokens are cut out of the text first, where the caller allows them, and what texts begin and end with is added as the
//! file says.

mod ahead;
mod automaton;
mod bpe;
mod charsmap;
mod encode;
mod frame;
pub mod json;
mod letters;
mod named;
mod plamo;
mod pre;
mod rwkv;
mod special;
mod split;
mod spm;
mod stream;
mod unigram;
mod vocab;
mod wordpiece;

pub use frame::Input;
pub use stream::StreamDecoder;

use bpe::Bpe;
use frame::Frame;
use named::Named;
use plamo::Plamo;
use pre::Pre;
use rwkv::Rwkv;
use special::SpecialTokens;
use spm::Spm;
use unigram::Unigram;
use vocab::{Kind, Vocab};
use wordpiece::WordPiece;

use crate::bail;
use crate::base::error::Result;
use crate::file::{Metadata, Value};

/// Longer texts are refused: no context holds them, and merging takes some 40 bytes a character.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// How a text is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Add BOS and EOS where the file asks for them and the text does not have them.
    pub add_special: bool,
    /// Texts of control tokens become these tokens. Only for text that the caller vouches for.
    pub parse_special: bool,
}

/// Ways to make tokens of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Bpe,
    Spm,
    /// BPE of characters: a list of merges as byte-level BPE has it, blanks and bytes as SentencePiece has them.
    Merges,
    /// The same as a tokenizer.json has it, which says how blanks are treated.
    Pairs,
    /// The same, word by word; blanks are no tokens.
    Words,
    WordPiece,
    Unigram,
    Rwkv,
    Plamo,
}

/// The values of `tokenizer.ggml.model`.
const METHODS: [(&str, Method); 9] = [
    ("gpt2", Method::Bpe),
    ("llama", Method::Spm),
    ("gemma4", Method::Merges),
    ("merges", Method::Pairs),
    ("bert", Method::WordPiece),
    ("t5", Method::Unigram),
    ("whitespace", Method::Words),
    ("rwkv", Method::Rwkv),
    ("plamo2", Method::Plamo),
];

/// The values of `tokenizer.ggml.pre` with which "gpt2" means BPE of characters.
const CHARACTERS: [&str; 3] = ["gemma4", "granite-embed-multi-311m", "sarvam-moe"];

/// Where a blank is put before a text, as SentencePiece does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    /// Nowhere.
    #[default]
    None,
    /// Where it begins, and behind each token that was cut out of it.
    Each,
    /// The same, unless there is one.
    Always,
    /// Where it begins, unless there is one.
    First,
}

impl Prefix {
    const ALL: [Prefix; 4] = [Prefix::None, Prefix::Each, Prefix::Always, Prefix::First];
}

enum Model {
    Bpe(Box<Bpe>),
    Spm(Box<Spm>),
    Words {
        spm: Box<Spm>,
        lowercase: bool,
    },
    Rwkv(Box<Rwkv>),
    Plamo(Box<Plamo>),
    WordPiece(Box<WordPiece>),
    Unigram(Box<Unigram>),
    /// The file has no vocabulary: ids only.
    None,
}

/// A model's tokenizer: text to token ids and back.
pub struct Tokenizer {
    vocab: Vocab,
    special: SpecialTokens,
    model: Model,
    n_vocab: usize,
    named: Named,
    frame: Frame,
    eog: Vec<u32>,
    prefix: Prefix,
    /// Texts are normalized to NFC.
    composed: bool,
    /// Tokens that take the blanks before them, and those behind them.
    strips: [Vec<u32>; 2],
}

impl Tokenizer {
    /// Moves the vocabulary out of the metadata.
    ///
    /// Errors: `BadMetadata` for missing, mistyped or contradictory keys, `UnsupportedTokenizer`
    /// for a kind of tokenizer or pre-tokenizer that is not known.
    pub fn from_metadata(metadata: &mut Metadata) -> Result<Tokenizer> {
        let name = metadata.str("tokenizer.ggml.model")?.unwrap_or("none").to_string();
        if matches!(name.as_str(), "none" | "no_vocab") {
            return without_vocab(metadata);
        }
        let Some(&(_, method)) = METHODS.iter().find(|(known, _)| *known == name) else {
            bail!(
                UnsupportedTokenizer,
                "The tokenizer \"{name}\" (tokenizer.ggml.model) is not supported; {} are",
                METHODS.map(|(known, _)| format!("\"{known}\"")).join(", ")
            )
        };
        let pre = metadata.str("tokenizer.ggml.pre")?;
        let characters = method == Method::Bpe && pre.is_some_and(|pre| CHARACTERS.contains(&pre));
        let method = if characters { Method::Merges } else { method };
        let pre = if method == Method::Bpe { Some(family(pre)?) } else { None };

        let Some(mut tokens) = metadata.take_strings("tokenizer.ggml.tokens")? else {
            bail!(BadMetadata, "tokenizer.ggml.tokens is missing: the file has no vocabulary");
        };
        if tokens.is_empty() {
            bail!(BadMetadata, "tokenizer.ggml.tokens is empty");
        }
        let kinds = kinds(metadata, tokens.len())?;
        if method == Method::WordPiece {
            wordpiece::restore(&mut tokens, &kinds);
        }
        let mut vocab = Vocab::new(&tokens, kinds)?;
        let n_vocab = vocab.len();

        let named = Named::read(metadata, &mut vocab, method)?;
        let frame = named.frame(metadata, &vocab, method, pre.is_some_and(|pre| pre.add_bos))?;
        let has_prefix = matches!(method, Method::Spm | Method::Unigram)
            && metadata.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
        let prefix = match metadata.u32("tokenizer.json.prefix")? {
            Some(number) => Prefix::ALL.get(number as usize).copied().unwrap_or_default(),
            None if has_prefix => Prefix::Each,
            None => Prefix::None,
        };
        let flag = |key: &str| metadata.bool(&format!("tokenizer.json.{key}"));
        let ids = |key: &str| -> Result<Vec<u32>> {
            let ids = metadata.ints(&format!("tokenizer.json.{key}"))?.unwrap_or_default();
            Ok(ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect())
        };
        let (whole_words, split, composed) = (flag("ignore_merges")?, flag("split")?, flag("composed")?);
        let strips = [ids("lstrip")?, ids("rstrip")?];

        let eog = special::mark_control_tokens(&mut vocab, &named.ends());
        let special = SpecialTokens::new(&vocab);
        let unknown = named.get("unk");
        let model = match (method, pre) {
            (Method::WordPiece, _) => Model::WordPiece(Box::new(WordPiece::new(metadata, &vocab, unknown)?)),
            (Method::Unigram, _) => {
                let scores = scores(metadata, n_vocab)?;
                Model::Unigram(Box::new(Unigram::new(metadata, &vocab, scores, unknown)?))
            }
            (Method::Bpe, Some(pre)) => {
                let whole_words = whole_words.unwrap_or(pre.ignore_merges);
                Model::Bpe(Box::new(Bpe::new(tokens, merges(metadata)?, pre, whole_words)?))
            }
            (Method::Words, _) => Model::Words {
                spm: Box::new(Spm::of_merges(&vocab, &merges(metadata)?, unknown)?),
                lowercase: metadata.bool("tokenizer.ggml.normalizer.lowercase")?.unwrap_or(false),
            },
            (Method::Rwkv, _) => Model::Rwkv(Box::new(Rwkv::new(&vocab, unknown))),
            (Method::Plamo, _) => Model::Plamo(Box::new(Plamo::new(&vocab, scores(metadata, n_vocab)?))),
            (Method::Pairs, _) => {
                let spm = Spm::of_merges(&vocab, &merges(metadata)?, unknown)?;
                Model::Spm(Box::new(spm.cut_at_blanks(split.unwrap_or(false))))
            }
            (Method::Merges, _) => Model::Spm(Box::new(Spm::of_merges(&vocab, &merges(metadata)?, unknown)?)),
            _ => Model::Spm(Box::new(Spm::new(&vocab, scores(metadata, n_vocab)?, unknown))),
        };
        let composed = composed.unwrap_or(false);
        Ok(Tokenizer { vocab, special, model, n_vocab, named, frame, eog, prefix, composed, strips })
    }

    /// A text of so many bytes has at least this many tokens.
    pub fn fewest_tokens(&self, text_bytes: usize) -> usize {
        match self.model {
            // An unknown word is one token, however long, and blanks may be none.
            Model::WordPiece(_) | Model::Unigram(_) | Model::Words { .. } => 0,
            // Blanks go with a token, and three letters become one.
            _ if self.composed || self.strips.iter().any(|ids| !ids.is_empty()) => 0,
            _ => text_bytes / self.vocab.max_token_bytes().max(1),
        }
    }

    /// Tells a hopeless prompt without reading it: `PromptTooLong` where a text of so many bytes surely has more than `most`
    /// tokens.
    pub fn check_bytes(&self, bytes: usize, most: usize) -> Result<()> {
        if self.fewest_tokens(bytes) > most {
            bail!(
                PromptTooLong,
                "The prompt has {bytes} bytes but the context holds {most} tokens; shorten it or load the model with a larger contextLength."
            );
        }
        Ok(())
    }

    /// The text of a sequence; broken UTF-8 becomes U+FFFD, unknown ids nothing. The blank that
    /// the tokenizer put before the first word is taken away again.
    pub fn decode(&self, ids: &[u32], keep_special: bool) -> String {
        if matches!(self.model, Model::WordPiece(_)) {
            let shown = ids.iter().filter(|id| keep_special || !self.is_special(**id));
            return wordpiece::decode(shown.filter_map(|id| Some(self.vocab.text(*id)?.to_string())).collect());
        }
        let mut bytes = Vec::new();
        let mut at_start = self.prefix != Prefix::None && !matches!(self.model, Model::Bpe(_));
        for &id in ids {
            let start = bytes.len();
            self.append_bytes(id, keep_special, &mut bytes);
            if at_start && !self.is_special(id) {
                at_start = false;
                if bytes.get(start) == Some(&b' ') {
                    bytes.remove(start);
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes that a token stands for; control tokens stand for their text.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        let text = self.vocab.text(id)?;
        let hex = || u8::from_str_radix(text.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok();
        Some(match (self.vocab.kind(id)?, &self.model) {
            (Kind::Control | Kind::Unknown | Kind::UserDefined, _) => text.as_bytes().to_vec(),
            (Kind::Byte, _) => hex().map_or_else(|| text.as_bytes().to_vec(), |byte| vec![byte]),
            (_, Model::Spm(_) | Model::Unigram(_)) => spm::token_bytes(text),
            (_, Model::WordPiece(_)) => wordpiece::token_bytes(text),
            (_, Model::Rwkv(_)) => rwkv::token_bytes(text),
            (_, Model::Words { .. } | Model::Plamo(_)) => text.as_bytes().to_vec(),
            (_, _) => bpe::token_bytes(text),
        })
    }

    fn append_bytes(&self, id: u32, keep_special: bool, out: &mut Vec<u8>) {
        if keep_special || !self.is_special(id) {
            out.extend(self.token_bytes(id).unwrap_or_default());
        }
    }

    /// The token with exactly this text, as the file writes it.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.vocab.id(text)
    }

    /// The token's text, as the file writes it.
    pub fn token_text(&self, id: u32) -> Option<&str> {
        self.vocab.text(id)
    }

    /// The control token that starts `text`, and its bytes.
    pub fn control_at(&self, text: &str) -> Option<(u32, usize)> {
        self.special.match_at(&self.vocab, text, true).filter(|(id, _)| self.is_special(*id))
    }

    /// Whether a control token starts `text`.
    pub fn starts_with_control(&self, text: &str) -> bool {
        self.control_at(text).is_some()
    }

    /// Control or unknown token: shown only where special tokens are kept.
    pub fn is_special(&self, id: u32) -> bool {
        self.vocab.kind(id).is_some_and(Kind::is_special)
    }

    /// Tokens of the vocabulary.
    pub fn n_vocab(&self) -> usize {
        self.n_vocab
    }

    /// The token that texts begin with, where there is one.
    pub fn bos(&self) -> Option<u32> {
        self.named.get("bos")
    }

    /// The token that ends a text, where there is one.
    pub fn eos(&self) -> Option<u32> {
        self.named.get("eos")
    }

    /// The token that stands for a hidden word, where there is one.
    pub fn mask(&self) -> Option<u32> {
        self.named.get("mask")
    }

    /// The tokens that have a role, by Hugging Face's name for it: `bos`, `eos`, `unk`, `pad`, …
    pub fn named_tokens(&self) -> impl Iterator<Item = (&'static str, Option<u32>)> {
        self.named.all()
    }

    /// The texts of the control tokens.
    pub fn control_texts(&self) -> impl Iterator<Item = &str> {
        let control = |&(_, kind): &(u32, Kind)| kind == Kind::Control;
        self.vocab.kinds().filter(control).filter_map(|(id, _)| self.vocab.text(id))
    }

    /// Whether texts start with BOS (`tokenizer.ggml.add_bos_token` or the model type's default).
    pub fn adds_bos(&self) -> bool {
        self.frame.begin.is_some()
    }

    /// The tokens that end a generation, ascending: EOS, EOT, EOM and the well-known end texts.
    pub fn eog_ids(&self) -> &[u32] {
        &self.eog
    }
}

/// How texts are cut where `tokenizer.ggml.pre` is this.
fn family(pre: Option<&str>) -> Result<&'static Pre> {
    match pre::find(pre) {
        Some(family) => Ok(family),
        None => bail!(
            UnsupportedTokenizer,
            "The pre-tokenizer \"{}\" (tokenizer.ggml.pre) is not supported",
            pre.unwrap_or_default()
        ),
    }
}

fn without_vocab(metadata: &Metadata) -> Result<Tokenizer> {
    let architecture = metadata.str("general.architecture")?.unwrap_or_default();
    let n_vocab = metadata.u32(&format!("{architecture}.vocab_size"))?.unwrap_or(0) as usize;
    let vocab = Vocab::new(&[], Vec::new())?;
    let special = SpecialTokens::new(&vocab);
    Ok(Tokenizer {
        vocab,
        special,
        model: Model::None,
        n_vocab,
        named: Named::default(),
        frame: Frame::default(),
        eog: Vec::new(),
        prefix: Prefix::None,
        composed: false,
        strips: Default::default(),
    })
}

fn kinds(metadata: &Metadata, n_tokens: usize) -> Result<Vec<Kind>> {
    match metadata.ints("tokenizer.ggml.token_type")? {
        None => Ok(vec![Kind::Normal; n_tokens]),
        Some(types) if types.len() < n_tokens => {
            bail!(BadMetadata, "tokenizer.ggml.token_type has {} entries for {n_tokens} tokens", types.len())
        }
        Some(types) => Ok(types[..n_tokens].iter().map(|t| Kind::from_ggml(*t)).collect()),
    }
}

fn merges(metadata: &mut Metadata) -> Result<Vec<String>> {
    let Some(merges) = metadata.take_strings("tokenizer.ggml.merges")? else {
        bail!(BadMetadata, "tokenizer.ggml.merges is missing: a vocabulary of BPE needs it");
    };
    Ok(merges)
}

fn scores(metadata: &Metadata, n_tokens: usize) -> Result<Vec<f32>> {
    const KEY: &str = "tokenizer.ggml.scores";
    let mut scores = match metadata.get(KEY) {
        None => bail!(BadMetadata, "{KEY} is missing: this vocabulary cuts texts by it; convert the model again"),
        Some(Value::Ints(whole)) => whole.iter().map(|score| *score as f32).collect(),
        Some(_) => metadata.floats(KEY)?.unwrap_or_default().to_vec(),
    };
    if scores.len() < n_tokens {
        bail!(BadMetadata, "{KEY} has {} entries for {n_tokens} tokens", scores.len());
    }
    scores.truncate(n_tokens);
    if let Some(token) = scores.iter().position(|score| score.is_nan()) {
        bail!(BadMetadata, "{KEY} has no number for token {token}; the file is damaged");
    }
    Ok(scores)
}
