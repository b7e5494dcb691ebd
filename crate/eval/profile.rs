//! Where the time of a forward pass goes: each dispatch timed by the GPU's clock, or on the CPU by its own, summed by
//! kernel variant.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::median;
use super::traffic::reads;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::model::forward::Shape;
use crate::run::batch::{Batch, Row};
use crate::run::engine::Engine;

/// One decoded token, and one whole chunk of a prompt.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// A token after the prompt.
    pub decode: PassTime,
    /// A chunk of the prompt.
    pub prefill: PassTime,
}

/// Where the time of one pass goes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassTime {
    /// Tokens in the pass.
    pub rows: u32,
    /// Position of the first of them.
    pub position: u32,
    /// From submission to done, all dispatches in one pass.
    pub wall_us: f64,
    /// Sum of the dispatches, each in a pass of its own.
    pub kernels_us: f64,
    /// The longest first.
    pub kernels: Vec<KernelTime>,
}

/// All dispatches of one kernel variant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KernelTime {
    /// The variant's name.
    pub name: &'static str,
    /// Its dispatches in the pass.
    pub calls: usize,
    /// Microseconds, all of them together.
    pub us: f64,
    /// Of all kernels' time.
    pub share: f64,
    /// Bytes of weights that they read.
    pub weight_bytes: u64,
    /// Bytes of keys and values that they read.
    pub kv_bytes: u64,
    /// Both kinds of bytes a second, in GB.
    pub gbps: f64,
}

/// Profiles a token at `position` and a chunk from 0, medians of `runs`, in a sequence of its own.
/// `BadOption` where the adapter cannot time kernels.
pub async fn profile(engine: &mut Engine, position: u32, runs: usize) -> Result<Profile> {
    engine.device.check_timestamps()?;
    let rows = engine.model.sizes.max_rows;
    let sequence = engine.open(rows.max(position + 1))?;
    let n_vocab = engine.model.net.n_vocab;
    let batch = |rows: u32, position: u32, prefill: bool| {
        let row = |position| Row { token: made_up(position, n_vocab), position, sequence, logits: !prefill };
        Batch { rows: (position..position + rows).map(row).collect(), prefill }
    };
    let decode = pass(engine, &batch(1, position, false), runs).await;
    let prefill = pass(engine, &batch(rows, 0, true), runs).await;
    engine.close(sequence);
    Ok(Profile { decode: decode?, prefill: prefill? })
}

async fn pass(engine: &mut Engine, batch: &Batch, runs: usize) -> Result<PassTime> {
    let (rows, position, prefill) = (batch.rows.len() as u32, batch.rows[0].position, batch.prefill);
    let outputs = u32::from(!prefill);
    let shape = if prefill { Shape::new(rows, outputs, true, position) } else { engine.decode_shape(position) };
    let cancel = engine.begin();
    engine.model.kv_mut().suppose(batch.rows[0].sequence, position, &mut engine.device)?;
    engine.write_rows(batch)?;
    let (model, device) = (&engine.model, &mut engine.device);
    let recording = model.record(shape)?;
    let prepared = device.prepare(&recording, &cancel).await?;

    let mut wall = Vec::new();
    let mut times = vec![Vec::new(); prepared.len()];
    device.run(&prepared, &cancel).await?;
    device.idle().await?;
    for _ in 0..runs.max(1) {
        cancel.check()?;
        let started = Instant::now();
        device.run(&prepared, &cancel).await?;
        device.idle().await?;
        wall.push(started.elapsed().as_secs_f64() * 1e6);
        for (all, us) in times.iter_mut().zip(device.time(&prepared).await?) {
            all.push(us);
        }
    }

    let mut sums: HashMap<&'static str, KernelTime> = HashMap::new();
    for (dispatch, all) in recording.dispatches.iter().zip(times) {
        let name = dispatch.variant.name();
        let empty = KernelTime { name, calls: 0, us: 0.0, share: 0.0, weight_bytes: 0, kv_bytes: 0, gbps: 0.0 };
        let sum = sums.entry(name).or_insert(empty);
        let read = reads(device, model, dispatch, position..position + rows);
        sum.calls += 1;
        sum.us += median(all);
        sum.weight_bytes += read.weights;
        sum.kv_bytes += read.kv;
    }
    let kernels_us = sums.values().map(|k| k.us).sum::<f64>();
    let mut kernels: Vec<KernelTime> = sums.into_values().collect();
    for k in &mut kernels {
        k.share = k.us / kernels_us;
        k.gbps = if k.us > 0.0 { (k.weight_bytes + k.kv_bytes) as f64 / k.us / 1e3 } else { 0.0 };
    }
    kernels.sort_by(|a, b| b.us.total_cmp(&a.us).then(a.name.cmp(b.name)));
    Ok(PassTime { rows, position, wall_us: median(wall), kernels_us, kernels })
}

/// Tokens that are spread over the vocabulary, and away from the control tokens at its start: any cost the same.
pub(super) fn made_up(position: u32, n_vocab: u32) -> u32 {
    let n_vocab = u64::from(n_vocab);
    ((u64::from(position) * 7919 + n_vocab / 3) % n_vocab) as u32
}
