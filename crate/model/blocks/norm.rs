//! What the stream goes through before it is read: RMS norms, which products compute by themselves where they can, and
//! norms with biases, a dispatch each.

use super::pass::Pass;
use crate::base::buffer::BufferId;
use crate::base::error::Result;
use crate::kernels::table::{layernorm, rmsnorm};
use crate::model::filled::Filled;
use crate::model::place::Tensors;
use crate::model::spec::{self, Net};

/// The weights of a norm of the stream: [n_embd] each, filled up.
#[derive(Clone, Copy)]
pub struct Norm {
    pub weight: BufferId,
    /// `None`: it is an RMS norm.
    pub bias: Option<BufferId>,
}

/// What all norms of a network are like.
pub struct Norms {
    pub stream: Filled,
    rms_scale: f32,
    kind: spec::Norm,
    /// Where layer norms have no weight of their own, and where no bias.
    constant: [Option<BufferId>; 2],
}

impl Norms {
    pub fn new(net: &Net, t: &mut Tensors) -> Result<Self> {
        let wanted = match net.norm {
            spec::Norm::Rms | spec::Norm::BiasedRms => [false; 2],
            spec::Norm::Layer { weight, bias } => [!weight, !bias],
        };
        let stream = net.stream();
        // A norm without a weight may still be scaled: there is one such, before the logits.
        let ones = wanted[0].then(|| t.constant("ones", stream, 1.0)).transpose()?;
        let zeros = wanted[1].then(|| t.constant("zeros", stream, 0.0)).transpose()?;
        Ok(Norms { stream, rms_scale: net.rms_scale(), kind: net.norm, constant: [ones, zeros] })
    }

    /// The norm of this name, its results multiplied by `scale`.
    pub fn place(&self, name: &str, scale: f32, t: &mut Tensors) -> Result<Norm> {
        if self.kind == spec::Norm::Rms {
            return Ok(Norm { weight: self.place_rms(name, scale, t)?, bias: None });
        }
        let mut tensor = |part: &str, constant: Option<BufferId>| match constant {
            Some(constant) => Ok(constant),
            None => t.vectors_in(&[(&format!("{name}.{part}"), self.stream.length)], self.stream, scale),
        };
        Ok(Norm { weight: tensor("weight", self.constant[0])?, bias: Some(tensor("bias", self.constant[1])?) })
    }

    /// The weight of the RMS norm of this name, its results multiplied by `scale`.
    pub fn place_rms(&self, name: &str, scale: f32, t: &mut Tensors) -> Result<BufferId> {
        let weight = format!("{name}.weight");
        // Files of Falcon-H1 have the name alone.
        let found = if !t.has(&weight) && t.has(name) { name } else { &weight };
        t.vectors_in(&[(found, self.stream.length)], self.stream, scale * self.rms_scale)
    }
}

/// Which rows a norm reads, and what becomes of the results.
#[derive(Clone, Copy, Default)]
pub struct How {
    /// It reads the rows that want logits.
    pub gather: bool,
    /// It adds to what is there.
    pub add: bool,
}

impl Pass<'_> {
    /// The norm of `rows` rows of the stream's width.
    pub(super) fn norm(&mut self, x: BufferId, norm: Norm, out: BufferId, how: How, rows: u32) -> Result<()> {
        let net = self.at.net;
        let (k4, picked) = (net.stream().room / 4, self.at.ends.outputs);
        let [gather, accumulate] = [how.gather, how.add].map(u32::from);
        let Norm { weight, bias } = norm;
        let rms = self.at.choice.rmsnorm();
        let Some(bias) = bias else {
            let params = rmsnorm::Params { k4, eps: net.rms_eps(), gather, accumulate };
            return self.recording.push(rms, params, rmsnorm::Bind { x, weight, rows: picked, out }, [1, rows]);
        };
        let params = layernorm::Params {
            k4,
            n: net.n_embd,
            eps: net.norm_eps,
            gather,
            accumulate,
            centred: u32::from(net.norm != spec::Norm::BiasedRms),
        };
        let variant = layernorm::Variant { reduce: rms.reduce };
        self.recording.push(variant, params, layernorm::Bind { x, weight, bias, rows: picked, out }, [1, rows])
    }
}
