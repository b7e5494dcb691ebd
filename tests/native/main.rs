//! Every native test but those of single kernels: headers, text, whole models, generations, devices.

mod common;

mod architectures;
mod archs;
mod backend;
mod bad_files;
mod calls;
mod chat;
mod commands;
mod config;
mod constrained_chat;
mod constraint;
mod conversations;
mod eval;
mod forms;
mod forward;
mod generation;
mod gguf;
mod gguf_memory;
mod nets;
mod quant;
mod quant_gpu;
mod real_models;
mod replies;
mod store;
mod structured;
mod template;
mod template_hostile;
mod template_jinja;
mod template_messages;
mod threads;
mod tiny_headers;
mod tiny_models;
mod tokenizer;
mod tune;
mod wire;
