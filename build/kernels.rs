//! Turns `shaders/` into the kernel table. Each line of `shaders/permutations` is a kernel; every combination of its
//! choices is a variant. Each variant is parsed and validated by naga, and what naga sees of it (uniforms, bindings,
//! workgroup size, constants) becomes Rust: `$OUT_DIR/kernels.rs`, which `crate/kernels/table.rs` includes.

mod emit;
mod face;
mod permutations;
mod sources;

use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=../shaders");
    println!("cargo:rerun-if-changed=../build");
    env::set_current_dir("..").expect("the folder of the whole");
    let lines = fs::read_to_string("shaders/permutations").expect("shaders/permutations");
    let kernels = permutations::parse(&lines);
    let mut sources = sources::Sources::default();
    let faces: Vec<face::Face> = kernels.iter().map(|kernel| face::Face::of(kernel, &mut sources)).collect();
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("kernels.rs"), emit::table(&faces, &sources)).expect("the kernel table");
}
