//! How a rotation is stretched: keys, and the factors of its frequencies, which GGUF's files have as tensors.

use serde_json::{Map, Value as Json};

use crate::bail;
use crate::base::error::Result;
use crate::file::{Value, quoted};

/// A tensor of floats that is not in the repository's files.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// As GGUF names it.
    pub name: &'static str,
    /// One for each pair of a head.
    pub values: Vec<f32>,
}

/// Sets the keys that `rope_scaling` or `rope_parameters` mean, for heads of this length.
pub fn keys(members: &Map<String, Json>, head_dim: u64, set: &mut dyn FnMut(&str, Value)) -> Result<Vec<Factors>> {
    let Some(stated) = ["rope_parameters", "rope_scaling"].iter().find_map(|name| members.get(*name)?.as_object())
    else {
        return Ok(Vec::new());
    };
    let part = |name: &str| stated.get(name).and_then(Json::as_object);
    // Of several kinds of layers each has its own.
    let whole = part("full_attention").unwrap_or(stated);
    let own = |of: Option<&Map<String, Json>>, name: &str| of.and_then(|of| of.get(name)).and_then(Json::as_f64);
    let number = |name: &str| own(Some(whole), name);
    if let Some(theta) = number("rope_theta") {
        set("rope.freq_base", Value::F64(theta));
    }
    if let Some(theta) = own(part("sliding_attention"), "rope_theta") {
        set("rope.freq_base_swa", Value::F64(theta));
    }
    let kind = ["rope_type", "type"].iter().find_map(|name| whole.get(*name)?.as_str()).unwrap_or("default");
    let factor = number("factor").unwrap_or(1.0);
    let context = members.get("max_position_embeddings").and_then(Json::as_f64).unwrap_or(0.0);
    let trained = number("original_max_position_embeddings")
        .or_else(|| members.get("original_max_position_embeddings").and_then(Json::as_f64));
    match kind {
        // NTK by the length of the text changes nothing up to the trained length.
        "default" | "dynamic" => Ok(Vec::new()),
        "linear" => {
            set("rope.scaling.type", Value::Str("linear".into()));
            set("rope.scaling.factor", Value::F64(factor));
            Ok(Vec::new())
        }
        "yarn" => {
            set("rope.scaling.type", Value::Str("yarn".into()));
            set("rope.scaling.factor", Value::F64(factor));
            set("rope.scaling.original_context_length", Value::U64(trained.unwrap_or(context / factor) as u64));
            Ok(Vec::new())
        }
        "llama3" => {
            let theta = number("rope_theta").or_else(|| members.get("rope_theta")?.as_f64()).unwrap_or(10_000.0);
            let [low, high] =
                [("low_freq_factor", 1.0), ("high_freq_factor", 4.0)].map(|(name, x)| number(name).unwrap_or(x));
            let stretch = Stretch { factor, low, high, trained: trained.unwrap_or(8192.0) };
            Ok(vec![Factors { name: "rope_freqs.weight", values: stretch.factors(theta, head_dim) }])
        }
        "longrope" | "su" => {
            let trained = trained.unwrap_or(context);
            set("rope.scaling.type", Value::Str("longrope".into()));
            set("rope.scaling.original_context_length", Value::U64(trained as u64));
            let scale = (context / trained).max(1.0);
            let spread = number("attention_factor").unwrap_or_else(|| (1.0 + scale.ln() / trained.ln()).sqrt());
            set("rope.scaling.attn_factor", Value::F64(spread));
            let list = |name: &'static str, of: &str| match whole.get(of).and_then(Json::as_array) {
                Some(list) => {
                    let values = list.iter().map(|x| x.as_f64().unwrap_or(1.0) as f32).collect();
                    Ok(Factors { name, values })
                }
                None => bail!(
                    BadMetadata,
                    "config.json does not say {of} of its longrope; take another repository of the model"
                ),
            };
            Ok(vec![
                list("rope_factors_long.weight", "long_factor")?,
                list("rope_factors_short.weight", "short_factor")?,
            ])
        }
        other => bail!(UnsupportedArchitecture, "config.json scales RoPE by {}, which is not supported", quoted(other)),
    }
}

/// Llama 3.1's: slow pairs are slowed down, fast ones are not, and those between by a part.
struct Stretch {
    factor: f64,
    low: f64,
    high: f64,
    trained: f64,
}

impl Stretch {
    fn factors(&self, theta: f64, dim: u64) -> Vec<f32> {
        let factor = |pair: u64| {
            let wave = std::f64::consts::TAU * theta.powf(2.0 * pair as f64 / dim as f64);
            let turns = self.trained / wave;
            if turns > self.high {
                1.0
            } else if turns < self.low {
                self.factor
            } else {
                let fast = (turns - self.low) / (self.high - self.low);
                1.0 / ((1.0 - fast) / self.factor + fast)
            }
        };
        (0..dim / 2).map(|pair| factor(pair) as f32).collect()
    }
}
