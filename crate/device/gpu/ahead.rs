//! Kernels compiled ahead in a browser, on its own threads, while the device takes uploads. wgpu's web backend creates
//! pipelines one after the other only; so the device hands out those that were made ahead when wgpu asks for them.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::kernels::face::Access;

#[wasm_bindgen]
extern "C" {
    type Device;
    #[wasm_bindgen(method, js_name = createShaderModule)]
    fn shader_module(this: &Device, descriptor: &Object) -> JsValue;
    #[wasm_bindgen(method, js_name = createBindGroupLayout)]
    fn bind_group_layout(this: &Device, descriptor: &Object) -> JsValue;
    #[wasm_bindgen(method, js_name = createPipelineLayout)]
    fn pipeline_layout(this: &Device, descriptor: &Object) -> JsValue;
    #[wasm_bindgen(method, js_name = createComputePipelineAsync)]
    fn compute_pipeline_async(this: &Device, descriptor: &Object) -> Promise;
}

/// What was made ahead and not asked for yet, by name.
type Made = Rc<RefCell<HashMap<String, JsValue>>>;

#[derive(Default)]
pub struct Ahead {
    made: Made,
    /// What is under way, by name.
    pending: RefCell<HashMap<&'static str, oneshot::Receiver<()>>>,
    /// What stands in for the device's `createComputePipeline`.
    create: OnceCell<Closure<dyn FnMut(JsValue) -> JsValue>>,
}

fn object(members: &[(&str, &JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        drop(Reflect::set(&object, &(*name).into(), value));
    }
    object
}

impl Ahead {
    /// Begins to compile a kernel; its bindings are as [`super::Gpu::compile`] makes them.
    pub fn begin(&self, device: &wgpu::Device, name: &'static str, source: &str, bindings: &[Access]) {
        let Some(device) = device.as_webgpu() else { return };
        let device: &Device = device.unchecked_ref();
        self.create.get_or_init(|| hand_out(device, self.made.clone()));
        let types = bindings.iter().map(|access| match access {
            Access::Read => "read-only-storage",
            Access::Write => "storage",
        });
        let entries: Array = (0..)
            .zip(types.chain(["uniform"]))
            .map(|(binding, kind)| {
                const COMPUTE: u32 = 4;
                let buffer = object(&[("type", &kind.into())]);
                object(&[("binding", &binding.into()), ("visibility", &COMPUTE.into()), ("buffer", &buffer)])
            })
            .collect::<Vec<Object>>()
            .iter()
            .collect();
        let layouts = Array::of1(&device.bind_group_layout(&object(&[("entries", &entries)])));
        let layout = device.pipeline_layout(&object(&[("bindGroupLayouts", &layouts)]));
        let module = device.shader_module(&object(&[("label", &name.into()), ("code", &source.into())]));
        let compute = object(&[("module", &module), ("entryPoint", &"main".into())]);
        let promise = device.compute_pipeline_async(&object(&[
            ("label", &name.into()),
            ("layout", &layout),
            ("compute", &compute),
        ]));
        let (sender, receiver) = oneshot::channel();
        self.pending.borrow_mut().insert(name, receiver);
        let made = self.made.clone();
        spawn_local(async move {
            // One that fails fails again when it is asked for, and is reported then.
            if let Ok(pipeline) = JsFuture::from(promise).await {
                made.borrow_mut().insert(name.to_string(), pipeline);
            }
            let _ = sender.send(());
        });
    }

    /// Waits until a kernel that was begun is there.
    pub async fn done(&self, name: &str) {
        let pending = self.pending.borrow_mut().remove(name);
        if let Some(receiver) = pending {
            let _ = receiver.await;
        }
    }
}

/// Lets `device` answer with a pipeline of the same label that was made ahead, if there is one.
fn hand_out(device: &Device, made: Made) -> Closure<dyn FnMut(JsValue) -> JsValue> {
    let device: JsValue = AsRef::<JsValue>::as_ref(device).clone();
    let method = JsValue::from("createComputePipeline");
    let original: Function = Reflect::get(&device, &method).unwrap_or_default().unchecked_into();
    let this = device.clone();
    let create = Closure::new(move |descriptor: JsValue| {
        let label = Reflect::get(&descriptor, &"label".into()).ok().and_then(|label| label.as_string());
        let found = label.and_then(|label| made.borrow_mut().remove(&label));
        found.unwrap_or_else(|| original.call1(&this, &descriptor).unwrap_or_default())
    });
    drop(Reflect::set(&device, &method, create.as_ref()));
    create
}
