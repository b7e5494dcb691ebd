//! What was learnt of a model's template is kept: learning it takes some dozen renderings.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::forms::Form;
use super::probe;
use super::reasoning::ReasoningForm;
use crate::bail;
use crate::base::error::Result;
use crate::text::template::ChatTemplate;

/// How a model writes calls and thoughts.
#[derive(Debug)]
pub struct Known {
    /// Its calls, where they were asked for.
    pub form: Option<Form>,
    /// Its thoughts.
    pub reasoning: ReasoningForm,
    /// Whether its template knows of thoughts.
    pub thinks: bool,
}

/// Templates and variables that are remembered: those of a request or two.
const KEPT: usize = 4;

struct Entry {
    source: String,
    variables: Map<String, Value>,
    calls: bool,
    known: Rc<Known>,
}

thread_local! {
    static ENTRIES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

impl Known {
    /// Of this template with these variables, which may change how it writes; of `calls` only where they are wanted.
    /// `BadTemplate` where a template takes too long for its calls to be known.
    pub fn of(template: &ChatTemplate, variables: &Map<String, Value>, calls: bool) -> Result<Rc<Known>> {
        ENTRIES.with_borrow_mut(|entries| {
            let same = |entry: &Entry| {
                entry.calls == calls && entry.source == template.source() && entry.variables == *variables
            };
            let entry = match entries.iter().position(same) {
                Some(at) => entries.remove(at),
                None => {
                    probe::begin();
                    let derived = ReasoningForm::derive(template, variables);
                    let thinks = derived.is_some();
                    let reasoning = derived.unwrap_or_else(ReasoningForm::fallback);
                    let form = calls.then(|| Form::of(template, variables));
                    if calls && probe::is_tired() {
                        bail!(
                            BadTemplate,
                            "The model's chat template takes too long to be asked how it writes calls; give another template, or no tools."
                        );
                    }
                    let known = Rc::new(Known { form, reasoning, thinks });
                    Entry { source: template.source().into(), variables: variables.clone(), calls, known }
                }
            };
            let known = entry.known.clone();
            entries.truncate(KEPT - 1);
            entries.insert(0, entry);
            Ok(known)
        })
    }
}
