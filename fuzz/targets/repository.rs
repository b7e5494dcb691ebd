//! Repositories of safetensors: three parts of a seed are divided by a zero byte: `config.json`, the list of files, a file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::base::error::Code;
use sotto::file::safetensors::{HeadParser, Repository};
use sotto::quant::TensorType;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |&byte| byte == 0);
    let (Some(config), Some(index), Some(file)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Ok(Some(head)) = HeadParser::new(Code::BadHeader).push(file) else { return };
    let start = file.len().min((head.file_bytes - head.entries.iter().map(|entry| entry.bytes).sum::<u64>()) as usize);
    let Ok(repository) = Repository::open("fuzz", config, Some(index).filter(|index| !index.is_empty())) else { return };
    if repository.files().len() > 1 {
        return;
    }
    let Ok(mut converter) = repository.convert(vec![head], TensorType::Q8_0) else { return };
    let _ = converter.take_head();
    let mut out = Vec::new();
    for piece in file[start..].chunks(97) {
        converter.push(piece, &mut out);
        out.clear();
    }
    let _ = converter.next_file();
});
