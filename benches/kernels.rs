//! Every kernel of a model at its shapes: in a decoded token, and in a chunk of a prompt.

use sotto::base::error::Result;
use sotto::model::forward::Shape;

use crate::clock;
use crate::limits::Limits;
use crate::report::Row;
use crate::subject::Subject;

/// The kernels of so many decoded tokens at the first context, at the others those that read the cache.
pub fn decode(
    subject: &mut Subject,
    rows: u32,
    contexts: &[u32],
    limits: Limits,
    emit: &mut dyn FnMut(Row),
) -> Result<()> {
    for (i, &context) in contexts.iter().enumerate() {
        pass(subject, rows, context, false, limits, &mut |row, reads_cache| {
            if i == 0 || reads_cache {
                emit(row);
            }
        })?;
    }
    Ok(())
}

/// The kernels of a whole chunk at the start of a prompt.
pub fn prefill(subject: &mut Subject, limits: Limits, emit: &mut dyn FnMut(Row)) -> Result<()> {
    let rows = subject.model.sizes.max_rows;
    pass(subject, rows, 0, true, limits, &mut |row, _| emit(row))
}

fn pass(
    subject: &mut Subject,
    rows: u32,
    position: u32,
    prefill: bool,
    limits: Limits,
    emit: &mut dyn FnMut(Row, bool),
) -> Result<()> {
    let recording = subject.model.record(Shape::new(rows, 1, prefill, position))?;
    subject.write_batch(rows, position, prefill);
    let times = clock::dispatches(&subject.gpu, &recording)?;
    let weights: Vec<_> = recording.dispatches.iter().map(|d| subject.weight(d)).collect();
    let mut done = vec![false; times.len()];
    for (i, dispatch) in recording.dispatches.iter().enumerate() {
        if done[i] {
            continue;
        }
        let mut same = Vec::new();
        for (j, other) in recording.dispatches.iter().enumerate() {
            if clock::work(other) == clock::work(dispatch) && weights[i] == weights[j] {
                done[j] = true;
                same.push(times[j]);
            }
        }
        let (calls, us) = (same.len(), sotto::eval::median(same));
        let reads = subject.reads(dispatch, rows, position);
        let (bytes, flops) = ((reads.weights + reads.kv) as f64, subject.flops(dispatch, rows, position));
        let name = match &weights[i] {
            Some((tensor, n, k)) => format!("{} {tensor} {n}x{k}", dispatch.variant.name()),
            None => dispatch.variant.name().to_string(),
        };
        let row = Row {
            model: subject.shape.name,
            quant: subject.quant.clone(),
            what: what(rows, prefill),
            name,
            context: position,
            calls,
            ..timed(us, bytes, flops, limits)
        };
        emit(row, reads.kv > 0);
    }
    let reads = sotto::eval::total(&subject.gpu, &subject.model, &recording, position..position + rows);
    let bytes = (reads.weights + reads.kv) as f64;
    let flops = recording.dispatches.iter().map(|d| subject.flops(d, rows, position)).sum();
    let all = Row {
        model: subject.shape.name,
        quant: subject.quant.clone(),
        what: what(rows, prefill),
        name: format!("all {} dispatches of {} layers", times.len(), subject.model.net.blocks.len()),
        context: position,
        calls: 1,
        ..timed(times.iter().sum(), bytes, flops, limits)
    };
    emit(all, true);
    Ok(())
}

fn what(rows: u32, prefill: bool) -> String {
    match (prefill, rows) {
        (true, _) => format!("kernel@{rows}"),
        (false, 1) => "kernel".into(),
        (false, _) => format!("kernel of {rows}"),
    }
}

/// A kernel can be no faster than the slower of its reading and its computing.
fn timed(us: f64, bytes: f64, flops: f64, limits: Limits) -> Row {
    Row::timed(us, bytes, flops, limits.read_us(bytes).max(limits.compute_us(flops)))
}
