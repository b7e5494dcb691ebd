//! `cargo run --release -p tiny-models` lists the tiny models, `… -- NAME OUT.gguf` writes one, `… -- archs FOLDER` those
//! of `archs.rs`, `… -- encoders FOLDER` those of `encoders.rs`, `… -- vocabs FOLDER` the vocabularies of encoders,
//! `… -- repository NAME FOLDER` one as Hugging Face has it, `… -- repository packed-NAME FOLDER` one of `packed.rs`.

use std::process::ExitCode;

use tiny_models as tiny;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [] => {
            tiny::MODELS.iter().for_each(|m| println!("{}", m.name));
            tiny::bad::FILES.iter().for_each(|f| println!("{} ({})", f.name, f.codes.join(" or ")));
            ExitCode::SUCCESS
        }
        [all, folder] if all == "archs" || all == "encoders" => {
            for row in if all == "archs" { tiny::archs::ROWS } else { tiny::encoders::ROWS } {
                let out = std::path::Path::new(folder).join(format!("{}.gguf", row.name.replace('/', "-")));
                if let Err(error) = std::fs::write(&out, row.assemble().to_bytes()) {
                    return fail(format!("Could not write {}: {error}.", out.display()));
                }
            }
            ExitCode::SUCCESS
        }
        [all, folder] if all == "headers" => {
            for row in tiny::archs::ROWS.iter().chain(tiny::encoders::ROWS) {
                let out = std::path::Path::new(folder).join(format!("{}.gguf", row.name.replace('/', "-")));
                if let Err(error) = std::fs::write(&out, row.assemble().header()) {
                    return fail(format!("Could not write {}: {error}.", out.display()));
                }
            }
            ExitCode::SUCCESS
        }
        [all, folder] if all == "vocabs" => {
            for (name, _) in tiny::vocab::ENCODERS.iter().chain(&tiny::vocab::OTHERS) {
                let out = std::path::Path::new(folder).join(format!("{name}.gguf"));
                if let Err(error) = std::fs::write(&out, tiny::vocab::alone(name).unwrap_or_default()) {
                    return fail(format!("Could not write {}: {error}.", out.display()));
                }
            }
            ExitCode::SUCCESS
        }
        [what, name, folder] if what == "repository" => {
            let spec = tiny::find(name).map(tiny::assemble);
            let row = || tiny::encoders::ROWS.iter().find(|row| row.name == name).map(tiny::archs::Row::assemble);
            let packed = || tiny::packed::repository(name.strip_prefix("packed-")?);
            let files = spec.or_else(row).map(|mut file| tiny::repository::write(&mut file, 2)).or_else(packed);
            let Some(files) = files else { return fail(format!("There is no tiny model {name}.")) };
            for (path, bytes) in files {
                let out = std::path::Path::new(folder).join(path);
                let parent = out.parent().map_or(Ok(()), std::fs::create_dir_all);
                if let Err(error) = parent.and_then(|()| std::fs::write(&out, bytes)) {
                    return fail(format!("Could not write {}: {error}.", out.display()));
                }
            }
            ExitCode::SUCCESS
        }
        [name, out] => {
            let others = [tiny::bad::build, tiny::encoders::build, tiny::archs::build];
            match tiny::build(name).or_else(|| others.iter().find_map(|build| build(name))) {
                None => fail(format!("There is no tiny model {name}; without arguments the names are listed.")),
                Some(bytes) => match std::fs::write(out, bytes) {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => fail(format!("Could not write {out}: {error}.")),
                },
            }
        }
        _ => fail("Usage: tiny_model [NAME OUT.gguf]".into()),
    }
}

fn fail(message: String) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}
