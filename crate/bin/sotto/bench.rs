//! `sotto bench`: speeds, costs and, with `--profile`, where the time goes.

use clap::Args;
use serde_json::Value;
use sotto::base::error::Result;
use sotto::eval::{self, PassTime};
use sotto::wire::options::BenchOptions;

use crate::flags::Flags;
use crate::model::{Model, adapter};
use crate::output::json;

#[derive(Args)]
pub struct Bench {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    options: Flags<BenchOptions>,
}

pub async fn run(args: Bench) -> Result<()> {
    let options = args.options.read("bench")?.into();
    let in_json = args.model.json;
    let (mut engine, load_ms) = args.model.load().await?;
    let bench = eval::bench(&mut engine, &options).await?;
    let mut result = serde_json::json!({
        "prefill_tps": bench.prefill_tps,
        "decode_tps": bench.decode_tps,
        "load_ms": load_ms,
        "ttft_ms": bench.ttft_ms,
        "dispatches_per_token": bench.dispatches_per_token,
        "wasm_peak_bytes": null,
        "gpu_bytes": engine.device.gpu_bytes(),
        "backend": engine.device.backend().as_str(),
        "adapter": adapter(&engine),
        "tuning": engine.model.tuning.lines(),
        "second_load_ms": null,
        "host_peak_bytes": host_peak_bytes(),
    });
    // What is there already keeps its place; the rest follows.
    if let (Some(members), Value::Object(more)) = (result.as_object_mut(), json(&bench)?) {
        members.extend(more);
    }
    if in_json {
        print_line!("{result}");
        return Ok(());
    }
    for (name, value) in result.as_object().into_iter().flatten().filter(|(_, value)| !is_table(value)) {
        print_line!("{name:22} {value}");
    }
    engine.model.tuning.lines().iter().for_each(|line| print_line!("{:22} {line}", "tuned"));
    for l in &bench.lengths {
        print_line!(
            "{:>6} prompt tokens: prefill {:.2}/s, decode {:.2}/s, first token after {:.0} ms",
            l.prompt_tokens,
            l.prefill_tps,
            l.decode_tps,
            l.ttft_ms
        );
    }
    for (what, pass) in bench.profile.iter().flat_map(|p| [("decode", &p.decode), ("prefill", &p.prefill)]) {
        print_pass(what, pass);
    }
    Ok(())
}

fn is_table(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn print_pass(what: &str, pass: &PassTime) {
    print_line!(
        "\n{what}: {} token(s) from position {}, {:.0} µs in one pass, {:.0} µs as the sum of",
        pass.rows,
        pass.position,
        pass.wall_us,
        pass.kernels_us
    );
    print_line!("{:32} {:>6} {:>12} {:>7} {:>14} {:>10}", "kernel", "calls", "µs", "share", "weight bytes", "GB/s");
    for k in &pass.kernels {
        print_line!(
            "{:32} {:>6} {:>12.1} {:>6.1}% {:>14} {:>10.2}",
            k.name,
            k.calls,
            k.us,
            k.share * 100.0,
            k.weight_bytes,
            k.gbps
        );
    }
}

/// The most memory that this process has held, where the system says so (Linux).
fn host_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
