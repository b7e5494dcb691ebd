//! Repositories of safetensors: three parts of a seed are divided by a zero byte: `config.json`, the list of files, the header of
//! a file, whose weights are made up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto::base::error::Code;
use sotto::file::safetensors::{HeadParser, Repository};

/// Larger ones would take the time of many.
const MOST_BYTES: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |&byte| byte == 0);
    let (Some(config), Some(index), Some(header)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Ok(Some(head)) = HeadParser::new(Code::BadHeader).push(header) else { return };
    let Ok(repository) = Repository::open("fuzz", config, Some(index).filter(|index| !index.is_empty())) else {
        return;
    };
    if repository.files().len() > 1 {
        return;
    }
    let length = head.file_bytes;
    let Ok(mut converter) = repository.convert(vec![head], None, Default::default()) else { return };
    if length > MOST_BYTES {
        return;
    }
    let mut file = header.to_vec();
    file.resize(length as usize, 0x3c);
    let mut out = converter.take_head();
    for span in converter.early() {
        converter.push_early(&file[span.first as usize..(span.first + span.count) as usize]);
    }
    // What is told to be wrong is read all the same, and harms nothing.
    converter.end_early().ok();
    for piece in file.chunks(9973) {
        converter.push(piece, &mut out);
    }
    assert!(converter.next_file().is_ok() && out.len() as u64 >= converter.catalog.file_bytes);
});
