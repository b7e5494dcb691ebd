//! The tools that a caller gave: a name that is none of theirs is no call.

use std::fmt;
use std::rc::Rc;

use serde_json::Value as Json;

use super::cursor::{Cursor, Step, Stop};
use crate::chat::forms::text::resolved;

/// Says whether a text is JSON that fits a schema.
type Fits = dyn Fn(&Json, &str) -> bool;

/// How calls that no grammar held to their tool's schema are checked. By default they are not.
#[derive(Clone, Default)]
pub struct Checks(Option<Rc<Fits>>);

impl Checks {
    /// By this function of a schema and a text of JSON.
    pub fn by(fits: impl Fn(&Json, &str) -> bool + 'static) -> Checks {
        Checks(Some(Rc::new(fits)))
    }

    /// Whether there are any.
    pub(super) fn are_made(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn fits(&self, schema: &Json, arguments: &str) -> bool {
        self.0.as_ref().is_none_or(|fits| fits(schema, arguments))
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checks({})", self.are_made())
    }
}

pub(super) struct Tools {
    tools: Vec<(String, Json)>,
}

impl Tools {
    /// `tools` in OpenAI's form; what has no name is left out.
    pub fn new(tools: &[Json]) -> Tools {
        let tools = tools.iter().filter_map(|tool| {
            let function = tool.get("function").unwrap_or(tool);
            let name = function.get("name")?.as_str().filter(|name| !name.is_empty())?;
            Some((name.to_string(), function.get("parameters").cloned().unwrap_or_default()))
        });
        Tools { tools: tools.collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Fails for a name that is none of the tools'.
    pub fn named(&self, name: &str) -> Step<String> {
        let name = name.trim().trim_start_matches("functions.");
        self.tools.iter().find(|(known, _)| known == name).map(|(known, _)| known.clone()).ok_or(Stop::Fail)
    }

    /// The number of a name that [`Tools::named`] gave, and the name of a number.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.tools.iter().position(|(known, _)| known == name)
    }

    pub fn name(&self, number: usize) -> &str {
        self.tools.get(number).map_or("", |(name, _)| name)
    }

    /// The schema of the arguments of a tool that [`Tools::named`] gave.
    pub fn schema(&self, name: &str) -> &Json {
        self.tools.iter().find(|(known, _)| known == name).map_or(&Json::Null, |(_, schema)| schema)
    }

    /// The tool's name that the cursor is at: whole once another character follows.
    pub fn name_at(&self, cursor: &mut Cursor<'_>) -> Step<String> {
        cursor.skip_space();
        let rest = cursor.rest();
        if self.tools.iter().any(|(name, _)| name.starts_with(rest)) {
            return Err(Stop::More);
        }
        let fits = self.tools.iter().filter(|(name, _)| {
            rest.strip_prefix(name.as_str())
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "_-".contains(c)))
        });
        let name = &fits.max_by_key(|(name, _)| name.len()).ok_or(Stop::Fail)?.0;
        cursor.at += name.len();
        Ok(name.clone())
    }

    /// Whether an argument is a text by its schema; `None` where that does not name it.
    pub fn is_text(&self, name: &str, key: &str) -> Option<bool> {
        let schema = &self.tools.iter().find(|(known, _)| known == name)?.1;
        let property = resolved(schema, schema.get("properties")?.get(key)?);
        Some(property.get("type").is_some_and(|kind| kind == "string"))
    }
}
