//! What a file is, and whether it runs here, without its weights.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Map;

use super::header::{ModelHeader, ModelText};
use crate::base::error::Result;
use crate::chat::forms::{Form, Origin};
use crate::chat::reasoning::ReasoningForm;
use crate::file::{Metadata, Value};
use crate::run::loader::LoadOptions;
use crate::run::verdict::{Around, Verdict};
use crate::text::template::ChatTemplate;

/// A model file without its weights, and whether it runs here.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// What the file says.
    #[serde(flatten)]
    pub header: ModelHeader,
    /// What follows from it.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// What follows from a model's header.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// Whether its chat template knows tools.
    pub tools: bool,
    /// Whether its chat template knows thoughts.
    pub thinking: bool,
    /// Its languages, as the file lists them; none where it does not.
    pub languages: Vec<String>,
    /// Its licence; `null` where the file does not say.
    pub license: Option<String>,
    /// Whether it runs here.
    pub verdict: Verdict,
}

impl Inspection {
    /// `BadOption` for options that do not fit the model.
    pub fn of(text: &ModelText, options: &LoadOptions, around: &Around) -> Result<Inspection> {
        Ok(Inspection { header: text.header.clone(), judgement: Judgement::of(text, options, around)? })
    }
}

impl Judgement {
    /// As [`Inspection::of`].
    pub fn of(text: &ModelText, options: &LoadOptions, around: &Around) -> Result<Judgement> {
        let template = text.templates.chat.as_deref().and_then(|source| ChatTemplate::new(source).ok());
        let variables = Map::new();
        let form = template.as_ref().map(|template| Form::of(template, &variables));
        let thinking = template.as_ref().is_some_and(|template| ReasoningForm::derive(template, &variables).is_some());
        let metadata = &text.catalog.metadata;
        Ok(Judgement {
            tools: form.is_some_and(|form| form.origin != Origin::Own || form.lists_tools),
            thinking,
            languages: texts(metadata, "general.languages"),
            license: ["general.license.name", "general.license"].iter().find_map(|key| texts(metadata, key).pop()),
            verdict: Verdict::of(&text.subject(), options, around)?,
        })
    }
}

/// What a key holds, one text or several; nothing where it holds something else.
fn texts(metadata: &Metadata, key: &str) -> Vec<String> {
    match metadata.get(key) {
        Some(Value::Str(text)) => vec![text.clone()],
        Some(Value::Strings(list)) => list.clone(),
        _ => Vec::new(),
    }
}
