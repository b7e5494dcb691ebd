//! What a language model that ranks reads: a prompt of its own, with a query and a document in their places.

use crate::bail;
use crate::base::error::Result;
use crate::file::Metadata;
use crate::text::tokenizer::{EncodeOptions, Tokenizer};

/// As Qwen3 Reranker was trained (its model card), and as llama.cpp's converter writes it into files.
const QWEN3: &str = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the \
    Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n\
    <Instruct>: Given a web search query, retrieve relevant passages that answer the query\n\
    <Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

const KEY: &str = "tokenizer.chat_template.rerank";
/// Where a prompt takes the query, and the document.
const PLACES: [&str; 2] = ["{query}", "{document}"];

/// The prompt that a file has, or Qwen3's where the file is only named so: other converters write plain decoders.
pub(super) fn prompt(metadata: &Metadata) -> Result<Option<String>> {
    if let Some(own) = metadata.str(KEY)? {
        if !PLACES.iter().all(|place| own.contains(place)) {
            bail!(
                BadMetadata,
                "{KEY} lacks {} or {}, so all documents would score alike; convert the model again.",
                PLACES[0],
                PLACES[1]
            );
        }
        return Ok(Some(own.into()));
    }
    let says = |key: &str, word: &str| Ok(metadata.str(key)?.is_some_and(|text| text.to_lowercase().contains(word)));
    let named = says("general.name", "reranker")? || says("general.basename", "reranker")?;
    Ok((named && says("general.architecture", "qwen3")?).then(|| QWEN3.into()))
}

/// The tokens of a prompt for this query and document, which name no control tokens. Past `limit` the document loses tokens
/// at its end, and what stands behind it stays.
///
/// Errors: those of the tokenizer; `BadOption` where not even what stands behind the document fits.
pub fn encode_rerank(
    tokenizer: &Tokenizer,
    prompt: &str,
    query: &str,
    document: &str,
    limit: usize,
) -> Result<Vec<u32>> {
    let (mut text, mut guarded, mut rest) = (String::new(), Vec::new(), prompt);
    // The one that comes first, again and again: what is put in is not looked through.
    while let Some((at, name, value)) = next(rest, query, document) {
        text.push_str(&rest[..at]);
        let controls = value.char_indices().filter(|(at, _)| tokenizer.starts_with_control(&value[*at..]));
        guarded.extend(controls.map(|(at, _)| text.len() + at));
        text.push_str(value);
        rest = &rest[at + name.len()..];
    }
    text.push_str(rest);
    let options = EncodeOptions { add_special: false, parse_special: true };
    let mut ids = tokenizer.encode_guarded(&text, options, &guarded)?;
    if ids.len() > limit {
        let behind = tokenizer.encode(rest, options)?.len();
        let Some(end) = limit.checked_sub(behind) else {
            bail!(BadOption, "A context of {limit} tokens has no room for the {behind} that end the model's prompt")
        };
        ids.drain(end..ids.len() - behind);
    }
    Ok(ids)
}

/// Where the next place is, what it is called there, and what it takes.
fn next<'a>(text: &str, query: &'a str, document: &'a str) -> Option<(usize, &'static str, &'a str)> {
    PLACES.into_iter().zip([query, document]).filter_map(|(name, value)| Some((text.find(name)?, name, value))).min()
}
