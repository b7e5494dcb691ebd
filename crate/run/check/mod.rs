//! Whether the device computes what it should: each kernel that the model's passes take runs on the model's own weights, and is
//! compared with its mirror. What is wrong is replaced, before the first token.

mod passes;
mod replace;
mod trial;

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh64::Xxh64;

use crate::bail;
use crate::base::error::Result;
use crate::base::platform::Instant;
use crate::device::Device;
use crate::device::recording::{Dispatch, Recording};
use crate::kernels::face::VariantId;
use crate::kernels::judge::{Verdict, judge};
use crate::model::forward::Shape;
use crate::run::engine::Engine;

pub use crate::kernels::trial::Trial;

/// When a model's kernels are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// On a real GPU, once.
    #[default]
    Auto,
    /// On any GPU, at each load.
    Always,
    /// Never.
    Off,
}

/// What a judge says, once it does.
type Judged = Pin<Box<dyn Future<Output = Option<(f64, f64)>>>>;

/// Says how far trials are from the truth, (error, what roundings come to); `None` where it cannot tell.
#[derive(Clone)]
pub struct Judge(pub Rc<dyn Fn(Trial) -> Judged>);

impl Judge {
    /// By the mirrors of this program.
    pub fn here() -> Judge {
        Judge(Rc::new(|trial| {
            let Verdict { error, bound } = judge(&trial);
            Box::pin(async move { Some((error, bound)) })
        }))
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

/// What is checked, and by what is known of other loads on the same adapter.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// When it is.
    pub when: When,
    /// Who judges; without, nothing is checked.
    pub judge: Option<Judge>,
    /// The kernels that were found to be wrong.
    pub avoid: Vec<String>,
    /// The keys of what was checked.
    pub known: Vec<String>,
}

/// What a self-check found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfCheck {
    /// Kernels that were compared with the reference.
    pub checked: u32,
    /// Those that were wrong, and what computes in their place.
    pub replaced: Vec<Replaced>,
    /// How long it took.
    pub milliseconds: f64,
    /// Whether it is the result of an earlier load on the same adapter and browser.
    pub kept: bool,
    /// What it is kept by: the same kernels in the same shapes have the same.
    pub key: String,
}

/// A kernel that computes something else than it should.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Replaced {
    /// Its name.
    pub kernel: &'static str,
    /// Which of its variants.
    pub from: &'static str,
    /// What computes in its place.
    pub to: &'static str,
    /// How far it was off: a part of what it should have been, at most 1.
    pub error: f64,
}

/// A dispatch as far as it matters to what it computes.
type Key = (VariantId, Vec<u8>, [u32; 3]);

fn key(dispatch: &Dispatch) -> Key {
    (dispatch.variant, dispatch.params.clone(), dispatch.grid)
}

/// A variant, and how wrong it is.
struct Wrong {
    variant: VariantId,
    error: f64,
}

impl Engine {
    /// Takes other kernels in the place of these, which are known to be wrong. `WrongResults` where there are none.
    pub(crate) fn avoid(&mut self, names: &[String]) -> Result<()> {
        let ours = names.iter().filter(|_| self.device.gpu().is_some());
        for variant in ours.filter_map(|name| VariantId::named(name)).collect::<Vec<_>>() {
            self.replace(&Wrong { variant, error: 1.0 })?;
        }
        Ok(())
    }

    /// Checks what is not known to be right. `WrongResults` where a kernel is wrong and there is no other.
    pub(crate) async fn check_once(&mut self, options: &CheckOptions) -> Result<()> {
        let Device::Gpu(gpu) = &self.device else { return Ok(()) };
        let wanted = match options.when {
            When::Auto => !gpu.caps.is_software,
            When::Always => true,
            When::Off => false,
        };
        let Some(judge) = options.judge.as_ref().filter(|_| wanted) else { return Ok(()) };
        let key = self.check_key()?;
        self.self_check = Some(match options.when != When::Always && options.known.contains(&key) {
            true => SelfCheck { checked: 0, replaced: Vec::new(), milliseconds: 0.0, kept: true, key },
            false => self.check(judge).await?,
        });
        Ok(())
    }

    /// Compares each kernel with its mirror, and replaces those that are wrong. Requests under way are ended.
    pub async fn check(&mut self, judge: &Judge) -> Result<SelfCheck> {
        let started = Instant::now();
        let (mut right, mut replaced) = (HashSet::new(), Vec::new());
        while let Some(wrong) = self.first_wrong(judge, &mut right).await? {
            replaced.push(self.replace(&wrong)?);
        }
        self.passes.clear();
        let variants: HashSet<VariantId> = right.into_iter().map(|(variant, ..)| variant).collect();
        Ok(SelfCheck {
            checked: variants.len() as u32 + replaced.len() as u32,
            replaced,
            milliseconds: started.elapsed().as_secs_f64() * 1e3,
            kept: false,
            key: self.check_key()?,
        })
    }

    /// Of the kernels that passes take, and of the shapes that they compute.
    fn check_key(&self) -> Result<String> {
        let mut hash = Xxh64::new(0);
        for recording in self.recordings()? {
            for Dispatch { variant, params, grid, .. } in &recording.dispatches {
                hash.update(variant.name().as_bytes());
                hash.update(params);
                grid.iter().for_each(|count| hash.update(&count.to_le_bytes()));
            }
        }
        Ok(format!("{:016x}", hash.digest()))
    }

    /// What the model computes: prompts, tokens, choices.
    fn recordings(&self) -> Result<Vec<Recording>> {
        let mut all = Vec::new();
        for shape in self.checked_shapes() {
            all.push(self.model.record(shape)?);
        }
        if self.check_writes().is_ok() {
            all.extend(self.decoder.recordings().iter().cloned());
        }
        Ok(all)
    }

    /// The shapes of passes that may take different kernels.
    fn checked_shapes(&self) -> Vec<Shape> {
        let (rows, outputs) = (self.model.sizes.max_rows, self.model.sizes.max_outputs);
        let prompts = [rows, rows.min(passes::ROWS), rows.min(passes::SHORT)];
        let mut shapes: Vec<Shape> = prompts.map(|rows| Shape::new(rows, 1, true, 0)).into();
        if self.check_writes().is_ok() {
            shapes.extend(self.decode_shapes());
            shapes.extend(
                passes::FEW
                    .into_iter()
                    .filter(|few| *few <= outputs.min(rows))
                    .map(|few| Shape::new(few, few, false, 0)),
            );
        }
        shapes.into_iter().map(|shape| self.shape(shape)).collect()
    }

    fn replace(&mut self, wrong: &Wrong) -> Result<Replaced> {
        let Wrong { variant, error } = *wrong;
        let kernel = variant.kernel().name;
        let Some(to) = replace::replace(self, variant)? else {
            bail!(
                WrongResults,
                "The adapter '{}' computes {kernel} wrongly, by {:.1} %, and no other kernel computes it there; update its driver or the browser, or load with backend \"cpu\".",
                self.device.name(),
                100.0 * error
            );
        };
        self.passes.clear();
        Ok(Replaced { kernel, from: variant.name(), to, error })
    }
}
