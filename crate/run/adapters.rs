//! The adapters of a loaded model, by the names that callers give them. They come and go while it is loaded, and replies that
//! are under way go on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bail;
use crate::base::error::{Code, Error, Result};
use crate::file::adapter::{Adapter, AdapterParser};
use crate::model::adapter::{AdapterId, Blend, Incoming};
use crate::run::engine::Engine;

/// How much of each adapter is wanted, by its name.
pub type Wanted = BTreeMap<String, f32>;

/// An adapter that is loaded.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadedAdapter {
    /// The name that it was loaded by.
    pub id: String,
    /// The largest rank of its matrices.
    pub rank: u32,
    /// Matrices of the model that it changes.
    pub tensors: usize,
    /// Bytes that it takes on the device.
    pub bytes: u64,
    /// The model that its file says it was made for.
    pub base_model: Option<String>,
}

/// Those of an engine.
#[derive(Default)]
pub struct Named {
    list: Vec<(AdapterId, LoadedAdapter)>,
    arriving: Option<Arriving>,
}

/// One on its way.
struct Arriving {
    name: String,
    base: Option<String>,
    state: State,
}

enum State {
    /// What stands before its numbers, and all bytes so far.
    Header(Box<AdapterParser>, Vec<u8>),
    Numbers(Box<Incoming>),
}

impl Named {
    fn id(&self, name: &str) -> Option<AdapterId> {
        self.list.iter().find(|(_, info)| info.id == name).map(|(id, _)| *id)
    }
}

impl Engine {
    /// The adapters that are loaded, in the order in which they came.
    pub fn adapters(&self) -> Vec<LoadedAdapter> {
        self.named.list.iter().map(|(_, info)| info.clone()).collect()
    }

    /// Begins to load an adapter by a name of its own; one that was on its way is given up. `config`: the text of a PEFT
    /// adapter's `adapter_config.json`. `BadOption` where there is one of this name; `BadAdapter` by the config.
    pub fn begin_adapter(&mut self, name: &str, config: Option<&str>) -> Result<()> {
        self.give_up_adapter();
        if name.is_empty() || self.named.id(name).is_some() {
            let why = if name.is_empty() { "is empty" } else { "names one that is loaded" };
            bail!(BadOption, "The adapter's id {name:?} {why}; give another, or unload that first.");
        }
        let parser = AdapterParser::new(self.model.net.arch, config)?;
        let state = State::Header(Box::new(parser), Vec::new());
        self.named.arriving = Some(Arriving { name: name.to_string(), base: None, state });
        Ok(())
    }

    /// Takes the next bytes of its file. After an error there is no adapter on its way.
    ///
    /// Errors: those of [`AdapterParser::push`]; `BadAdapter` where it does not fit this model; as the device fails.
    pub fn push_adapter(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(mut arriving) = self.named.arriving.take() else {
            bail!(Internal, "Bytes of an adapter came, but none is on its way.");
        };
        match &mut arriving.state {
            State::Numbers(incoming) => incoming.push(bytes, &mut self.device),
            State::Header(parser, held) => {
                held.extend_from_slice(bytes);
                if let Some(adapter) = parser.push(bytes)? {
                    let mut incoming = self.model.begin_adapter(&adapter, &mut self.device)?;
                    incoming.push(held, &mut self.device);
                    let Adapter { base, .. } = adapter;
                    (arriving.base, arriving.state) = (base, State::Numbers(Box::new(incoming)));
                }
            }
        }
        self.named.arriving = Some(arriving);
        Ok(())
    }

    /// The end of its file: from here on texts can be read with it. `Truncated` where bytes are missing; as the device fails.
    pub async fn finish_adapter(&mut self) -> Result<LoadedAdapter> {
        let Some(Arriving { name, base, state }) = self.named.arriving.take() else {
            bail!(Internal, "An adapter was to be ready, but none is on its way.");
        };
        let incoming = match state {
            State::Header(parser, _) => return Err(parser.finish()),
            State::Numbers(incoming) => incoming,
        };
        // Passes bind the buffers that go; what samples on the device goes on with the next.
        self.halt();
        self.passes.clear();
        let id = self.model.finish_adapter(*incoming, &mut self.device)?;
        self.device.idle().await?;
        let Some(loaded) = self.model.adapters().loaded().last() else {
            bail!(Internal, "An adapter was loaded, but is not there.");
        };
        let info = LoadedAdapter {
            id: name,
            rank: loaded.rank(),
            tensors: loaded.tensors(),
            bytes: loaded.bytes(),
            base_model: base,
        };
        self.named.list.push((id, info.clone()));
        Ok(info)
    }

    /// What is on its way is not wanted any more.
    pub fn give_up_adapter(&mut self) {
        if let Some(Arriving { state: State::Numbers(incoming), .. }) = self.named.arriving.take() {
            incoming.give_up(&mut self.device);
        }
    }

    /// Forgets an adapter, and all that was read with it. `BadOption` where there is none of this name, or a reply is under
    /// way with it.
    pub fn unload_adapter(&mut self, name: &str) -> Result<()> {
        let Some(id) = self.named.id(name) else { return Err(self.unknown(name)) };
        self.purge();
        let uses = |blend: &Blend| blend.iter().any(|(used, _)| *used == id);
        if self.live.iter().any(|request| uses(&request.borrow().blend)) {
            bail!(BadOption, "A reply is under way with the adapter {name:?}; unload it once that is over.");
        }
        self.give_up_adapter();
        self.halt();
        self.passes.clear();
        self.model.unload_adapter(id, &mut self.device)?;
        self.model.kv_mut().forget(id);
        self.named.list.retain(|(other, _)| *other != id);
        Ok(())
    }

    /// The adapters that a text is to be read with. `BadOption` for a name of none, or a scale that is no number.
    pub fn blend(&self, wanted: &Wanted) -> Result<Blend> {
        let mut blend = Blend::new();
        for (name, &scale) in wanted {
            let Some(id) = self.named.id(name) else { return Err(self.unknown(name)) };
            if !scale.is_finite() {
                bail!(BadOption, "adapter gives {name:?} the scale {scale}; give a number.");
            }
            if scale != 0.0 {
                blend.push((id, scale));
            }
        }
        blend.sort_by_key(|(id, _)| *id);
        Ok(blend)
    }

    fn unknown(&self, name: &str) -> Error {
        let names: Vec<String> = self.named.list.iter().map(|(_, info)| format!("{:?}", info.id)).collect();
        let there = if names.is_empty() { "none is".into() } else { format!("there are {}", names.join(", ")) };
        let message = format!("adapter names {name:?}, which is not loaded: {there}; load it by adapters.load.");
        Error::new(Code::BadOption, message)
    }
}
