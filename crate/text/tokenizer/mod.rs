//! Text ↔ token ids, from a GGUF file's `tokenizer.ggml.*` metadata.
//!
//! Byte-level BPE ("gpt2", merged by the crate `tokenizers`), SentencePiece-style merging by score ("llama") or by a list, of
//! whole texts ("gemma4") or of words ("whitespace"), the encoders' WordPiece ("bert") and Unigram ("t5"), and those of RWKV and
//! PLaMo 2. Around all: special tokens are cut out of the text first, where the caller allows them, and what texts begin and end
//! with is added as the file says.

mod ahead;
mod automaton;
mod bpe;
mod charsmap;
mod frame;
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
use special::{Piece, SpecialTokens};
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
    /// The same, word by word; blanks are no tokens.
    Words,
    WordPiece,
    Unigram,
    Rwkv,
    Plamo,
}

/// The values of `tokenizer.ggml.model`.
const METHODS: [(&str, Method); 8] = [
    ("gpt2", Method::Bpe),
    ("llama", Method::Spm),
    ("gemma4", Method::Merges),
    ("bert", Method::WordPiece),
    ("t5", Method::Unigram),
    ("whitespace", Method::Words),
    ("rwkv", Method::Rwkv),
    ("plamo2", Method::Plamo),
];

/// The values of `tokenizer.ggml.pre` with which "gpt2" means BPE of characters.
const CHARACTERS: [&str; 3] = ["gemma4", "granite-embed-multi-311m", "sarvam-moe"];

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
    add_space_prefix: bool,
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
        let prefix = matches!(method, Method::Spm | Method::Unigram);
        let add_space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true) && prefix;

        let eog = special::mark_control_tokens(&mut vocab, &named.ends());
        let special = SpecialTokens::new(&vocab);
        let unknown = named.get("unk");
        let model = match (method, pre) {
            (Method::WordPiece, _) => Model::WordPiece(Box::new(WordPiece::new(metadata, &vocab, unknown)?)),
            (Method::Unigram, _) => {
                let scores = scores(metadata, n_vocab)?;
                Model::Unigram(Box::new(Unigram::new(metadata, &vocab, scores, unknown)?))
            }
            (Method::Bpe, Some(pre)) => Model::Bpe(Box::new(Bpe::new(tokens, merges(metadata)?, pre)?)),
            (Method::Words, _) => Model::Words {
                spm: Box::new(Spm::of_merges(&vocab, &merges(metadata)?, unknown)?),
                lowercase: metadata.bool("tokenizer.ggml.normalizer.lowercase")?.unwrap_or(false),
            },
            (Method::Rwkv, _) => Model::Rwkv(Box::new(Rwkv::new(&vocab, unknown))),
            (Method::Plamo, _) => Model::Plamo(Box::new(Plamo::new(&vocab, scores(metadata, n_vocab)?))),
            (Method::Merges, _) => Model::Spm(Box::new(Spm::of_merges(&vocab, &merges(metadata)?, unknown)?)),
            _ => Model::Spm(Box::new(Spm::new(&vocab, scores(metadata, n_vocab)?, unknown))),
        };
        Ok(Tokenizer { vocab, special, model, n_vocab, named, frame, eog, add_space_prefix })
    }

    /// A text of so many bytes has at least this many tokens.
    pub fn fewest_tokens(&self, text_bytes: usize) -> usize {
        match self.model {
            // An unknown word is one token, however long, and blanks may be none.
            Model::WordPiece(_) | Model::Unigram(_) | Model::Words { .. } => 0,
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

    /// The ids of a text. `PromptTooLong` past [`MAX_TEXT_BYTES`].
    pub fn encode(&self, text: &str, options: EncodeOptions) -> Result<Vec<u32>> {
        self.encode_guarded(text, options, &[])
    }

    /// As [`encode`](Self::encode); no control token starts at a byte offset in `guarded`
    /// (ascending), so that text from elsewhere can stand between a template's control tokens.
    pub fn encode_guarded(&self, text: &str, options: EncodeOptions, guarded: &[usize]) -> Result<Vec<u32>> {
        if text.len() > MAX_TEXT_BYTES {
            bail!(PromptTooLong, "The text has {} bytes; at most {MAX_TEXT_BYTES} are tokenized at once", text.len());
        }
        let mut ids = self.encode_pieces(text, options.parse_special, guarded, true)?;
        if options.add_special {
            // Once, where the text has it already.
            let end = self.frame.end.filter(|end| ids.last() != Some(end));
            if let Some(begin) = self.frame.begin.filter(|begin| ids.first() != Some(begin)) {
                ids.insert(0, begin);
            }
            ids.extend(end);
        }
        Ok(ids)
    }

    fn encode_pieces(&self, text: &str, parse_special: bool, guarded: &[usize], begins: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len() / 4 + 2);
        let mut after_special = begins;
        let mut pieces = self.special.split(&self.vocab, text, parse_special, guarded).into_iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Token(id) => ids.push(id),
                Piece::Text(text) => match &self.model {
                    Model::Bpe(bpe) => {
                        // Hugging Face's masks take the blanks before them.
                        let mask = self.mask().map(Piece::Token);
                        let text =
                            if mask.is_some() && pieces.peek() == mask.as_ref() { text.trim_end() } else { text };
                        bpe.encode(text, &mut ids)?;
                    }
                    Model::Spm(spm) if self.add_space_prefix && after_special => {
                        spm.encode(&self.vocab, &format!(" {text}"), &mut ids);
                    }
                    Model::Spm(spm) => spm.encode(&self.vocab, text, &mut ids),
                    Model::Words { spm, lowercase } => {
                        let lower = lowercase.then(|| text.to_lowercase());
                        let words = lower.as_deref().unwrap_or(text).split_whitespace();
                        words.for_each(|word| spm.encode(&self.vocab, word, &mut ids));
                    }
                    Model::Rwkv(rwkv) => rwkv.encode(text, &mut ids),
                    Model::Plamo(plamo) => plamo.encode(&self.vocab, text, &mut ids),
                    Model::WordPiece(words) => words.encode(&self.vocab, text, &mut ids),
                    Model::Unigram(unigram) => {
                        unigram.encode(&self.vocab, text, self.add_space_prefix && after_special, &mut ids);
                    }
                    Model::None => {
                        bail!(UnsupportedTokenizer, "The file has no vocabulary: give token ids instead of text")
                    }
                },
            }
            after_special = matches!(piece, Piece::Token(_));
        }
        Ok(ids)
    }

    /// The ids of a text that goes on after others: without a mark of a beginning, and control tokens' names as text.
    pub fn encode_more(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_pieces(text, false, &[], false)
    }

    /// The text of a sequence; broken UTF-8 becomes U+FFFD, unknown ids nothing. The blank that
    /// the tokenizer put before the first word is taken away again.
    pub fn decode(&self, ids: &[u32], keep_special: bool) -> String {
        if matches!(self.model, Model::WordPiece(_)) {
            let shown = ids.iter().filter(|id| keep_special || !self.is_special(**id));
            return wordpiece::decode(shown.filter_map(|id| Some(self.vocab.text(*id)?.to_string())).collect());
        }
        let mut bytes = Vec::new();
        let mut at_start = self.add_space_prefix;
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
        add_space_prefix: false,
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
        None => return Ok(vec![0.0; n_tokens]),
        Some(Value::Ints(whole)) => whole.iter().map(|score| *score as f32).collect(),
        Some(_) => metadata.floats(KEY)?.unwrap_or_default().to_vec(),
    };
    if scores.len() < n_tokens {
        bail!(BadMetadata, "{KEY} has {} entries for {n_tokens} tokens", scores.len());
    }
    scores.truncate(n_tokens);
    Ok(scores)
}
