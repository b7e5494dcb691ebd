//! Tokenizer, chat template and verdict without a model: a file's header is enough.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::{Adapter, JsResult, ROOM, from_js, text, thrown, to_js};
use serde::Deserialize;
use sotto::base::error::{Code, Error};
use sotto::file::gguf::{Header, HeaderParser, Joined};
use sotto::kernels::choose::{AdapterName, Caps};
use sotto::run::rate;
use sotto::run::verdict::{self, Around};
use sotto::wire::header::ModelText;
use sotto::wire::inspect::Inspection;
use sotto::wire::options::LoadOptions;

/// One model: the bytes of its header go in, in order; a [`Text`] comes out.
#[wasm_bindgen]
pub struct TextLoader {
    parser: RefCell<HeaderParser>,
    /// Of the model's files so far.
    headers: RefCell<Vec<Header>>,
    /// Why the header cannot be read to its end, where that is no error.
    refused: RefCell<Option<Error>>,
    judges: bool,
}

#[wasm_bindgen]
impl TextLoader {
    #[wasm_bindgen(constructor)]
    pub fn new(judges: bool) -> TextLoader {
        TextLoader { parser: RefCell::default(), headers: RefCell::default(), refused: RefCell::default(), judges }
    }

    /// Whether this was enough of this file; the next bytes are those of the model's next.
    pub fn push(&self, chunk: &[u8]) -> JsResult<bool> {
        let pushed = self.parser.borrow_mut().push(chunk);
        match pushed {
            Ok(None) => return Ok(false),
            Ok(Some((header, _))) => {
                self.parser.take();
                self.headers.borrow_mut().push(header);
            }
            Err(error) if self.judges && error.code == Code::UnsupportedTensorType => {
                self.headers.borrow_mut().push(self.parser.take().so_far());
                self.refused.borrow_mut().get_or_insert(error);
            }
            Err(error) => return Err(thrown(error)),
        }
        Ok(true)
    }

    /// `count`: the files that there should be.
    pub fn finish(self, count: usize) -> JsResult<Text> {
        let mut headers = self.headers.into_inner();
        if headers.len() < count {
            return Err(thrown(self.parser.into_inner().finish()));
        }
        let text = match self.refused.into_inner() {
            Some(why) => ModelText::refused(headers.swap_remove(0), why),
            None => Joined::new(headers).and_then(|joined| ModelText::new(joined.header)),
        };
        text.map(Text).map_err(thrown)
    }
}

/// What the worker knows of where a model is to run.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Surroundings {
    adapter: Option<Adapter>,
    max_binding: f64,
    subgroups: bool,
    f16: bool,
    dot: bool,
    budget: Option<Budget>,
    threads: u32,
    cpu_rate: Option<f64>,
    gpu_rate: Option<f64>,
}

#[derive(Deserialize)]
struct Budget {
    bytes: f64,
    who: String,
}

impl Surroundings {
    fn around(self, heap: u64) -> Around {
        let Surroundings { max_binding, subgroups, f16, dot, budget, threads, cpu_rate, gpu_rate, .. } = self;
        let caps = self.adapter.map(AdapterName::from).map(|adapter| Caps {
            subgroups,
            subgroup_min: if subgroups { 4 } else { 0 },
            f16,
            dot,
            timestamps: false,
            max_binding: max_binding as u64,
            is_software: adapter.is_software(),
            adapter,
        });
        let budget = budget.map(|Budget { bytes, who }| verdict::Budget { bytes: bytes as u64, who });
        Around { caps, room: Some(ROOM), budget, heap, threads, cpu_rate, gpu_rate }
    }
}

/// Weights that a thread multiplies in a second; it takes a few milliseconds to learn.
#[wasm_bindgen]
pub async fn cpu_rate() -> JsResult<f64> {
    rate::cpu().await.map_err(thrown)
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

    /// What it is, and whether it runs in this place.
    pub fn inspect(&self, options: JsValue, place: JsValue) -> JsResult<JsValue> {
        let options = from_js::<LoadOptions>("options object", options)?.into();
        let around = from_js::<Surroundings>("place", place)?.around(self.0.heap);
        to_js(&Inspection::of(&self.0, &options, &around).map_err(thrown)?)
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
