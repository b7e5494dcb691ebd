//! Tokenizer, chat template and verdict without a model: a file's header is enough.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::{JsResult, ROOM, from_js, text, thrown, to_js};
use sotto::base::error::{Code, Error};
use sotto::file::gguf::{Header, HeaderParser, Joined};
use sotto::kernels::choose::{AdapterName, Caps};
use sotto::run::rate;
use sotto::run::verdict::{Around, Budget};
use sotto::wire::header::ModelText;
use sotto::wire::inspect::Judgement;
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

/// Weights that a thread multiplies in a second; it takes a few milliseconds to learn.
#[wasm_bindgen]
pub fn cpu_rate() -> f64 {
    rate::cpu()
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

    /// Whether it runs in a place, which is told by numbers (`www/worker/device.ts`): fewer bytes of code than an object's.
    /// In order: bytes of the adapter's largest buffer, 0 without one; whether it is software, has subgroups, f16, dot;
    /// bytes that `who` allows a page; threads; weights that one multiplies, and bytes that the adapter reads, in a second.
    /// 0 is: not known.
    pub fn inspect(&self, options: JsValue, place: &[f64], who: Option<String>) -> JsResult<JsValue> {
        let options = from_js::<LoadOptions>("options object", options)?.into();
        let &[max_binding, software, subgroups, f16, dot, bytes, threads, cpu_rate, gpu_rate] = place else {
            return Err(thrown(Error::new(Code::Internal, "The place is not told by nine numbers.")));
        };
        let caps = (max_binding > 0.0).then(|| Caps {
            subgroups: subgroups > 0.0,
            subgroup_min: if subgroups > 0.0 { 4 } else { 0 },
            f16: f16 > 0.0,
            dot: dot > 0.0,
            timestamps: false,
            max_binding: max_binding as u64,
            is_software: software > 0.0,
            adapter: AdapterName::default(),
        });
        let known = |number: f64| (number > 0.0).then_some(number);
        let around = Around {
            caps,
            room: Some(ROOM),
            budget: who.map(|who| Budget { bytes: bytes as u64, who }),
            heap: self.0.heap,
            threads: threads as u32,
            cpu_rate: known(cpu_rate),
            gpu_rate: known(gpu_rate),
        };
        to_js(&Judgement::of(&self.0, &options, &around).map_err(thrown)?)
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
