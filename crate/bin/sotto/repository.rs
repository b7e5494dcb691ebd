//! A folder that holds a repository of Hugging Face, here or on a server: its bytes as those of a GGUF file.

use std::collections::HashMap;
use std::path::Path;

use sotto::base::error::{Code, Result};
use sotto::file::importance::Importance;
use sotto::file::{Converter, Span};
use sotto::quant::TensorType;
use sotto::run::repository::{FILES, File, Reading, too_large};

use crate::source::{PIECE, Pieces, is_address};

/// What makes a folder a repository.
const CONFIG: &str = "config.json";

/// Whether this is a folder of such files: an address that ends as folders' do, or a folder here that has a config.json.
pub fn is_repository(model: &str) -> bool {
    if is_address(model) { model.ends_with('/') } else { Path::new(model).join(CONFIG).is_file() }
}

/// A repository's bytes, piece by piece.
pub struct Converted {
    converter: Converter,
    /// Those of the weights, and how many of them were opened.
    files: Vec<String>,
    opened: usize,
    file: Option<Pieces>,
    /// The first piece.
    head: Option<Vec<u8>>,
    /// Bytes of weights that were read.
    read: u64,
}

impl Converted {
    /// Reads all that stands before the weights.
    pub fn open(model: &str, quantize: Option<TensorType>) -> Result<Converted> {
        Converted::open_with(model, quantize, Importance::new())
    }

    /// The same, where it is known how much columns count.
    pub fn open_with(model: &str, quantize: Option<TensorType>, importance: Importance) -> Result<Converted> {
        let folder = model.trim_end_matches('/');
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let mut files = HashMap::new();
        for File { path, most, .. } in FILES {
            match whole(&format!("{folder}/{path}"), path, most) {
                Ok(bytes) => drop(files.insert(path.to_string(), bytes)),
                // What is not needed may be missing; an absurd one is not passed over.
                Err(error) if matches!(error.code, Code::BadMetadata | Code::Network) => return Err(error),
                Err(_) => {}
            }
        }
        let mut reading = Reading::new(name, files, quantize)?;
        reading.set_importance(importance);
        let files: Vec<String> = reading.weights().iter().map(|file| format!("{folder}/{file}")).collect();
        for file in &files {
            let mut pieces = Pieces::open(file, PIECE / 8)?;
            loop {
                let Some(piece) = pieces.next()? else {
                    sotto::bail!(Truncated, "'{file}' ends inside its header; download it again.")
                };
                if reading.push_head(piece)? {
                    break;
                }
            }
        }
        let mut converter = reading.finish()?;
        let head = Some(converter.take_head());
        Ok(Converted { converter, files, opened: 0, file: None, head, read: 0 })
    }

    /// Bytes of the files of weights so far.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// The next piece; `None` behind the last.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head));
        }
        loop {
            let file = match &mut self.file {
                Some(file) => file,
                None => {
                    let Some(name) = self.files.get(self.opened) else { return Ok(None) };
                    for Span { file, first, count } in self.converter.early() {
                        let mut pieces = Pieces::range(&self.files[file], PIECE, first, count)?;
                        while let Some(piece) = pieces.next()? {
                            self.converter.push_early(piece);
                        }
                    }
                    self.converter.end_early()?;
                    self.opened += 1;
                    self.file.insert(Pieces::open(name, PIECE)?)
                }
            };
            let mut out = Vec::new();
            match file.next()? {
                Some(piece) => {
                    self.read += piece.len() as u64;
                    self.converter.push(piece, &mut out);
                }
                None => {
                    self.converter.next_file()?;
                    self.file = None;
                }
            }
            if !out.is_empty() {
                return Ok(Some(out));
            }
        }
    }
}

fn whole(from: &str, path: &str, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut pieces = Pieces::open(from, PIECE)?;
    while let Some(piece) = pieces.next()? {
        bytes.extend_from_slice(piece);
        if bytes.len() as u64 > most {
            return Err(too_large(path, most));
        }
    }
    Ok(bytes)
}
