//! Tokenizer and chat template without a model: a file's header is enough.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::{JsResult, text, thrown, to_js};
use sotto::file::gguf::HeaderParser;
use sotto::wire::header::ModelText;

/// One file: the bytes of its header go in, in order; a [`Text`] comes out.
#[wasm_bindgen]
pub struct TextLoader {
    parser: RefCell<HeaderParser>,
    text: RefCell<Option<ModelText>>,
}

#[wasm_bindgen]
impl TextLoader {
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "a page calls it: there is no default in JavaScript")]
    pub fn new() -> TextLoader {
        TextLoader { parser: RefCell::default(), text: RefCell::default() }
    }

    /// Whether this was enough.
    pub fn push(&self, chunk: &[u8]) -> JsResult<bool> {
        let Some((header, _)) = self.parser.borrow_mut().push(chunk).map_err(thrown)? else { return Ok(false) };
        *self.text.borrow_mut() = Some(ModelText::new(header).map_err(thrown)?);
        Ok(true)
    }

    pub fn finish(self) -> JsResult<Text> {
        match self.text.into_inner() {
            Some(text) => Ok(Text(text)),
            None => Err(thrown(self.parser.into_inner().finish())),
        }
    }
}

#[wasm_bindgen]
pub struct Text(ModelText);

#[wasm_bindgen]
impl Text {
    /// A chat template alone, for `render_chat`.
    pub fn of_template(source: &JsValue) -> JsResult<Text> {
        ModelText::of_template(text::text_of(source)?).map(Text).map_err(thrown)
    }

    pub fn header(&self) -> JsResult<JsValue> {
        to_js(&self.0.header)
    }

    pub fn tokenize(&self, text: &JsValue, options: JsValue) -> JsResult<Vec<u32>> {
        text::tokenize(self.0.tokenizer().map_err(thrown)?, text, options)
    }

    pub fn detokenize(&self, ids: JsValue, options: JsValue) -> JsResult<String> {
        text::detokenize(self.0.tokenizer().map_err(thrown)?, ids, options)
    }

    pub fn pieces(&self, ids: JsValue) -> JsResult<JsValue> {
        text::pieces(self.0.tokenizer().map_err(thrown)?, ids)
    }

    pub fn render_chat(&self, messages: JsValue, options: JsValue) -> JsResult<String> {
        text::render_chat(&self.0.templates, self.0.tokenizer().ok(), messages, options)
    }
}
