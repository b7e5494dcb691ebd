//! A model's bytes from a file or a URL: all of them into a loader, or only those of the header.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::iter;
use std::path::Path;

use sotto::bail;
use sotto::base::error::{Code, Error, Result};
use sotto::file::gguf::{Header, HeaderParser, Joined};
use sotto::quant::TensorType;
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};
use sotto::run::rows::{Reread, Span};
use sotto::wire::header::ModelText;

use crate::flags::in_flags;
use crate::input::unreadable;
use crate::repository::{Converted, is_repository};

/// Bytes read at once, and bytes after which the device is waited for.
pub const PIECE: usize = 1 << 20;
const DRAIN: usize = 16 << 20;

pub async fn load(model: &str, mut options: LoadOptions) -> Result<Engine> {
    if is_repository(model) {
        return load_repository(model, options).await;
    }
    if options.quantize.is_some() {
        bail!(BadOption, "--quantize is for repositories of safetensors, and '{model}' is a file; leave it out.");
    }
    let parts = parts(model);
    options.reread = reread(&parts);
    let mut filling = Filling { loader: Loader::new(options).await?, waiting: 0 };
    for part in &parts[1..] {
        filling.loader.add_part(header(part)?);
    }
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            filling.loader.next_part()?;
        }
        let mut pieces = Pieces::open(part, PIECE)?;
        while let Some(piece) = pieces.next()? {
            filling.push(piece).await?;
        }
    }
    filling.loader.finish().await
}

async fn load_repository(model: &str, options: LoadOptions) -> Result<Engine> {
    let mut converted = Converted::open(model, options.quantize)?;
    let mut filling = Filling { loader: Loader::new(options).await?, waiting: 0 };
    while let Some(piece) = converted.next()? {
        filling.push(&piece).await?;
    }
    filling.loader.finish().await
}

/// A loader that is waited for now and then.
struct Filling {
    loader: Loader,
    waiting: usize,
}

impl Filling {
    async fn push(&mut self, piece: &[u8]) -> Result<()> {
        self.loader.push(piece)?;
        if let Some(warning) = self.loader.take_warning() {
            warn_line!("sotto: {}", in_flags(&warning.to_string()));
        }
        self.waiting += piece.len();
        if self.waiting >= DRAIN {
            self.loader.drain().await?;
            self.waiting = 0;
        }
        Ok(())
    }
}

/// How a model whose files are all here is read again.
fn reread(parts: &[String]) -> Option<Reread> {
    let files: Vec<File> = parts.iter().map(|part| File::open(part).ok()).collect::<Option<_>>()?;
    let parts = parts.to_vec();
    Some(Reread::new(move |spans| {
        let mut bytes = Ok(Vec::new());
        for Span { file, first, count } in spans {
            let mut from = &files[file];
            bytes = bytes.and_then(|mut bytes| {
                let read = from.seek(SeekFrom::Start(first)).and_then(|_| from.take(count).read_to_end(&mut bytes));
                read.map(|_| bytes).map_err(|e| unreadable(&parts[file], &e))
            });
        }
        Box::pin(async { bytes })
    }))
}

/// Loads an adapter by this name: a GGUF file, or PEFT's folder or safetensors file, whose config lies beside it.
pub async fn load_adapter(engine: &mut Engine, from: &str, name: &str) -> Result<()> {
    let (file, config) = match from.ends_with(WEIGHTS) || !is_address(from) && Path::new(from).is_dir() {
        true => {
            let folder =
                from.strip_suffix(WEIGHTS).map_or_else(|| format!("{}/", from.trim_end_matches('/')), String::from);
            (format!("{folder}{WEIGHTS}"), Some(text(&format!("{folder}{CONFIG}"))?))
        }
        false => (from.to_string(), None),
    };
    engine.begin_adapter(name, config.as_deref())?;
    let mut pieces = Pieces::open(&file, PIECE)?;
    while let Some(piece) = pieces.next()? {
        engine.push_adapter(piece)?;
    }
    engine.finish_adapter().await.map(drop)
}

/// What PEFT calls its files.
const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

fn text(from: &str) -> Result<String> {
    let mut text = String::new();
    match open(from)?.take(PIECE as u64).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(e) => bail!(Io, "'{from}' cannot be read ({e}); check the file."),
    }
}

/// Tokenizer, template and header. Nothing is read past the header. One that holds what cannot be run is an error, unless
/// it is to be `judged`.
pub fn open_text(model: &str, judged: bool, quantize: Option<TensorType>) -> Result<ModelText> {
    if is_repository(model) {
        let mut converted = Converted::open(model, quantize)?;
        let head = converted.next()?.unwrap_or_default();
        return match HeaderParser::default().push(&head)? {
            Some((header, _)) => ModelText::new(header),
            None => bail!(Internal, "The header that was made of '{model}' is not whole."),
        };
    }
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
pub fn parts(model: &str) -> Vec<String> {
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
pub struct Pieces {
    model: String,
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    total: u64,
}

impl Pieces {
    /// At most `size` bytes at once.
    pub fn open(model: &str, size: usize) -> Result<Self> {
        Ok(Pieces { model: model.into(), reader: open(model)?, buffer: vec![0; size], total: 0 })
    }

    /// Those of a part of it.
    pub fn range(model: &str, size: usize, first: u64, count: u64) -> Result<Self> {
        let (mut reader, before) = open_at(model, first)?;
        io::copy(&mut reader.by_ref().take(before), &mut io::sink()).map_err(|e| unreadable(model, &e))?;
        Ok(Pieces { model: model.into(), reader: Box::new(reader.take(count)), buffer: vec![0; size], total: first })
    }

    /// The next ones; `None` behind the last.
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        let Pieces { model, reader, buffer, total } = self;
        let n = reader.read(buffer).map_err(|e| {
            let code = if is_address(model) { Code::Network } else { Code::Io };
            Error::new(code, format!("Reading '{model}' broke off after {total} bytes ({e}); try again."))
        })?;
        let piece = &buffer[..n];
        if *total == 0 && looks_like_html(piece) {
            bail!(NotGguf, "'{model}' is a web page, not a model; give the address of the file itself.");
        }
        *total += n as u64;
        Ok((n > 0).then_some(piece))
    }
}

/// A model's bytes from one on; and how many of them come before it, where a server gives the whole file.
fn open_at(model: &str, first: u64) -> Result<(Box<dyn Read>, u64)> {
    if is_address(model) {
        let answer = ureq::get(model).header("Range", format!("bytes={first}-")).call();
        let answer = answer.map_err(|e| refused(model, &e))?;
        let before = if answer.status() == 206 { 0 } else { first };
        return Ok((Box::new(answer.into_body().into_reader()), before));
    }
    let mut file = File::open(model).map_err(|e| unreadable(model, &e))?;
    file.seek(SeekFrom::Start(first)).map_err(|e| unreadable(model, &e))?;
    Ok((Box::new(file), 0))
}

fn open(model: &str) -> Result<Box<dyn Read>> {
    if let Some(file) = model.strip_prefix("hf:") {
        bail!(
            BadOption,
            "'hf:{file}' is looked up by pages and by `npm run` alone; give this program the file's own address, https://huggingface.co/OWNER/NAME/resolve/main/FILE.gguf."
        );
    }
    if !is_address(model) {
        if Path::new(model).is_dir() {
            bail!(
                Io,
                "'{model}' is a folder; give the .gguf file in it, or a folder with a config.json and safetensors."
            );
        }
        return match File::open(model) {
            Ok(file) => Ok(Box::new(file)),
            Err(e) => Err(unreadable(model, &e)),
        };
    }
    match ureq::get(model).call() {
        Ok(response) => Ok(Box::new(response.into_body().into_reader())),
        Err(e) => Err(refused(model, &e)),
    }
}

fn refused(model: &str, error: &ureq::Error) -> Error {
    match error {
        ureq::Error::StatusCode(status) => {
            Error::new(Code::Http, format!("'{model}' answers with HTTP status {status}; check the address."))
        }
        e => Error::new(
            Code::Network,
            format!("'{model}' cannot be fetched ({e}); check the address and the connection."),
        ),
    }
}

pub fn is_address(model: &str) -> bool {
    model.starts_with("http://") || model.starts_with("https://")
}

/// Bytes of the model's files here; none of an address, or where one cannot be found.
pub fn bytes_there(model: &str) -> Option<u64> {
    let there = |part: &String| std::fs::metadata(part).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    if is_repository(model) { None } else { parts(model).iter().map(there).sum() }
}

fn looks_like_html(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"<")
}
