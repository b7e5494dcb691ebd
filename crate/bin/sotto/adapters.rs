//! `--adapter FILE_OR_URL[=SCALE]`: adapters that a command's texts are read and written with.

use clap::Args;
use sotto::base::error::Result;
use sotto::run::adapters::Wanted;
use sotto::run::engine::Engine;

use crate::source;

#[derive(Args)]
pub struct Adapters {
    /// A LoRA adapter: a GGUF file, PEFT's folder or its adapter_model.safetensors, or the address of one; how much of it
    /// stands behind a =, else it is 1. May be given several times
    #[arg(long = "adapter", value_name = "FILE_OR_URL[=SCALE]")]
    list: Vec<String>,
}

impl Adapters {
    /// Loads them, and says how much of each is wanted.
    pub async fn load(&self, engine: &mut Engine) -> Result<Wanted> {
        let mut wanted = Wanted::new();
        for (given, number) in self.list.iter().zip(1..) {
            let (from, scale) = read(given);
            let id = number.to_string();
            source::load_adapter(engine, from, &id).await?;
            wanted.insert(id, scale);
        }
        Ok(wanted)
    }
}

/// What stands before the last =, if a number stands behind it.
fn read(given: &str) -> (&str, f32) {
    let split = given.rsplit_once('=').and_then(|(from, scale)| Some((from, scale.parse().ok()?)));
    split.unwrap_or((given, 1.0))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_number_behind_the_last_equals_sign_is_the_scale() {
        assert_eq!(read("poet.gguf"), ("poet.gguf", 1.0));
        assert_eq!(read("poet.gguf=0.5"), ("poet.gguf", 0.5));
        assert_eq!(read("https://x/y?a=b"), ("https://x/y?a=b", 1.0));
        assert_eq!(read("https://x/y?a=b=-2"), ("https://x/y?a=b", -2.0));
    }
}
