//! Tiny models as repositories whose weights a package has quantised (`tests/golden/make_packed.py`).

use std::fs::read;
use std::path::Path;

use serde_json::{Value as Json, from_slice, json};

use super::repository::{Files, write};

/// Matrices that are in the package's file: theirs, GGUF's.
pub const MATRICES: [(&str, &str); 4] = [
    ("model.layers.0.self_attn.q_proj", "blk.0.attn_q.weight"),
    ("model.layers.0.self_attn.o_proj", "blk.0.attn_output.weight"),
    ("model.layers.0.mlp.gate_proj", "blk.0.ffn_gate.weight"),
    ("model.layers.0.mlp.down_proj", "blk.0.ffn_down.weight"),
];

/// The file of floats, and the package's.
pub const FLOATS: &str = "model-00001-of-00002.safetensors";
pub const CODES: &str = "model-00002-of-00002.safetensors";

/// The repository of a tiny model, of which these matrices are in a file that a package wrote; `None` where there is none of
/// this name.
pub fn repository(name: &str) -> Option<Files> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
    let said: Json = from_slice(&read(golden.join("packed.json")).ok()?).ok()?;
    let codes = read(golden.join(format!("packed/{name}.safetensors"))).ok()?;
    let mut twin = super::assemble(super::find("llama-f32")?);
    twin.tensors.retain(|tensor| !MATRICES.iter().any(|(_, ours)| *ours == tensor.name));
    let mut files = write(&mut twin, 1);
    let mut config: Json = from_slice(&files["config.json"]).ok()?;
    let member = said[name]["member"].as_str()?;
    config[member] = said[name]["said"].clone();
    files.insert("config.json".into(), config.to_string().into_bytes());
    let length = u64::from_le_bytes(*codes.first_chunk()?) as usize;
    let header: Json = from_slice(codes.get(8..8 + length)?).ok()?;
    let there =
        header.as_object()?.keys().filter(|name| *name != "__metadata__").map(|name| (name.clone(), json!(CODES)));
    let mut map: serde_json::Map<String, Json> = there.collect();
    map.insert("model.norm.weight".into(), json!(FLOATS));
    let index = json!({ "metadata": {}, "weight_map": map });
    files.insert("model.safetensors.index.json".into(), index.to_string().into_bytes());
    let floats = files.remove("model.safetensors")?;
    files.insert(FLOATS.into(), floats);
    files.insert(CODES.into(), codes);
    Some(files)
}
