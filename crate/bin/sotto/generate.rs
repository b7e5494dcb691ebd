//! `sotto generate`: replies, streamed or as JSON.

use clap::Args;
use serde_json::json;
use sotto::base::error::Result;
use sotto::run::engine::Prompt;
use sotto::run::session::{Generation, Step};
use sotto::wire::options::GenerateOptions;

use crate::flags::Flags;
use crate::input::{Item, PromptInput};
use crate::model::{Model, adapter};
use crate::output::{out, print, with_name};

#[derive(Args)]
pub struct Generate {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: PromptInput,
    #[command(flatten)]
    options: Flags<GenerateOptions>,
}

pub async fn run(args: Generate) -> Result<()> {
    let items = args.input.read()?;
    let options = args.options.read("generate")?;
    let raw = options.raw;
    let options = options.read()?;
    let in_json = args.model.json;
    let (mut engine, load_ms) = args.model.load().await?;
    let mut results = Vec::new();
    for Item { name, text } in items.list {
        if let (Some(name), false) = (&name, in_json) {
            print_line!("## {name}");
        }
        let prompt = if raw { Prompt::Raw(text) } else { Prompt::Text(text) };
        let mut generation = Generation::new(&mut engine, &prompt, options.clone())?;
        let mut reason = "";
        while let Some(step) = generation.next(&mut engine).await? {
            let piece = match step {
                Step::Prefill { .. } => continue,
                Step::Token { text, .. } => text,
                Step::End { reason: why, text, .. } => {
                    reason = why.as_str();
                    text
                }
            };
            if !in_json {
                out(format_args!("{piece}"));
            }
        }
        let t = generation.timings;
        if in_json {
            let result = json!({
                "prompt_tokens": generation.prompt,
                "tokens": generation.tokens,
                "text": generation.text,
                "finish_reason": reason,
                "timings": { "load_ms": load_ms, "ttft_ms": t.ttft_ms, "prefill_tps": t.prefill_tps, "decode_tps": t.decode_tps },
                "memory": { "wasm_peak_bytes": null, "gpu_bytes": engine.device.gpu_bytes() },
                "backend": engine.device.backend().as_str(),
                "adapter": adapter(&engine),
            });
            results.push(with_name(result, name.as_ref()));
        } else {
            print_line!("");
            warn_line!(
                "[{} tokens, {:.1} tokens/s, first after {:.0} ms, {}]",
                generation.tokens.len(),
                t.decode_tps,
                t.ttft_ms,
                engine.device.name()
            );
        }
    }
    if in_json {
        print(results, items.batch);
    }
    Ok(())
}
