//! A model of a file, on one thread of the CPU.

use std::io::Read;

use pollster::block_on;
use sotto::base::error::Result;
use sotto::device::{Backend, CpuOptions};
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};

pub fn load(path: &str, context: u32) -> Result<Engine> {
    let cpu = CpuOptions { threads: Some(1), ..Default::default() };
    let options = LoadOptions { backend: Backend::Cpu, cpu, context: Some(context), ..Default::default() };
    let mut loader = block_on(Loader::new(options))?;
    let mut file = std::fs::File::open(path).expect("a file that can be opened");
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut piece).expect("a file that can be read");
        if count == 0 {
            return block_on(loader.finish());
        }
        loader.push(&piece[..count])?;
    }
}
