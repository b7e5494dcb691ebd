//! llama.cpp's adapters: `convert_lora_to_gguf.py` writes them.

use indexmap::IndexMap;

use super::{Adapter, Half, Halves, is_embedding, pair};
use crate::bail;
use crate::base::error::Result;
use crate::file::{Catalog, Tensor, quoted};

/// What a catalog says. `BadAdapter` where it is no LoRA adapter's, or has what is not supported.
pub fn read(catalog: Catalog) -> Result<Adapter> {
    let Catalog { metadata, tensors, file_bytes } = catalog;
    match (metadata.str("general.type")?, metadata.str("adapter.type")?) {
        (Some("adapter"), Some("lora")) => {}
        (Some("adapter"), kind) => {
            bail!(BadAdapter, "The adapter is of the type {}; give a LoRA adapter", quoted(kind.unwrap_or("none")))
        }
        _ => {
            bail!(BadAdapter, "The file is no adapter; load a model by load, and give the file of a LoRA adapter here")
        }
    }
    if metadata.get("adapter.alora.invocation_tokens").is_some() {
        bail!(BadAdapter, "The adapter is to work from some tokens on only (aLoRA), which is not supported");
    }
    let alpha = metadata.f32("adapter.lora.alpha")?.unwrap_or(0.0);
    let mut found: IndexMap<String, Halves> = IndexMap::new();
    for tensor in &tensors {
        let half = [".lora_a", ".lora_b"].iter().position(|end| tensor.name.ends_with(end));
        let Some(at) = half else {
            bail!(BadAdapter, "The adapter has a tensor {} that is not supported", quoted(&tensor.name));
        };
        let target = &tensor.name[..tensor.name.len() - ".lora_a".len()];
        let half = half_of(tensor, at == 0 && is_embedding(target))?;
        found.entry(target.to_string()).or_default()[at] = Some(half);
    }
    let scale = |rank: u64| if alpha == 0.0 { 1.0 } else { alpha / rank as f32 };
    let pairs = found.into_iter().map(|(target, halves)| pair(target, halves, false, scale));
    Ok(Adapter {
        architecture: metadata.str("general.architecture")?.map(String::from),
        base: metadata.str("general.base_model.0.name")?.map(String::from),
        pairs: pairs.collect::<Result<_>>()?,
        file_bytes,
    })
}

fn half_of(tensor: &Tensor, transposed: bool) -> Result<Half> {
    let (length, rows) = match tensor.shape[..] {
        [length] => (length, 1),
        [length, rows] | [length, rows, 1] | [length, rows, 1, 1] => (length, rows),
        _ => bail!(
            BadAdapter,
            "The adapter's tensor {} is one of experts, which cannot be adapted yet; take an adapter without",
            quoted(&tensor.name)
        ),
    };
    let Tensor { name, kind, offset, bytes, .. } = tensor.clone();
    Ok(Half { name, kind, offset, bytes, shape: [rows, length], transposed })
}
