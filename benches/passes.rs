//! Whole forward passes, one after the other as in a generation: decode steps, and prompts.

use pollster::block_on;
use sotto::base::error::Result;
use sotto::model::forward::Shape;

use crate::clock;
use crate::limits::Limits;
use crate::report::Row;
use crate::subject::Subject;

/// One token after `context` others. Its limit: the bytes it must read, as fast as memory is copied.
pub fn decode(subject: &mut Subject, context: u32, limits: Limits) -> Result<Row> {
    let us = scaled(subject, |subject, outputs| {
        let prepared = subject.gpu.prepare(&subject.model.record(Shape::new(1, outputs, false, context))?);
        subject.write_batch(1, context, false);
        clock::run(&subject.gpu, &prepared)
    })?;
    let recording = subject.model.record(Shape::decode(context))?;
    let bytes = subject.pass_bytes(&recording, 1, context);
    let encode_us = clock::encode(&subject.gpu, &subject.gpu.prepare(&recording))?;
    Ok(Row {
        name: format!("a token after {context}, {encode_us:.0} µs to encode"),
        context,
        encode_us: Some(encode_us),
        tokens_per_s: Some(1e6 / us),
        ..row(subject, "decode", Row::timed(us, bytes, 0.0, limits.read_us(bytes)))
    })
}

/// A prompt in chunks. Its limit: the operations of its products, as fast as numbers are multiplied and added.
pub fn prefill(subject: &mut Subject, tokens: u32, limits: Limits) -> Result<Row> {
    let us = scaled(subject, |subject, outputs| prompt(subject, tokens, outputs))?;
    let flops = subject.prefill_flops(tokens);
    Ok(Row {
        name: format!("a prompt of {tokens}"),
        tokens_per_s: Some(f64::from(tokens) * 1e6 / us),
        ..row(subject, "prefill", Row::timed(us, 0.0, flops, limits.compute_us(flops)))
    })
}

/// Microseconds of a prompt whose last row wants logits, if `outputs` is 1.
fn prompt(subject: &mut Subject, tokens: u32, outputs: u32) -> Result<f64> {
    let most = subject.model.sizes.max_rows;
    let mut chunks = Vec::new();
    for start in (0..tokens).step_by(most as usize) {
        let rows = most.min(tokens - start);
        let outputs = if start + rows == tokens { outputs } else { 0 };
        chunks.push((start, rows, subject.gpu.prepare(&subject.model.record(Shape::new(rows, outputs, true, start))?)));
    }
    clock::repeat(subject.gpu.caps.is_software, |count| {
        for _ in 0..count {
            for (start, rows, prepared) in &chunks {
                subject.write_batch(*rows, *start, true);
                subject.gpu.run(prepared);
            }
        }
        block_on(subject.gpu.idle())
    })
}

/// The time of a pass with its one output, as if all of the model's layers were there: where they are not, the pass
/// is timed without the output too, which is what grows with the layers.
fn scaled(subject: &mut Subject, time: impl Fn(&mut Subject, u32) -> Result<f64>) -> Result<f64> {
    let us = time(subject, 1)?;
    if subject.model.net.blocks.len() == subject.shape.n_layers as usize {
        return Ok(us);
    }
    let layers = time(subject, 0)?;
    Ok(layers * subject.layers_scale() + (us - layers).max(0.0))
}

fn row(subject: &Subject, what: &str, figures: Row) -> Row {
    Row { model: subject.shape.name, quant: subject.quant.clone(), what: what.into(), calls: 1, ..figures }
}
