//! The resident loop: each step of a generation is submitted behind the one before, samples its token and feeds it back
//! on the device, and leaves its result in a ring. It is read a few steps behind, and nothing new is made on the way.
//! Of several generations each row is sampled by itself, by the same kernels.

use crate::bail;
use crate::base::cancel::Cancel;
use crate::base::error::{Code, Error, Result};
use crate::device::recording::Recording;
use crate::device::{Device, Prepared, Ring};
use crate::kernels::table::sample_take::{self, State};
use crate::model::forward::Model;
use crate::run::constraint::Constraint;
use crate::run::sampler::{Limits, Mode, Sampler, SamplingParams, Shape};

/// A token that the device sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Its id.
    pub token: u32,
    /// It is one of the tokens that end the generation.
    pub stops: bool,
}

/// The loop that samples on the device and feeds tokens back there.
pub struct Decoder {
    sampler: Sampler,
    /// One a [`Mode`], in its order, and made ready for the modes that were asked for.
    recordings: Vec<Recording>,
    samplings: [Option<Prepared>; Mode::ALL.len()],
    ring: Ring,
    /// Of rows of several requests.
    rows: Ring,
    /// How the generation samples, without a mask.
    mode: Mode,
    /// Only what a mask allows may be chosen.
    masked: bool,
    /// Steps that may still be submitted.
    left: u32,
    /// One step at a time, so that the logits it chose from can be read.
    alone: bool,
    /// Where the row of the next step stands: behind the prompt and what was sampled so far.
    position: u32,
    table: u32,
}

impl Decoder {
    /// At most `depth` steps are under way at a time.
    pub fn new(device: &mut Device, model: &Model, depth: usize) -> Result<Self> {
        let sampler = Sampler::place(Shape::of(model), device)?;
        let recordings = Mode::ALL.into_iter().map(|mode| sampler.record(mode)).collect::<Result<Vec<_>>>()?;
        let ring = device.ring(depth, size_of::<State>() as u64);
        let rows = device.ring(model.sizes.max_outputs as usize, size_of::<State>() as u64);
        Ok(Decoder {
            sampler,
            recordings,
            samplings: Default::default(),
            ring,
            rows,
            mode: Mode::Greedy,
            masked: false,
            left: 0,
            alone: false,
            position: 0,
            table: 0,
        })
    }

    /// One a way of sampling.
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    /// Draws count tokens by other kernels from here on, if they do not yet.
    pub fn count_in_storage(&mut self) -> Result<()> {
        self.sampler.count_in_storage();
        self.recordings = Mode::ALL.into_iter().map(|mode| self.sampler.record(mode)).collect::<Result<Vec<_>>>()?;
        self.samplings = Default::default();
        Ok(())
    }

    /// Makes a way of sampling ready, which [`Decoder::start`] wants. `Aborted` where the work was cancelled meanwhile.
    pub async fn prepare(&mut self, mode: Mode, device: &Device, cancel: &Cancel) -> Result<()> {
        let sampling = &mut self.samplings[mode as usize];
        if sampling.is_none() {
            *sampling = Some(device.prepare(&self.recordings[mode as usize], cancel).await?);
        }
        Ok(())
    }

    /// Begins a generation after these tokens, or goes on with one; steps that are under way are forgotten.
    pub fn start(&mut self, device: &mut Device, params: &SamplingParams, prompt: &[u32], limits: &Limits) {
        self.stop();
        self.mode = params.mode();
        self.masked = limits.masked;
        self.left = limits.limit.saturating_sub(prompt.len() as u32);
        self.alone = limits.alone;
        self.table = limits.table;
        // The first step is the prompt's own last row.
        self.position = prompt.len() as u32 - 1;
        self.sampler.start(params, prompt, limits, device);
    }

    /// The word of the batch at which the table of the sequence's cells begins.
    pub fn table(&self) -> u32 {
        self.table
    }

    /// Whether another step may be submitted now.
    pub fn takes_more(&self) -> bool {
        self.left > 0 && !self.ring.is_full() && !(self.alone && self.is_waiting())
    }

    /// Whether there are tokens to come: under way, or still to be submitted.
    pub fn goes_on(&self) -> bool {
        self.left > 0 || self.is_waiting()
    }

    /// Whether a step is under way.
    pub fn is_waiting(&self) -> bool {
        !self.ring.is_empty()
    }

    /// The position of the next step's row.
    pub fn position(&self) -> u32 {
        self.position
    }

    /// Whether steps from now on choose under a mask; no step is under way. `Aborted` where the work was cancelled
    /// meanwhile.
    pub async fn set_masked(&mut self, masked: bool, device: &mut Device, cancel: &Cancel) -> Result<()> {
        if self.masked != masked {
            self.prepare(self.mode.under(masked), device, cancel).await?;
            self.sampler.set_masked(masked, device);
            self.masked = masked;
        }
        Ok(())
    }

    /// Submits a step: a forward pass whose first logits are the next token's, and the sampling of it. What `mask` allows
    /// is worked out while the device computes the pass. `Aborted` where the work was cancelled meanwhile; the mask's own
    /// errors, and `BadOption` where it allows nothing.
    pub async fn submit(
        &mut self,
        device: &mut Device,
        forward: &Prepared,
        mask: Option<&mut dyn Constraint>,
        cancel: &Cancel,
    ) -> Result<()> {
        self.left = self.left.saturating_sub(1);
        self.position += 1;
        let Some(sampling) = &self.samplings[self.mode.under(self.masked) as usize] else {
            bail!(Internal, "A token was to be sampled in a way that had not been made ready.");
        };
        let state = self.sampler.state_buffer();
        let Some(constraint) = mask else {
            return device.run_into(&mut self.ring, &[forward, sampling], state, cancel).await;
        };
        device.run(forward, cancel).await?;
        self.sampler.mask(&constraint.mask()?, device)?;
        device.run_into(&mut self.ring, &[sampling], state, cancel).await
    }

    /// The token of the oldest step under way. `BadLogits` where its logits are not numbers, `BadOption` where biases
    /// ban every token, `DeviceLost` and the like where the device failed.
    pub async fn next(&mut self, device: &Device) -> Result<Sampled> {
        read(&device.result(&mut self.ring).await?, self.masked, device)
    }

    /// The next choice is for this text, of what `allowed` allows if there is a mask; nothing goes on by itself after it.
    pub fn begin_row(
        &mut self,
        device: &mut Device,
        params: &SamplingParams,
        text: &[u32],
        limits: &Limits,
        allowed: Option<&[u32]>,
    ) -> Result<()> {
        self.sampler.start(params, text, limits, device);
        allowed.map_or(Ok(()), |allowed| self.sampler.mask(allowed, device))
    }

    /// Submits that choice, by the first row of the logits. `Aborted` where the work was cancelled meanwhile.
    pub async fn sample_row(&mut self, mode: Mode, device: &mut Device, cancel: &Cancel) -> Result<()> {
        self.prepare(mode, device, cancel).await?;
        let Some(sampling) = &self.samplings[mode as usize] else {
            bail!(Internal, "A row was to be sampled in a way that had not been made ready.");
        };
        device.run_into(&mut self.rows, &[sampling], self.sampler.state_buffer(), cancel).await
    }

    /// The token of the oldest such choice. Errors: those of [`Decoder::next`].
    pub async fn next_of_rows(&mut self, masked: bool, device: &Device) -> Result<Sampled> {
        read(&device.result(&mut self.rows).await?, masked, device)
    }

    /// Ends the generation: nothing more is submitted, and what is under way is forgotten.
    pub fn stop(&mut self) {
        self.left = 0;
        self.ring.clear();
        self.rows.clear();
    }

    /// Dispatches of a greedy choice.
    pub fn greedy_dispatches(&self) -> usize {
        self.recordings[Mode::Greedy as usize].dispatches.len()
    }
}

/// What sampling left.
fn read(bytes: &[u8], masked: bool, device: &Device) -> Result<Sampled> {
    let state: State = bytemuck::pod_read_unaligned(bytes);
    match state.status {
        sample_take::BAD_LOGITS => Err(bad_logits(device)),
        sample_take::ALL_BANNED if masked => {
            bail!(BadOption, "The logit biases ban every token that what the reply must be allows; ban fewer.")
        }
        sample_take::ALL_BANNED => {
            bail!(BadOption, "The logit biases ban every token that the model could choose; ban fewer.")
        }
        status => Ok(Sampled { token: state.token, stops: status == sample_take::STOPPED }),
    }
}

/// The error of logits that are not numbers, or of bans that leave no token.
pub fn bad_logits(device: &Device) -> Error {
    let computes = if device.gpu().is_some() { " or the driver may compute wrongly" } else { "" };
    let name = device.name();
    Error::new(
        Code::BadLogits,
        format!("The model's output on '{name}' is not a number; the file may be damaged{computes}."),
    )
}
