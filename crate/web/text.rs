//! Calls of a tokenizer and a chat template, with arguments as JavaScript gives them.

use wasm_bindgen::JsValue;

use super::{JsResult, from_js, thrown, to_js};
use sotto::base::error::{Code, Error};
use sotto::text::template::{self, Templates};
use sotto::text::tokenizer::Tokenizer;
use sotto::wire::options::{DetokenizeOptions, RenderChatOptions, TokenizeOptions};

/// Text, for a parameter that wasm would read as text whatever it is.
pub fn text_of(value: &JsValue) -> JsResult<String> {
    value.as_string().ok_or_else(|| thrown(Error::new(Code::BadOption, "The text is not text; give a string.")))
}

pub fn tokenize(tokenizer: &Tokenizer, text: &JsValue, options: JsValue) -> JsResult<Vec<u32>> {
    let options: TokenizeOptions = from_js("options object", options)?;
    tokenizer.encode(&text_of(text)?, options.into()).map_err(thrown)
}

pub fn detokenize(tokenizer: &Tokenizer, ids: JsValue, options: JsValue) -> JsResult<String> {
    let DetokenizeOptions { keep_special } = from_js("options object", options)?;
    Ok(tokenizer.decode(&from_js::<Vec<u32>>("list of ids", ids)?, keep_special))
}

/// The texts of tokens, as the file writes them.
pub fn pieces(tokenizer: &Tokenizer, ids: JsValue) -> JsResult<JsValue> {
    let ids: Vec<u32> = from_js("list of ids", ids)?;
    to_js(&ids.iter().map(|&id| tokenizer.token_text(id).unwrap_or_default()).collect::<Vec<_>>())
}

pub fn render_chat(
    templates: &Templates,
    tokenizer: Option<&Tokenizer>,
    messages: JsValue,
    options: JsValue,
) -> JsResult<String> {
    let (messages, options) =
        (from_js("list of messages", messages)?, from_js::<RenderChatOptions>("options object", options)?);
    template::render_chat(templates, tokenizer, &messages, &options.into()).map_err(thrown)
}
