//! What parsing a header costs in memory.

use crate::common::gguf_writer::{Random, Writer, value};
use crate::common::memory::cost;
use sotto::file::gguf::HeaderParser;
use sotto::quant::TensorType;

#[test]
fn memory_follows_the_bytes_that_came() {
    // Mutants of a small file: whatever counts they promise, they get what their bytes are worth.
    let mut writer = Writer::new();
    writer.key("general.name", value::text("name"));
    writer.key("ints", value::list(5, 20, vec![1; 80]));
    writer.key("bytes", value::list(0, 80, vec![1; 80]));
    writer.key("texts", value::texts(&["one", "two", "three"]));
    writer.append("first", &[256, 4], TensorType::Q4_K);
    writer.append("second", &[16], TensorType::F32);
    let good = writer.header();
    let mut random = Random(0x6e0);
    for _ in 0..5_000 {
        let mut file = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(good.len() - 8);
            let huge = [1u64 << 20, 1 << 25, 1 << 32, u64::MAX][random.below(4)];
            match random.below(2) {
                0 => file[at] = random.below(256) as u8,
                _ => file[at..at + 8].copy_from_slice(&huge.to_le_bytes()),
            }
        }
        let ((), peak, _) = cost(|| drop(HeaderParser::new().push(&file)));
        assert!(peak < 32 * 1024, "a file of {} bytes took {peak}", file.len());
    }

    // A vocabulary that comes in small pieces is not copied again with each of them.
    let tokens: Vec<String> = (0..20_000).map(|token| format!("token {token}")).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut writer = Writer::new();
    writer.key("tokens", value::texts(&tokens));
    writer.key("template", value::text(&"long ".repeat(40_000)));
    let file = writer.header();
    for step in [1, 1000, file.len()] {
        let ((), peak, total) = cost(|| {
            let mut parser = HeaderParser::new();
            assert!(file.chunks(step).any(|part| parser.push(part).unwrap().is_some()));
        });
        assert!(peak < 5 * file.len(), "in steps of {step}: {} bytes took {peak}", file.len());
        assert!(total < 10 * file.len(), "in steps of {step}: {} bytes took {total} in all", file.len());
    }
}
