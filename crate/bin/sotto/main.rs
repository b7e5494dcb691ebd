//! `sotto generate|score|bench`: the engine on this machine's GPU. `npm run -s generate|score|bench` takes the same
//! flags and prints the same JSON, from the built package in a browser.

#[cfg(not(target_arch = "wasm32"))]
mod bench;
#[cfg(not(target_arch = "wasm32"))]
mod commands;
#[cfg(not(target_arch = "wasm32"))]
mod source;

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    if let Err(error) = commands::run() {
        eprintln!("sotto: {error}");
        std::process::exit(1);
    }
}

#[cfg(target_arch = "wasm32")]
fn main() {}
