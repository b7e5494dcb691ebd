//! A model's bytes from a file or a URL: all of them into a loader, or only those of the header.

use std::io::Read;
use std::iter;
use std::path::Path;

use sotto::bail;
use sotto::base::error::{Code, Error, Result};
use sotto::file::gguf::{Header, HeaderParser, Joined};
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};
use sotto::wire::header::ModelText;

/// Bytes read at once, and bytes after which the device is waited for.
const PIECE: usize = 1 << 20;
const DRAIN: usize = 16 << 20;

pub async fn load(model: &str, options: LoadOptions) -> Result<Engine> {
    let parts = parts(model);
    let mut loader = Loader::new(options).await?;
    for part in &parts[1..] {
        loader.add_part(header(part)?);
    }
    let mut waiting = 0;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            loader.next_part()?;
        }
        let mut pieces = Pieces::open(part, PIECE)?;
        while let Some(piece) = pieces.next()? {
            loader.push(piece)?;
            if let Some(warning) = loader.take_warning() {
                warn_line!("sotto: {warning}");
            }
            waiting += piece.len();
            if waiting >= DRAIN {
                loader.drain().await?;
                waiting = 0;
            }
        }
    }
    loader.finish().await
}

/// Tokenizer, template and header. Nothing is read past the header. One that holds what cannot be run is an error, unless
/// it is to be `judged`.
pub fn open_text(model: &str, judged: bool) -> Result<ModelText> {
    let parts = parts(model);
    let mut pieces = Pieces::open(&parts[0], PIECE / 8)?;
    let mut parser = HeaderParser::default();
    while let Some(piece) = pieces.next()? {
        match parser.push(piece) {
            Ok(None) => {}
            Ok(Some((first, _))) => {
                let others = parts[1..].iter().map(|part| header(part)).collect::<Result<Vec<_>>>()?;
                return ModelText::new(Joined::new(iter::once(first).chain(others).collect())?.header);
            }
            Err(error) if judged && error.code == Code::UnsupportedTensorType => {
                return ModelText::refused(parser.so_far(), error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(parser.finish())
}

fn header(model: &str) -> Result<Header> {
    let mut pieces = Pieces::open(model, PIECE / 8)?;
    let mut parser = HeaderParser::default();
    while let Some(piece) = pieces.next()? {
        if let Some((header, _)) = parser.push(piece)? {
            return Ok(header);
        }
    }
    Err(parser.finish())
}

/// All files of a model: those beside it, where its name is that of the first of several.
fn parts(model: &str) -> Vec<String> {
    let one = || vec![model.to_string()];
    let Some((before, after)) = model.split_once(FIRST) else { return one() };
    let digits = after.get(..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let Some((count, of)) = digits.and_then(|digits| Some((digits.parse::<u32>().ok()?, digits))) else { return one() };
    let rest = &after[5..];
    (1..=count.max(1)).map(|part| format!("{before}-{part:05}-of-{of}{rest}")).collect()
}

/// In the name of the first of several files, before how many they are.
const FIRST: &str = "-00001-of-";

/// The bytes of a source, in order.
struct Pieces<'a> {
    model: &'a str,
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    total: u64,
}

impl<'a> Pieces<'a> {
    /// At most `size` bytes at once.
    fn open(model: &'a str, size: usize) -> Result<Self> {
        Ok(Pieces { model, reader: open(model)?, buffer: vec![0; size], total: 0 })
    }

    fn next(&mut self) -> Result<Option<&[u8]>> {
        let Pieces { model, reader, buffer, total } = self;
        let n = reader.read(buffer).map_err(|e| {
            Error::new(Code::Network, format!("Reading '{model}' broke off after {total} bytes ({e}); try again."))
        })?;
        let piece = &buffer[..n];
        if *total == 0 && looks_like_html(piece) {
            bail!(NotGguf, "'{model}' is a web page, not a model; give the address of the file itself.");
        }
        *total += n as u64;
        Ok((n > 0).then_some(piece))
    }
}

fn open(model: &str) -> Result<Box<dyn Read>> {
    if !model.starts_with("http://") && !model.starts_with("https://") {
        return match std::fs::File::open(Path::new(model)) {
            Ok(file) => Ok(Box::new(file)),
            Err(e) => bail!(Io, "The file '{model}' cannot be read ({e}); check the path."),
        };
    }
    match ureq::get(model).call() {
        Ok(response) => Ok(Box::new(response.into_body().into_reader())),
        Err(ureq::Error::StatusCode(status)) => {
            bail!(Http, "'{model}' answers with HTTP status {status}; check the address.")
        }
        Err(e) => bail!(Network, "'{model}' cannot be fetched ({e}); check the address and the connection."),
    }
}

fn looks_like_html(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}
