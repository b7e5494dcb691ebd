//! Every native test but those of single kernels: headers, text, whole models, generations, devices.

mod common;

mod architectures;
mod backend;
mod bad_files;
mod chat;
mod commands;
mod config;
mod conversations;
mod eval;
mod forward;
mod generation;
mod gguf;
mod gguf_memory;
mod nets;
mod quant;
mod quant_gpu;
mod real_models;
mod store;
mod template;
mod threads;
mod tiny_headers;
mod tiny_models;
mod tokenizer;
mod tune;
mod wire;
