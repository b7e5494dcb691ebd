//! Options as JSON: what is taken, what is refused and in which words. `tests/web/arguments.test.ts` checks the page by
//! the same cases.

use serde::Deserialize;
use serde_json::{Value, json};
use sotto::base::error::{Code, Error};
use sotto::chat::errors::body;
use sotto::wire::check::checked;
use sotto::wire::options::{BenchOptions, GenerateOptions, LoadOptions};
use sotto::wire::schema;

#[derive(Deserialize)]
struct Case {
    call: String,
    options: Value,
    says: Option<String>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../wire/options.json")).expect("the cases are JSON")
}

#[test]
fn options_are_taken_or_named() {
    let schemas = schema::options();
    for Case { call, options, says } in cases() {
        let got = checked(&call, &schemas[&call], options.clone(), str::to_string);
        assert_eq!(got.as_ref().err().map(|error| &error.message), says.as_ref(), "{call} {options}");
        assert!(got.err().is_none_or(|error| error.code == Code::BadOption));
    }
}

/// Which member of a request a failure is about; `tests/web/errors.test.ts` checks the page by the same cases.
#[test]
fn failures_name_the_member_that_they_are_about() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../wire/params.json")).expect("the cases are JSON");
    let named = |name: &str| json!({ "type": "function", "function": { "name": name } });
    let request = json!({ "tools": [named("clock"), named("map")] });
    for case in cases {
        let name = case["code"].as_str().unwrap_or("bad_option");
        let code = Code::ALL.iter().find(|code| code.as_str() == name).expect("a code");
        let error = Error::new(*code, case["message"].as_str().expect("a message"));
        assert_eq!(body(&error, &request)["error"]["param"], case["param"], "{error}");
    }
    let unknown = Error::new(Code::BadOption, "top_q is not an option of chat.completions.create; did you mean top_p?");
    assert_eq!(body(&unknown, &request)["error"]["code"], "unknown_parameter");
}

/// What the schema lets pass, the engine's types read; and without options they are the schema's defaults.
#[test]
fn what_passes_is_read() {
    let schemas = schema::options();
    let mut read = 0;
    for Case { call, options, says } in cases() {
        if says.is_some() {
            continue;
        }
        let options = checked(&call, &schemas[&call], options, str::to_string).expect("a good case");
        let result = match call.as_str() {
            "load" => serde_json::from_value::<LoadOptions>(options).map(drop),
            "generate" => serde_json::from_value::<GenerateOptions>(options).map(drop),
            "bench" => serde_json::from_value::<BenchOptions>(options).map(drop),
            _ => continue,
        };
        result.expect("what passes is read");
        read += 1;
    }
    assert!(read >= 5);
    assert_eq!(schemas["generate"]["properties"]["frequencyPenalty"]["default"], 0.0);
    assert!(schemas["generate"]["properties"]["temperature"].get("default").is_none(), "a file may say it");
    assert_eq!(schemas["load"]["properties"]["kvType"]["enum"], json!(["f16", "f32", "q8_0", "q4_0"]));
}

#[test]
fn every_code_has_its_own_name_meaning_and_advice() {
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(code.meaning().ends_with('.') && !code.meaning().starts_with(' '), "{code}");
        assert!(code.advice().ends_with('.'), "{code}");
    }
}
