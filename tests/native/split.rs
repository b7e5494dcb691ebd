//! Models in several files.

use pollster::block_on;
use sotto::base::error::{Code, Error, Result};
use sotto::device::Backend;
use sotto::file::gguf::{Header, HeaderParser, Joined};
use sotto::run::engine::Engine;
use sotto::run::loader::{LoadOptions, Loader};
use tiny_models as tiny;

use crate::common::run::{load, prefill};

const TOKENS: [u32; 5] = [5, 9, 40, 7, 100];

fn parts(name: &str) -> Vec<Vec<u8>> {
    (1..=3).map(|no| tiny::build(&format!("{name}@{no}of3")).expect("a part")).collect()
}

fn header(file: &[u8]) -> Header {
    HeaderParser::new().push(file).expect("a sound header").expect("a whole header").0
}

fn on(backend: Backend) -> LoadOptions {
    LoadOptions { backend, ..Default::default() }
}

/// As a page does it: the headers of all others, then each file in pieces.
pub fn load_parts(parts: &[Vec<u8>], options: LoadOptions) -> Result<Engine> {
    let mut loader = block_on(Loader::new(options))?;
    parts[1..].iter().for_each(|part| loader.add_part(header(part)));
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            loader.next_part()?;
        }
        for piece in part.chunks(10_007) {
            loader.push(piece)?;
        }
    }
    block_on(loader.finish())
}

#[test]
fn a_split_model_computes_what_the_whole_one_does() {
    for backend in [Backend::Webgpu, Backend::Cpu] {
        let mut split = load_parts(&parts("llama-mixed"), on(backend)).expect("a model");
        let whole = tiny::build("llama-mixed").expect("a tiny model");
        let mut whole = load(&whole, on(backend)).expect("a model");
        assert_eq!(prefill(&mut split, &TOKENS, 8), prefill(&mut whole, &TOKENS, 8));
        assert_eq!((split.n_params, &split.types), (whole.n_params, &whole.types));
    }
}

#[test]
fn the_part_that_is_missing_is_named() {
    let all = parts("llama-f32");
    let joined = |order: &[usize]| -> Error {
        Joined::new(order.iter().map(|&index| header(&all[index])).collect()).expect_err("not the model")
    };
    for (order, named) in [
        (&[0, 1][..], "Part 3 of 3"),
        (&[0], "Part 2 of 3"),
        (&[1], "is part 2 of 3; load the first"),
        (&[0, 2, 1], "Part 2 of the model"),
        (&[1, 0, 2], "Part 1 of the model"),
        (&[0, 1, 2, 2], "Part 4 of the model"),
    ] {
        let error = joined(order);
        assert_eq!(error.code, Code::MissingPart, "{error}");
        assert!(error.message.contains(named), "{error}");
    }
    // Another model's second part has other tensors, or more of them.
    let other = header(&parts("qwen2-f32")[1]);
    let error = Joined::new(vec![header(&all[0]), other, header(&all[2])]).expect_err("not the model");
    assert_eq!(error.code, Code::MissingPart, "{error}");
    // Alone, a part is refused by `load` too; and one that ends early is told of by its number.
    assert_eq!(load(&all[0], on(Backend::Cpu)).err().expect("no model").code, Code::MissingPart);
    let mut short = all;
    let half = short[1].len() / 2;
    short[1].truncate(half);
    let error = load_parts(&short, on(Backend::Cpu)).err().expect("no model");
    assert!(error.code == Code::Truncated && error.message.contains("Part 2"), "{error}");
}
