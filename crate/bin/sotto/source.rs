//! A model's bytes from a file or a URL, into a loader.

use std::io::Read;
use std::path::Path;

use sotto::bail;
use sotto::base::error::{Code, Error, Result};
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};

/// Bytes read at once, and bytes after which the device is waited for.
const PIECE: usize = 1 << 20;
const DRAIN: usize = 16 << 20;

pub async fn load(model: &str, options: LoadOptions) -> Result<Engine> {
    let mut reader = open(model)?;
    let mut loader = Loader::new(options).await?;
    let mut buffer = vec![0; PIECE];
    let mut waiting = 0;
    let mut total = 0u64;
    loop {
        let n = reader.read(&mut buffer).map_err(|e| {
            Error::new(Code::Network, format!("Reading '{model}' broke off after {total} bytes ({e}); try again."))
        })?;
        if n == 0 {
            break;
        }
        if total == 0 && looks_like_html(&buffer[..n]) {
            bail!(NotGguf, "'{model}' is a web page, not a model; give the address of the file itself.");
        }
        loader.push(&buffer[..n])?;
        if let Some(warning) = loader.take_warning() {
            eprintln!("sotto: {warning}");
        }
        total += n as u64;
        waiting += n;
        if waiting >= DRAIN {
            loader.drain().await?;
            waiting = 0;
        }
    }
    loader.finish().await
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
