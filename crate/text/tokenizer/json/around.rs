//! What stands around texts, as `post_processor` says.

use serde_json::Value as Json;

use super::beside::Beside;
use super::file::File;
use super::way;
use crate::bail;
use crate::base::error::Result;

/// The texts of the tokens around a text, and how two texts are told apart.
#[derive(Default)]
pub struct Around {
    pub begin: Option<String>,
    pub end: Option<String>,
    /// Between two texts the end stands twice.
    pub twice: bool,
    /// The second text's tokens are of type 1.
    pub typed: bool,
}

impl Around {
    /// As the file has it, unless the configuration says whether texts begin or end with a token.
    ///
    /// Errors: `UnsupportedTokenizer` where more than one token stands before a text or behind it.
    pub fn read(file: &File, beside: &Beside) -> Result<Around> {
        let mut around = Around::default();
        let step = &file.post_processor;
        let list = step["processors"].as_array().map_or(std::slice::from_ref(step), Vec::as_slice);
        for step in list {
            match way::name(step) {
                "" | "ByteLevel" => {}
                kind @ ("RobertaProcessing" | "BertProcessing") => {
                    let text = |role: &str| step[role][0].as_str().map(String::from);
                    let roberta = kind == "RobertaProcessing";
                    around = Around { begin: text("cls"), end: text("sep"), twice: roberta, typed: !roberta };
                }
                "TemplateProcessing" => around = template(step)?,
                kind => bail!(UnsupportedTokenizer, "The post-processor {kind:?} of tokenizer.json is not supported"),
            }
        }
        let said = |role: &str, found: Option<String>| match beside.flag(&format!("add_{role}_token")) {
            Some(true) => beside.text(role).map(String::from).or(found),
            // A token that is no such one stays.
            Some(false) => found.filter(|text| beside.text(role) != Some(text.as_str())),
            None => found,
        };
        around.begin = said("bos", around.begin);
        around.end = said("eos", around.end);
        Ok(around)
    }
}

/// A part of a template.
enum Part<'a> {
    Token(&'a str),
    /// The number of a text, and its tokens' type.
    Text(usize, u64),
}

fn parts(template: &Json) -> Vec<Part<'_>> {
    let parts = template.as_array().into_iter().flatten().map(|part| match part["SpecialToken"]["id"].as_str() {
        Some(token) => Part::Token(token),
        None => {
            let text = &part["Sequence"];
            Part::Text(usize::from(text["id"] == "B"), text["type_id"].as_u64().unwrap_or(0))
        }
    });
    parts.collect()
}

fn template(step: &Json) -> Result<Around> {
    let (single, pair) = (parts(&step["single"]), parts(&step["pair"]));
    let (begin, end) = match single.as_slice() {
        [Part::Text(..)] => (None, None),
        [Part::Token(begin), Part::Text(..)] => (Some(*begin), None),
        [Part::Text(..), Part::Token(end)] => (None, Some(*end)),
        [Part::Token(begin), Part::Text(..), Part::Token(end)] => (Some(*begin), Some(*end)),
        _ => bail!(
            UnsupportedTokenizer,
            "The post-processor of tokenizer.json puts more around a text than a token before it and one behind it"
        ),
    };
    let place = |wanted: usize| pair.iter().position(|part| matches!(part, Part::Text(text, _) if *text == wanted));
    let between = match (place(0), place(1)) {
        (Some(first), Some(second)) if first < second => pair[first + 1..second].len(),
        _ => 0,
    };
    let typed = pair.iter().any(|part| matches!(part, Part::Text(1, 1)));
    let twice = end.is_some() && between == 2;
    Ok(Around { begin: begin.map(String::from), end: end.map(String::from), twice, typed })
}
