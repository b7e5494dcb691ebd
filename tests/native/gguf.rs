//! The header parser on good, cut, trickled and hostile files.

use crate::common::gguf_writer::{Random, Writer, value};
use sotto::base::error::Code;
use sotto::file::Value;
use sotto::file::gguf::{Header, HeaderParser};
use sotto::quant::TensorType;

/// Every metadata type, lists of each, and tensors of three types in scrambled order.
fn sample() -> Writer {
    let mut writer = Writer::new();
    writer.key("general.architecture", value::text("llama"));
    writer.key("u8", value::scalar(0, &[200]));
    writer.key("i8", value::scalar(1, &(-5i8).to_le_bytes()));
    writer.key("u16", value::scalar(2, &60_000u16.to_le_bytes()));
    writer.key("i16", value::scalar(3, &(-300i16).to_le_bytes()));
    writer.key("u32", value::u32(4_000_000_000));
    writer.key("i32", value::scalar(5, &(-70_000i32).to_le_bytes()));
    writer.key("f32", value::f32(0.5));
    writer.key("yes", value::bool(true));
    writer.key("u64", value::scalar(10, &u64::MAX.to_le_bytes()));
    writer.key("i64", value::scalar(11, &i64::MIN.to_le_bytes()));
    writer.key("f64", value::scalar(12, &(-2.25f64).to_le_bytes()));
    writer.key("texts", value::texts(&["a", "", "žluťoučký 🦙", "\n"]));
    writer.key("none", value::texts(&[]));
    writer.key("ints", value::list(5, 3, [1i32, -2, 3].iter().flat_map(|n| n.to_le_bytes()).collect()));
    writer.key("bytes", value::list(0, 3, vec![0, 128, 255]));
    writer.key("floats", value::list(6, 2, [1.5f32, -2.5].iter().flat_map(|n| n.to_le_bytes()).collect()));
    writer.key("doubles", value::list(12, 1, 0.25f64.to_le_bytes().to_vec()));
    writer.key("bools", value::list(7, 2, vec![1, 0]));
    writer.tensor("b", &[32, 3], TensorType::Q4_0, 1024);
    writer.tensor("a", &[256], TensorType::F32, 0);
    writer.tensor("c", &[256, 2, 2, 1], TensorType::Q6_K, 1088);
    writer
}

fn parse(bytes: &[u8]) -> Result<Header, sotto::base::error::Error> {
    parse_in_steps(bytes, bytes.len().max(1))
}

/// Also checks that the parser says the same about where data begins, however bytes arrive.
fn parse_in_steps(bytes: &[u8], step: usize) -> Result<Header, sotto::base::error::Error> {
    let mut parser = HeaderParser::new();
    let mut start = 0;
    for part in bytes.chunks(step) {
        if let Some((header, ours)) = parser.push(part)? {
            let data = (header.data_offset as usize).min(start + part.len());
            assert_eq!(start + ours, data);
            return Ok(header);
        }
        start += part.len();
    }
    Err(parser.finish())
}

#[track_caller]
fn fails(bytes: &[u8], code: Code, says: &str) {
    let error = parse(bytes).expect_err("must not parse");
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(says), "{error} does not say {says:?}");
    for step in [1, 7] {
        assert_eq!(parse_in_steps(bytes, step).expect_err("must not parse"), error, "in steps of {step}");
    }
}

#[test]
fn everything_in_a_header_is_read() {
    for version in [2, 3] {
        let mut writer = sample();
        writer.version = version;
        let file = writer.file();
        let header = parse(&file).unwrap();
        assert_eq!(header.version, version);
        let metadata = &header.catalog.metadata;
        assert_eq!(metadata.str("general.architecture").unwrap(), Some("llama"));
        assert_eq!(metadata.get("u8"), Some(&Value::U64(200)));
        assert_eq!(metadata.get("i8"), Some(&Value::I64(-5)));
        assert_eq!(metadata.get("u16"), Some(&Value::U64(60_000)));
        assert_eq!(metadata.get("i16"), Some(&Value::I64(-300)));
        assert_eq!(metadata.u32("u32").unwrap(), Some(4_000_000_000));
        assert_eq!(metadata.get("i32"), Some(&Value::I64(-70_000)));
        assert_eq!(metadata.f32("f32").unwrap(), Some(0.5));
        assert_eq!(metadata.bool("yes").unwrap(), Some(true));
        assert_eq!(metadata.get("u64"), Some(&Value::U64(u64::MAX)));
        assert_eq!(metadata.get("i64"), Some(&Value::I64(i64::MIN)));
        assert_eq!(metadata.f32("f64").unwrap(), Some(-2.25));
        assert_eq!(metadata.strings("texts").unwrap().unwrap(), ["a", "", "žluťoučký 🦙", "\n"]);
        assert_eq!(metadata.strings("none").unwrap().unwrap().len(), 0);
        assert_eq!(metadata.ints("ints").unwrap().unwrap(), [1, -2, 3]);
        assert_eq!(metadata.ints("bytes").unwrap().unwrap(), [0, 128, 255]);
        assert_eq!(metadata.floats("floats").unwrap().unwrap(), [1.5, -2.5]);
        assert_eq!(metadata.floats("doubles").unwrap().unwrap(), [0.25]);
        assert_eq!(metadata.bools("bools").unwrap().unwrap(), [true, false]);
        assert_eq!(metadata.len(), 19);

        let data = writer.header().len().next_multiple_of(32) as u64;
        assert_eq!(header.data_offset, data);
        assert_eq!(header.catalog.file_bytes, data + 1088 + 4 * 210);
        assert_eq!(header.catalog.file_bytes as usize, file.len());
        let names: Vec<&str> = header.catalog.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let b = header.catalog.tensor("b").unwrap();
        assert_eq!((b.shape.as_slice(), b.kind, b.offset, b.bytes), (&[32, 3][..], TensorType::Q4_0, data + 1024, 54));
    }
}

#[test]
fn getters_name_the_key_and_what_it_holds() {
    let mut metadata = parse(&sample().file()).unwrap().catalog.metadata;
    let error = metadata.u32("texts").unwrap_err();
    assert_eq!(error.code, Code::BadMetadata);
    assert!(error.message.contains("\"texts\"") && error.message.contains("a list of texts"), "{error}");
    assert!(metadata.u32("i8").unwrap_err().message.contains("-5"));
    assert!(metadata.u32("u64").unwrap_err().message.contains("18446744073709551615"));
    assert!(metadata.need_str("absent").unwrap_err().message.contains("\"absent\" is missing"));
    assert_eq!(metadata.f32("u8").unwrap(), Some(200.0));
    assert_eq!(metadata.u32("absent").unwrap(), None);
    assert_eq!(metadata.take_strings("ints").unwrap_err().code, Code::BadMetadata);
    assert_eq!(metadata.take_strings("texts").unwrap().unwrap().len(), 4);
    assert_eq!(metadata.take_strings("texts").unwrap(), None);
}

#[test]
fn any_chunking_gives_the_same_header() {
    let file = sample().file();
    let whole = parse(&file).unwrap();
    for step in 1..file.len() {
        let header = parse_in_steps(&file, step).unwrap();
        assert_eq!(header.catalog.metadata, whole.catalog.metadata, "in steps of {step}");
        assert_eq!(header.catalog.tensors, whole.catalog.tensors);
        assert_eq!((header.data_offset, header.catalog.file_bytes), (whole.data_offset, whole.catalog.file_bytes));
    }
}

#[test]
fn a_cut_header_says_where() {
    let writer = sample();
    let header = writer.header();
    for cut in 0..header.len() {
        let error = parse(&header[..cut]).expect_err("a cut header must not parse");
        assert_eq!(error.code, Code::Truncated, "{error}");
        let place = if cut == 0 { "empty".to_string() } else { format!("at byte {cut},") };
        assert!(error.message.contains(&place), "{error}");
    }
    // Padding and data may come later: the header is complete without them.
    assert_eq!(parse(&header).unwrap().data_offset as usize, header.len().next_multiple_of(32));
    let error = parse(&header[..header.len() - 3]).unwrap_err();
    assert!(error.message.contains("the record of tensor 2"), "{error}");
}

#[test]
fn other_files_are_told_apart() {
    fails(b"<!DOCTYPE html><title>404</title>", Code::NotGguf, "web page");
    fails(b"version https://git-lfs.github.com/spec/v1", Code::NotGguf, "Git LFS");
    fails(b"PK\x03\x04 and so on", Code::NotGguf, "zip");
    fails(b"\x00\xffab", Code::NotGguf, "\\x00\\xffab");
    fails(b"GGU", Code::Truncated, "byte 3");
    fails(b"GG>", Code::NotGguf, "GG>");
    fails(b"", Code::Truncated, "empty");
}

#[test]
fn versions_and_byte_orders() {
    for (version, says) in
        [(0, "big-endian"), (1, "version 1"), (4, "version 4"), (3 << 24, "big-endian"), (2 << 24, "big-endian")]
    {
        let mut writer = sample();
        writer.version = version;
        fails(&writer.file(), Code::UnsupportedVersion, says);
    }
}

#[test]
fn absurd_counts_and_lengths() {
    for (tensors, keys) in [(u64::MAX, 0), (1 << 21, 0), (0, u64::MAX), (0, 1 << 17), (1 << 63, 1 << 63)] {
        let mut writer = Writer::new();
        writer.counts = Some((tensors, keys));
        fails(&writer.header(), Code::BadHeader, "absurd");
    }
    for length in [u64::MAX, 1 << 63, 1 << 32, 65 << 20] {
        let mut writer = Writer::new();
        writer.key("k", (8, length.to_le_bytes().to_vec()));
        fails(&writer.header(), Code::BadHeader, "absurd");
        for tag in [0, 6, 8, 12] {
            let mut writer = Writer::new();
            writer.key("k", value::list(tag, length.max(1 << 30), vec![]));
            fails(&writer.header(), Code::BadHeader, "absurd");
        }
        let mut writer = Writer::new();
        writer.raw_key(&[&length.to_le_bytes()[..], b"key"].concat());
        fails(&writer.header(), Code::BadHeader, "absurd");
        let mut writer = Writer::new();
        writer.raw_tensor(&[&length.to_le_bytes()[..], b"name"].concat());
        fails(&writer.header(), Code::BadHeader, "absurd");
    }
    // A text may be long: it is waited for, without room being made for it.
    let mut writer = Writer::new();
    writer.key("k", (8, (64u64 << 20).to_le_bytes().to_vec()));
    fails(&writer.header(), Code::Truncated, "\"k\"");
}

#[test]
fn small_elements_may_not_swell() {
    // 20 million bytes of file would become 160 MB of i64.
    let mut writer = Writer::new();
    writer.key("k", value::list(0, 20_000_000, vec![7; 20_000_000]));
    let error = parse(&writer.header()).unwrap_err();
    assert_eq!(error.code, Code::BadHeader);
    assert!(error.message.contains("memory"), "{error}");
}

#[test]
fn bad_metadata_records() {
    let bad = |key: &str, value: (u32, Vec<u8>), says: &str| {
        let mut writer = Writer::new();
        writer.key(key, value);
        writer.key("more", value::u32(1));
        fails(&writer.header(), Code::BadHeader, says);
    };
    bad("more", value::u32(2), "occurs twice");
    bad("", value::u32(2), "empty");
    bad("k", (13, vec![0; 8]), "unknown type 13");
    bad("k", (u32::MAX, vec![0; 8]), "unknown type");
    bad("k", value::list(9, 1, vec![0; 12]), "type 9");
    bad("k", value::list(77, 1, vec![0; 12]), "type 77");
    let mut writer = Writer::new();
    writer.raw_key(&[&2u64.to_le_bytes()[..], b"\xff\xfe", &4u32.to_le_bytes(), &[0; 4]].concat());
    fails(&writer.header(), Code::BadHeader, "not text");
    // A long key is shown shortened.
    let mut writer = Writer::new();
    writer.key(&"k".repeat(60_000), (99, vec![]));
    assert!(parse(&writer.header()).unwrap_err().message.len() < 300);
}

#[test]
fn broken_utf8_in_a_value_is_replaced() {
    let mut writer = Writer::new();
    writer.key("k", value::list(8, 1, [&2u64.to_le_bytes()[..], b"a\xff"].concat()));
    assert_eq!(parse(&writer.header()).unwrap().catalog.metadata.strings("k").unwrap().unwrap(), ["a\u{fffd}"]);
}

#[test]
fn bad_tensor_records() {
    let bad = |shape: &[u64], kind: u32, says: &str, code: Code| {
        let mut writer = Writer::new();
        writer.tensor_record("odd", shape, kind, 0);
        fails(&writer.header(), code, says);
    };
    bad(&[], 0, "0 dimensions", Code::BadHeader);
    bad(&[1; 5], 0, "5 dimensions", Code::BadHeader);
    bad(&[1; 900], 0, "900 dimensions", Code::BadHeader);
    bad(&[0], 0, "empty", Code::BadHeader);
    bad(&[32, 0], 2, "empty", Code::BadHeader);
    bad(&[u64::MAX], 0, "absurdly", Code::BadHeader);
    bad(&[1 << 32, 1 << 32], 0, "absurdly", Code::BadHeader);
    bad(&[1 << 16, 1 << 16, 1 << 16, 1 << 16], 1, "absurdly", Code::BadHeader);
    bad(&[1 << 62], 0, "absurdly", Code::BadHeader);
    bad(&[1 << 58], 1, "outside any possible file", Code::BadHeader);
    bad(&[48], 2, "blocks of 32", Code::BadHeader);
    bad(&[320], 12, "blocks of 256", Code::BadHeader);
    bad(&[256], 9, "Q8_1", Code::UnsupportedTensorType);
    bad(&[256], 4, "number 4", Code::UnsupportedTensorType);
    bad(&[256], u32::MAX, "unknown", Code::UnsupportedTensorType);
}

#[test]
fn tensors_must_tile_the_data() {
    let place = |offsets: [u64; 2], says: &str| {
        let mut writer = Writer::new();
        writer.tensor("first", &[16], TensorType::F32, offsets[0]);
        writer.tensor_record("second", &[16], TensorType::F32.id(), offsets[1]);
        fails(&writer.header(), Code::BadHeader, says);
    };
    place([0, 0], "overlaps");
    place([0, 32], "overlaps");
    place([64, 96], "starts at 64");
    place([0, 65], "no multiple of 32");
    place([0, 96], "starts at 96 of the data, not at 64");
    place([0, u64::MAX - 31], "starts at 18446744073709551584");
    let mut writer = Writer::new();
    writer.tensor("same", &[16], TensorType::F32, 0);
    writer.tensor("same", &[16], TensorType::F32, 64);
    fails(&writer.header(), Code::BadHeader, "\"same\"");
}

#[test]
fn the_file_says_its_alignment() {
    let mut writer = Writer::new();
    writer.key("general.alignment", value::u32(256));
    writer.tensor("first", &[16], TensorType::F32, 0);
    writer.tensor("second", &[16], TensorType::F32, 256);
    let header = parse(&writer.header()).unwrap();
    assert_eq!((header.data_offset, header.catalog.tensors[1].offset, header.catalog.file_bytes), (256, 512, 576));
    for alignment in [0, 1, 4, 24, 33, 1 << 17, u32::MAX] {
        let mut writer = Writer::new();
        writer.key("general.alignment", value::u32(alignment));
        writer.tensor("first", &[16], TensorType::F32, 0);
        fails(&writer.header(), Code::BadHeader, "alignment");
    }
    let mut writer = Writer::new();
    writer.key("general.alignment", value::text("32"));
    writer.tensor("first", &[16], TensorType::F32, 0);
    fails(&writer.header(), Code::BadMetadata, "general.alignment");
}

#[test]
fn a_file_may_hold_a_vocabulary_alone() {
    let mut writer = Writer::new();
    writer.key("general.architecture", value::text("llama"));
    let header = parse(&writer.header()).unwrap();
    assert_eq!(header.catalog.file_bytes as usize, writer.header().len());
    assert!(parse(&Writer::new().header()).unwrap().catalog.metadata.is_empty());
}

#[test]
fn a_spent_parser_says_so() {
    let file = sample().file();
    let mut parser = HeaderParser::new();
    assert!(parser.push(&file).unwrap().is_some());
    assert_eq!(parser.push(&file).unwrap_err().code, Code::Internal);
    let mut parser = HeaderParser::new();
    assert!(parser.push(b"nonsense").is_err());
    assert_eq!(parser.push(&file).unwrap_err().code, Code::Internal);
}

#[test]
fn mutated_headers_never_panic() {
    const ODD: [u64; 8] = [0, 1, 255, 1 << 31, u32::MAX as u64, 1 << 63, u64::MAX, 1 << 40];
    let good = sample().file();
    let mut random = Random(0x5077);
    let mut parsed = 0;
    for round in 0..10_000 {
        let mut file = good.clone();
        for _ in 0..1 + random.below(4) {
            let at = random.below(good.len() - 8);
            match random.below(4) {
                0 => file[at] ^= 1 << random.below(8),
                1 => file[at] = random.below(256) as u8,
                2 => file[at..at + 8].copy_from_slice(&ODD[random.below(ODD.len())].to_le_bytes()),
                _ => file.truncate(at.max(1)),
            }
            file.resize(good.len(), 0);
        }
        file.truncate(1 + random.below(good.len()));
        let whole = parse(&file);
        let step = 1 + random.below(file.len());
        let stepped = parse_in_steps(&file, step);
        match (whole, stepped) {
            (Ok(whole), Ok(stepped)) => {
                parsed += 1;
                // Debug text, since a NaN does not equal itself.
                assert_eq!(format!("{whole:?}"), format!("{stepped:?}"), "round {round}");
                assert!(
                    whole.catalog.tensors.iter().all(|tensor| tensor.offset + tensor.bytes <= whole.catalog.file_bytes)
                );
            }
            (Err(whole), Err(stepped)) => assert_eq!(whole, stepped, "round {round}"),
            (whole, stepped) => {
                panic!("round {round}, in steps of {step}: {whole:?} against {stepped:?}")
            }
        }
    }
    assert!(parsed > 100, "only {parsed} mutants still parse");
}
