//! Writes the JS and TypeScript bindings of a compiled wasm file: `sotto-bindgen IN.wasm OUT_DIR [--resets]`. With
//! `--resets` they can make the module anew after a crash.
//! A pinned library call instead of a global tool, so that Rust and Node are all a machine needs.

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (input, out, resets) = match args.as_slice() {
        [input, out] => (input, out, false),
        [input, out, flag] if flag == "--resets" => (input, out, true),
        _ => {
            eprintln!("usage: sotto-bindgen IN.wasm OUT_DIR [--resets]");
            std::process::exit(2);
        }
    };
    let done = wasm_bindgen_cli_support::Bindgen::new()
        .input_path(input)
        .web(true)
        .map(|b| b.reset_state_function(resets))
        .and_then(|b| b.typescript(true).omit_default_module_path(false).generate(out));
    if let Err(e) = done {
        eprintln!("sotto-bindgen: {e:#}");
        std::process::exit(1);
    }
}
