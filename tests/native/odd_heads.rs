//! What is refused of models with shared keys, embeddings of each layer, latents.

use sotto::base::error::Code;
use sotto::file::gguf::HeaderParser;
use sotto::model;
use tiny_models::archs::ROWS;
use tiny_models::gguf::{Gguf, Value};

/// The error of a tiny model of which something was changed.
fn refused(name: &str, code: Code, says: &str, change: impl FnOnce(&mut Gguf)) {
    let mut file = ROWS.iter().find(|row| row.name == name).expect("a tiny model").assemble();
    change(&mut file);
    let (header, _) = HeaderParser::new().push(&file.to_bytes()).expect("a sound header").expect("a whole header");
    let error = model::read(&header.catalog).expect_err(name);
    assert!(error.code == code && error.message.contains(says), "{name}: {error}");
}

#[test]
fn keys_of_other_layers_have_to_be_there() {
    refused("gemma4", Code::BadMetadata, "none before it has keys of its kind", |file| {
        file.set("gemma4.attention.shared_kv_layers", Value::U32(4));
    });
    refused("gemma4", Code::BadMetadata, "is 6, not 0 to 5", |file| {
        file.set("gemma4.attention.shared_kv_layers", Value::U32(6));
    });
    refused("qwen3vl", Code::UnsupportedArchitecture, "is a mixture of experts", |file| {
        file.set("qwen3vl.expert_count", Value::U32(8));
    });
}

#[test]
fn embeddings_of_each_layer_have_a_width_that_kernels_read() {
    refused("gemma4", Code::UnsupportedArchitecture, "embeddings of 20 numbers", |file| {
        file.set("gemma4.embedding_length_per_layer_input", Value::U32(20));
    });
    refused("gemma4", Code::BadMetadata, "is 16385, not 1 to 16384", |file| {
        file.set("gemma4.embedding_length_per_layer_input", Value::U32(16385));
    });
}

#[test]
fn latents_have_sizes_that_kernels_have_room_for() {
    for (key, number) in [
        ("attention.kv_lora_rank", 544),
        ("attention.kv_lora_rank", 40),
        ("attention.q_lora_rank", 100),
        ("attention.key_length_mla", 16),
        ("attention.value_length_mla", 22),
        ("rope.dimension_count", 18),
    ] {
        refused("deepseek2", Code::UnsupportedArchitecture, "which is not supported", |file| {
            file.set(&format!("deepseek2.{key}"), Value::U32(number));
        });
    }
    refused("deepseek2", Code::UnsupportedArchitecture, "scales scores by the position", |file| {
        file.set("deepseek2.attention.temperature_scale", Value::F32(0.1));
    });
}
