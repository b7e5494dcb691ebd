//! The file of `sotto chat --session`: what the model has read, so that the next command need not read it again.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use sotto::bail;
use sotto::base::error::{Code, Error, Result};
use sotto::run::engine::Engine;
use sotto::run::saved::{MAGIC, Restorer, Saver};

use crate::replace::Output;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// `BadOption` where what is there is something else than a session, which would be written over.
pub fn check(path: &Path) -> Result<()> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(path, &error)),
    };
    let path_shown = path.display();
    if !about.is_file() {
        bail!(BadOption, "'{path_shown}' is no file; name one for --session.");
    }
    let mut beginning = Vec::new();
    let file = File::open(path).map_err(|e| io(path, &e))?;
    file.take(MAGIC.len() as u64).read_to_end(&mut beginning).map_err(|e| io(path, &e))?;
    if !MAGIC.starts_with(&beginning) {
        bail!(
            BadOption,
            "'{path_shown}' is no saved session and would be written over; name another file for --session."
        );
    }
    Ok(())
}

/// Puts back what is in the file, if there is one. Of what cannot be used a warning tells.
pub async fn restore(engine: &mut Engine, path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut restorer = Restorer::default();
    match read(engine, &mut restorer, path).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.code, Code::StaleSession | Code::DamagedSession) => {
            restorer.drop_from(engine);
            warn_line!("sotto: {error}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn read(engine: &mut Engine, restorer: &mut Restorer, path: &Path) -> Result<()> {
    let mut file = File::open(path).map_err(|e| io(path, &e))?;
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece).map_err(|e| io(path, &e))?;
        if count == 0 {
            return restorer.finish(engine).await.map(drop);
        }
        restorer.push(&piece[..count], engine).await?;
    }
}

/// Writes the text that was read last, in the place of what the file held: that stays until the new one is whole.
pub async fn save(engine: &Engine, path: &Path) -> Result<()> {
    let Some(last) = engine.model.kv().sequences().iter().max_by_key(|sequence| sequence.used) else { return Ok(()) };
    let Some(mut saver) = Saver::new(engine, &last.tokens) else { return Ok(()) };
    let mut file = Output::create(path).map_err(|e| io(path, &e))?;
    while let Some(piece) = saver.next(engine).await? {
        file.write_all(&piece).map_err(|e| io(path, &e))?;
    }
    file.finish().map_err(|e| io(path, &e))
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("The session '{}' could not be read or written ({error}).", path.display()))
}
