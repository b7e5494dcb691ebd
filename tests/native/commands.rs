//! The commands that need no weights and no device, as a program that is run.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::models::{self, SMOLLM2};
use serde_json::{Value, json};
use tiny_models as tiny;

fn sotto(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sotto")).args(args).output().expect("the program runs")
}

fn json_of(args: &[&str]) -> Value {
    let Output { status, stdout, stderr } = sotto(&[args, &["--json"]].concat());
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).expect("one JSON value")
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).expect("the file is written");
    path
}

/// A file with the header of a tiny model, its number of tensors set to none.
fn vocabulary() -> PathBuf {
    let mut bytes = tiny::build("llama-f32").expect("a tiny model");
    let end = sotto_header_end(&bytes);
    bytes.truncate(end);
    bytes[8..16].fill(0);
    file("vocabulary.gguf", bytes)
}

/// Where the metadata ends: with the count of tensors zeroed, the parser says.
fn sotto_header_end(bytes: &[u8]) -> usize {
    let mut copy = bytes.to_vec();
    copy[8..16].fill(0);
    let parsed = sotto::file::gguf::HeaderParser::new().push(&copy).expect("the header parses");
    parsed.expect("a whole header").1
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn tokenize_gives_ids_and_pieces() {
    let model = vocabulary();
    let plain = json_of(&["tokenize", "--model", text(&model), "--text", "the cat<|im_end|>"]);
    let ids = plain["ids"].as_array().expect("ids");
    let pieces: String = plain["pieces"].as_array().expect("pieces").iter().filter_map(Value::as_str).collect();
    assert_eq!(pieces, "theĠcat<|im_end|>");
    assert!(!ids.contains(&json!(2)));
    let special = json_of(&["tokenize", "--model", text(&model), "--text", "the cat<|im_end|>", "--special"]);
    assert_eq!(special["ids"].as_array().expect("ids").last(), Some(&json!(2)));
    assert_eq!(special["pieces"].as_array().expect("pieces").last(), Some(&json!("<|im_end|>")));
    let batch = file("texts.json", r#"[{"name": "a", "text": "the cat"}, {"name": "b", "text": ""}]"#);
    let both = json_of(&["tokenize", "--model", text(&model), "--batch", text(&batch)]);
    assert_eq!(both[1], json!({ "name": "b", "ids": [], "pieces": [] }));
}

#[test]
fn template_renders_each_item_or_says_why_not() {
    let batch = json!([
        { "name": "plain", "messages": [{ "role": "user", "content": "Hi" }] },
        { "name": "reply", "messages": [{ "role": "user", "content": "Hi" }], "add_generation_prompt": true,
          "variables": { "bos_token": "<s>" }, "tools": [{ "type": "function" }], "now": 0 },
        { "name": "refused", "messages": [{ "role": "tool", "content": "x" }] },
        { "name": "none", "messages": [] },
        // cspell:ignore varables
        { "name": "odd", "messages": [{ "role": "user", "content": "Hi" }], "varables": {} },
    ]);
    let batch = file("messages.json", batch.to_string());
    let source = "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}\
                  {{ m.role }}: {{ m.content }}\n{% endfor %}{% if tools %}{{ tools|length }}{% endif %}\
                  {% if add_generation_prompt %}{{ strftime_now('%Y') }}{% endif %}";
    let template = file("template.jinja", source);
    let rendered = json_of(&["template", "--template", text(&template), "--batch", text(&batch)]);
    assert_eq!(rendered[0], json!({ "name": "plain", "text": "user: Hi\n" }));
    assert_eq!(rendered[1], json!({ "name": "reply", "text": "<s>user: Hi\n11970" }));
    assert_eq!(rendered[2]["error"]["code"], "bad_template");
    assert!(rendered[2]["error"]["message"].as_str().is_some_and(|message| message.contains("no tools")));
    assert_eq!(rendered[3]["error"]["code"], "bad_option");
    let says = "varables is not an option of renderChat; did you mean variables?";
    assert_eq!(rendered[4], json!({ "name": "odd", "error": { "code": "bad_option", "message": says } }));

    let by_model = json_of(&["template", "--model", text(&models::path(SMOLLM2)), "--batch", text(&batch)]);
    assert!(by_model[1]["text"].as_str().is_some_and(|text| text.ends_with("<|im_start|>assistant\n")));

    let broken = file("broken.jinja", "{% if %}");
    let broken = json_of(&["template", "--template", text(&broken), "--batch", text(&batch)]);
    assert!(broken.as_array().expect("a batch").iter().all(|item| item.get("error").is_some()));
}

#[test]
fn inspect_tells_what_the_header_says() {
    let whole = file("whole.gguf", tiny::build("llama-f32").expect("a tiny model"));
    let header = json_of(&["inspect", "--model", text(&whole)]);
    assert_eq!(header["architecture"], "llama");
    assert_eq!(header["types"], json!([{ "name": "F32", "n_tensors": 30, "bytes": 538_880 }]));
    assert_eq!(header["sizes"]["attention.layer_norm_rms_epsilon"], 0.001);
    assert_eq!(header["context_length"], 512);
    assert_eq!(header["tokenizer"]["model"], "gpt2");
    assert_eq!(header["special_tokens"][1], json!({ "name": "eos", "id": 2, "text": "<|im_end|>" }));
    assert!(header["chat_template"].as_str().is_some_and(|template| template.contains("im_start")));

    let vocabulary = json_of(&["inspect", "--model", text(&vocabulary())]);
    assert_eq!((&vocabulary["n_tensors"], &vocabulary["types"]), (&json!(0), &json!([])));
    assert_eq!(vocabulary["tokenizer"], header["tokenizer"]);
}

/// A server of a file that goes on for ever after its header.
#[test]
fn an_address_is_not_read_past_the_header() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/model.gguf", listener.local_addr().expect("an address"));
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = [0; 4096];
        drop(stream.read(&mut request));
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("the head is sent");
        stream.write_all(&tiny::build("llama-f32").expect("a tiny model")).expect("the header is sent");
        let chunk = vec![0; 1 << 16];
        (0..).take_while(|_| stream.write_all(&chunk).is_ok()).count() << 16
    });
    let header = json_of(&["inspect", "--model", &address]);
    assert_eq!(header["architecture"], "llama");
    // What the system's buffers took, no more.
    let sent = served.join().expect("the server ends");
    assert!(sent < 32 << 20, "{sent} bytes were sent after the header");
}

/// The command fails with status 1, prints nothing, and says this in one line that tells of the help at most once.
fn fails(args: &[&str], says: &str) {
    let Output { status, stdout, stderr } = sotto(args);
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!((status.code(), stdout.len()), (Some(1), 0), "{args:?}");
    assert!(stderr.contains(says), "{stderr}");
    assert_eq!((stderr.matches('\n').count(), stderr.matches("help").count() < 2), (1, true), "{stderr}");
}

#[test]
fn what_no_flags_can_mean_is_refused_in_one_sentence() {
    let generate = |args: &[&'static str]| [&["generate", "--model", "none.gguf"], args].concat();
    fails(&[], "sotto: No command was given; see --help.\n");
    fails(&["dance"], "unrecognized subcommand 'dance'");
    fails(&generate(&[]), "--prompt");
    for says in ["cannot be used with", "--prompt-file <PROMPT_FILE>", "; see --help.\n"] {
        fails(&generate(&["--prompt", "x", "--prompt-file", "y"]), says);
    }
    fails(&generate(&["--prompt", "x", "--parallel", "0"]), "--parallel");
    fails(&generate(&["--prompt", "x", "--prompt", "y"]), "cannot be used multiple times; see --help.\n");
    for says in ["cannot be used with", "'--stream'", "--batch <BATCH>"] {
        fails(&["chat", "--model", "none.gguf", "--batch", "x", "--stream"], says);
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let latin = file("latin.txt", b"Gr\xfc\xdfe");
    fails(
        &["inspect", "--model", folder],
        "is a folder; give the .gguf file in it, or a folder with a config.json and safetensors. (io)\n",
    );
    fails(&["tokenize", "--model", "none.gguf", "--text-file", folder], "is a folder; give a file. (io)\n");
    let latin = ["tokenize", "--model", "none.gguf", "--text-file", text(&latin)];
    fails(&latin, "latin.txt' is not text in UTF-8 (byte 2); save it in that encoding. (bad_option)\n");
    fails(&["inspect", "--model", "hf:owner/name:Q4_K_M"], "'hf:owner/name:Q4_K_M' is looked up by pages");
}

/// The second command goes on with what the first has read; a file that has changed is told of, and the answer is the same.
#[test]
fn a_conversation_goes_on_from_its_file() {
    let model = file("session.gguf", tiny::build("llama-f32").expect("a tiny model"));
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("talk.session");
    drop(std::fs::remove_file(&kept));
    let ask = |messages: Value| {
        let request = json!({ "messages": messages, "temperature": 0, "max_tokens": 6 });
        let request = file("session.json", request.to_string());
        let args = ["chat", "--backend", "cpu", "--model", text(&model), "--request", text(&request)];
        let Output { status, stdout, stderr } = sotto(&[&args[..], &["--session", text(&kept)]].concat());
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        assert!(status.success(), "{stderr}");
        let mut answer: Value = serde_json::from_slice(&stdout).expect("an answer");
        let cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a number");
        (answer["choices"][0]["message"].take(), cached, stderr)
    };
    let first = json!({ "role": "user", "content": "the cat and the dog" });
    let (reply, cached, _) = ask(json!([first]));
    assert_eq!(cached, 0);
    let longer = json!([first, reply, { "role": "user", "content": "which?" }]);
    let (next, cached, told) = ask(longer.clone());
    assert!(cached > 8 && told.is_empty(), "{cached} tokens, {told}");
    let mut bytes = std::fs::read(&kept).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&kept, bytes).expect("it is written");
    let (again, cached, told) = ask(longer);
    assert_eq!((again, cached), (next, 0));
    assert!(told.contains("damaged_session"), "{told}");
}

#[test]
fn the_engines_advice_names_flags() {
    let model = file("advice.gguf", tiny::build("llama-f32").expect("a tiny model"));
    let generate = ["generate", "--model", text(&model), "--backend", "cpu", "--prompt"];
    let long = "x ".repeat(999);
    let on = |args: &[&'static str]| [&generate[..], args].concat();
    fails(
        &on(&["x", "--context-length", "9999"]),
        "sotto: --context-length is 9999, but the model was trained for 512",
    );
    fails(&[&generate[..], &[&long]].concat(), "with a larger --context-length. (prompt_too_long)\n");
}

#[test]
fn inspect_tells_of_a_file_that_ends_before_its_tensors() {
    let mut bytes = tiny::build("llama-f32").expect("a tiny model");
    let whole = bytes.len();
    bytes.truncate(whole - 8);
    let cut = file("cut.gguf", &bytes);
    let verdict = json_of(&["inspect", "--model", text(&cut)])["verdict"].take();
    assert_eq!((&verdict["runs"], &verdict["findings"][0]["code"]), (&json!(false), &json!("truncated")));
    let says =
        format!("The file has {} of {whole} bytes: it ends before its tensors do; download it again.", whole - 8);
    assert_eq!(verdict["findings"][0]["sentence"], says);
    let parts = ["llama-mixed@1of2", "llama-mixed@2of2"].map(|name| tiny::build(name).expect("a part"));
    let first = file("whole-00001-of-00002.gguf", &parts[0]);
    file("whole-00002-of-00002.gguf", &parts[1]);
    assert_eq!(json_of(&["inspect", "--model", text(&first)])["verdict"]["runs"], true);
    file("whole-00002-of-00002.gguf", &parts[1][..parts[1].len() - 1000]);
    assert_eq!(json_of(&["inspect", "--model", text(&first)])["verdict"]["findings"][0]["code"], "truncated");
}

#[test]
fn flags_are_the_options_of_the_schema() {
    let on = |args: &[&'static str]| [&["generate", "--model", "none.gguf", "--prompt", "x"], args].concat();
    fails(&on(&["--temperature", "-1"]), "--temperature is -1; give a number from 0 to 100. (bad_option)");
    fails(&on(&["--top-k", "many"]), "--top-k is \"many\"; give a whole number from 0 to 4294967295. (bad_option)");
    fails(&on(&["--backend", "gpu"]), "--backend is \"gpu\"; give \"auto\", \"webgpu\" or \"cpu\". (bad_option)");
    fails(&on(&["--stop-tokens", "1,x"]), "--stop-tokens[1] is \"x\"");
    fails(&on(&["--logit-bias", "{\"5\": \"x\"}"]), "--logit-bias[\"5\"] is \"x\"; give a number. (bad_option)");
    fails(&on(&["--topk", "1"]), "'--top-k'");
    fails(&on(&["--tune", "yes"]), "--tune is \"yes\"; give true or false. (bad_option)");
    for way in ["on", "off", "true", "false"] {
        fails(&on(&["--no-f16", "--tune", way, "--stop", "a", "--stop", "b", "--raw"]), "none.gguf");
    }
}

#[test]
fn a_flag_that_turns_something_off_says_what_it_does() {
    let help = String::from_utf8(sotto(&["generate", "--help"]).stdout).expect("text");
    let (_, no_f16) = help.split_once("--no-f16").expect("the flag");
    assert!(no_f16.trim_start().starts_with("Keeps the kernels to f32"), "{help}");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let model = vocabulary();
    let commands: [&[&str]; 3] =
        [&["schema"], &["tokenize", "--model", text(&model), "--text", "x"], &["inspect", "--model", text(&model)]];
    for command in commands {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut program = Command::new(env!("CARGO_BIN_EXE_sotto"));
        let output = program.args(command).stdout(writer).output().expect("the program runs");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
    }
}
