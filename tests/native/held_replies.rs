//! Replies that a grammar holds to something, taken apart.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Value, json};
use sotto::chat::parse::{Delta, Held, Parser};

use crate::forms::{chars, parse};
use crate::replies::{HERMES, kinds, of, reply, think, tools};

#[test]
fn what_a_grammar_took_for_a_text_is_content_to_the_letter() {
    let tools = tools();
    let text = "\n <think>a</think>\n<tool_call>\n{\"name\": \"map\", \"arguments\": {}}\n</tool_call> ```\n";
    let held = Rc::new(Cell::new(Held::Text { after_thought: false }));
    let parser = || Parser::new(&of(HERMES), &think(), &tools, "").held_to(held.clone());
    assert_eq!(parse(parser(), &[text]), reply(text, "", &[]));
    assert_eq!(parse(parser(), &chars(text)), reply(text, "", &[]));
    // Behind a thought, which is read as one.
    held.set(Held::Text { after_thought: true });
    let thought = format!("<think>so</think>{text}");
    assert_eq!(parse(parser(), &[&thought]), reply(text, "so", &[]));
    // Undecided, nothing comes out.
    held.set(Held::Undecided);
    let mut parser = parser();
    assert!(parser.push("<think>").is_empty() && parser.push("{\"name\"").is_empty());
    held.set(Held::Text { after_thought: false });
    assert_eq!(parser.push("!"), [Delta::Content("<think>{\"name\"!".into())]);
}

#[test]
fn the_start_of_a_call_that_was_cut_is_no_content() {
    let tools = tools();
    for (kind, texts) in kinds() {
        let form = of(texts);
        let call = |name: &str| sotto::chat::forms::Written {
            id: None,
            name: name.into(),
            arguments: json!({"city": "Bern"}).as_object().unwrap().clone(),
        };
        let text = form.write(&[call("map"), call("weather")]);
        for (at, _) in text.char_indices().skip(1) {
            let mut parser = Parser::new(&form, &think(), &tools, "").held_to(Rc::new(Cell::new(Held::Calls)));
            let mut all = parser.push(&text[..at]);
            parser.cut();
            all.extend(parser.finish());
            let shows = all.iter().any(|delta| matches!(delta, Delta::Content(_)));
            assert!(!shows, "{kind}, cut at {at}: {all:?}");
            let arguments = |index: usize| -> String {
                let of = |delta: &Delta| match delta {
                    Delta::Call { index: at, arguments, .. } if *at == index => Some(arguments.clone()),
                    _ => None,
                };
                all.iter().filter_map(of).collect()
            };
            let whole = |text: String| serde_json::from_str::<Value>(&text).is_ok();
            assert!((0..parser.calls()).all(|index| whole(arguments(index))) || parser.is_broken(), "{kind}: {all:?}");
        }
    }
}
