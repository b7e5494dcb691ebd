//! Texts to work on: one, a file, or a batch of them with names.

use std::path::Path;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use sotto::bail;
use sotto::base::error::{Code, Error, Result};

/// `--text`, `--text-file` or `--batch`.
#[derive(Args)]
#[group(required = true, multiple = false, id = "texts")]
pub struct TextInput {
    #[arg(long)]
    text: Option<String>,
    #[arg(long)]
    text_file: Option<String>,
    /// A JSON array of {"name", "text"}
    #[arg(long)]
    batch: Option<String>,
}

/// `--prompt`, `--prompt-file` or `--batch`.
#[derive(Args)]
#[group(required = true, multiple = false, id = "input")]
pub struct PromptInput {
    #[arg(long)]
    prompt: Option<String>,
    #[arg(long)]
    prompt_file: Option<String>,
    /// A JSON array of {"name", "text"}
    #[arg(long)]
    batch: Option<String>,
}

/// A text to work on, with its name in a batch.
#[derive(Deserialize)]
pub struct Item {
    #[serde(default)]
    pub name: Option<String>,
    pub text: String,
}

/// All texts, and whether they are a batch.
pub struct Items {
    pub list: Vec<Item>,
    pub batch: bool,
}

impl TextInput {
    pub fn read(self) -> Result<Items> {
        items(self.text, self.text_file, self.batch)
    }
}

impl PromptInput {
    pub fn read(self) -> Result<Items> {
        items(self.prompt, self.prompt_file, self.batch)
    }
}

fn items(direct: Option<String>, file: Option<String>, batch: Option<String>) -> Result<Items> {
    let one = |text| Ok(Items { list: vec![Item { name: None, text }], batch: false });
    if let Some(text) = direct {
        return one(text);
    }
    if let Some(path) = file {
        return one(read(&path)?);
    }
    let path = batch.unwrap_or_default();
    let list = serde_json::from_str(&read(&path)?).map_err(|e| {
        Error::new(Code::BadOption, format!("'{path}' is not an array of {{\"name\", \"text\"}} ({e})."))
    })?;
    Ok(Items { list, batch: true })
}

pub fn read(path: &str) -> Result<String> {
    if Path::new(path).is_dir() {
        bail!(Io, "'{path}' is a folder; give a file.");
    }
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::new(Code::BadOption, format!("'{path}' is not text in UTF-8 (byte {at}); save it in that encoding."))
    })
}

pub fn unreadable(path: &str, why: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("The file '{path}' cannot be read ({why}); check the path."))
}

/// A batch of objects.
pub fn objects(path: &str) -> Result<Vec<serde_json::Map<String, Value>>> {
    serde_json::from_str(&read(path)?)
        .map_err(|e| Error::new(Code::BadOption, format!("'{path}' is not an array of objects ({e}).")))
}
