//! The flags of every command that runs a model, and the model itself.

use std::time::Instant;

use clap::Args;
use sotto::base::error::Result;
use sotto::run::engine::Engine;
use sotto::run::loader;
use sotto::wire::options::LoadOptions;

use crate::flags::Flags;
use crate::source;

#[derive(Args)]
pub struct Model {
    /// A GGUF file, a folder with a repository of safetensors, or the URL of either
    #[arg(long)]
    model: String,
    /// A smaller model of the same vocabulary, which guesses what comes next
    #[arg(long, value_name = "MODEL")]
    draft: Option<String>,
    #[command(flatten)]
    options: Flags<LoadOptions>,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

impl Model {
    /// The loaded engine and the milliseconds that took.
    pub async fn load(self) -> Result<(Engine, f64)> {
        let options: loader::LoadOptions = self.options.read("load")?.into();
        let started = Instant::now();
        let mut engine = source::load(&self.model, options.clone()).await?;
        if let Some(draft) = &self.draft {
            engine.set_draft(source::load(draft, options.of_draft(&engine)).await?)?;
        }
        Ok((engine, started.elapsed().as_secs_f64() * 1e3))
    }
}

/// The GPU's name; none on the CPU.
pub fn adapter(engine: &Engine) -> Option<String> {
    engine.device.gpu().map(|gpu| gpu.caps.adapter.to_string())
}
