//! What a request means: a prompt, and options of the sampler and the template.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::constrain::{self, Calling, Wanted};
use super::request::{ChatRequest, Common, CompletionRequest, ReasoningEffort, SottoSampling};
use crate::bail;
use crate::base::error::Result;
use crate::base::many::OneOrMany;
use crate::base::platform;
use crate::run::sampler::{SamplingParams, token_id};
use crate::run::session::GenerateOptions;
use crate::text::template::RenderOptions;

/// Tokens of a completion whose request names no limit, as in OpenAI's API.
const COMPLETION_TOKENS: u32 = 16;

impl ChatRequest {
    /// Whether its replies may be held to a grammar.
    pub fn may_take_grammars(&self) -> bool {
        let formatted = self.response_format.as_ref().is_some_and(|format| format["type"] != "text");
        let called = self.tools.as_ref().is_some_and(|tools| !tools.is_empty());
        formatted || (called && self.tool_choice.as_ref().is_none_or(|choice| choice != "none"))
    }

    /// `model` says how replies are drawn where the request does not. `BadOption` for what is asked for and cannot be promised.
    pub fn options(&self, model: &SamplingParams) -> Result<GenerateOptions> {
        if self.top_logprobs.is_some() && self.logprobs != Some(true) {
            bail!(BadOption, "top_logprobs is given without logprobs; set logprobs to true.");
        }
        let variables = &self.sotto.chat_template_kwargs;
        if variables.contains_key("messages") || variables.get("add_generation_prompt").is_some_and(|it| it != true) {
            bail!(
                BadOption,
                "chat_template_kwargs names messages or add_generation_prompt, which are the request's own; take it out."
            );
        }
        let mut options = options(&self.common, &self.sampling, model)?;
        options.max_tokens = self.max_completion_tokens.or(self.common.max_tokens);
        options.logprobs = self.logprobs.unwrap_or(false).then(|| self.top_logprobs.unwrap_or(0));
        Ok(options)
    }

    /// What its replies must be. `BadOption` for what they cannot be.
    pub fn wanted(&self) -> Result<Wanted> {
        self.check_tools()?;
        let format = self.response_format.as_ref().map_or(Ok(None), constrain::format_of)?;
        let calling = match &self.tool_choice {
            None => Calling::Auto,
            Some(choice) if choice == "auto" || choice == "none" => Calling::Auto,
            Some(choice) if choice == "required" => Calling::Forced(None),
            Some(choice) if choice["type"] == "allowed_tools" => self.allowed(&choice["allowed_tools"])?,
            Some(choice) => match choice["function"]["name"].as_str().filter(|_| choice["type"] == "function") {
                Some(name) => Calling::Forced(Some(name.into())),
                None => bail!(
                    BadOption,
                    "tool_choice is not understood; give \"auto\", \"none\", \"required\" or {{type: \"function\", function: {{name}}}}."
                ),
            },
        };
        if matches!(calling, Calling::Forced(_)) && self.offered().is_none() {
            bail!(BadOption, "tool_choice asks for a call, but there are no tools; give some.");
        }
        let thought_tokens = self.sotto.reasoning.and_then(|reasoning| reasoning.max_tokens);
        let offered = self.offered();
        let tools = offered.iter().filter_map(Value::as_array).flatten();
        let mut functions = tools.map(|tool| tool.get("function").unwrap_or(tool));
        let strict = functions.find(|function| function["strict"] == true).map(|function| &function["name"]);
        let strict = strict.map(|name| name.as_str().unwrap_or_default().to_string());
        Ok(Wanted { format, calling, strict, thought_tokens })
    }

    /// The tools that the model is told of: of those that `tool_choice` allows alone, where it does.
    pub fn offered(&self) -> Option<Value> {
        let hidden = self.tool_choice.as_ref().is_some_and(|choice| choice == "none");
        let allowed = self.tool_choice.as_ref().and_then(|choice| choice["allowed_tools"]["tools"].as_array());
        let is_allowed = |tool: &Value| {
            allowed.is_none_or(|list| list.iter().any(|one| one["function"]["name"] == tool["function"]["name"]))
        };
        let tools: Vec<Value> = self.tools.iter().flatten().filter(|tool| is_allowed(tool)).cloned().collect();
        Some(tools).filter(|tools| !hidden && !tools.is_empty()).map(Value::Array)
    }

    /// Of a choice of some tools: whether one of them must be called.
    fn allowed(&self, choice: &Value) -> Result<Calling> {
        let list = choice["tools"].as_array().filter(|list| !list.is_empty());
        for name in list.into_iter().flatten().map(|tool| &tool["function"]["name"]) {
            if !self.tools.iter().flatten().any(|tool| tool["function"]["name"] == *name) {
                bail!(BadOption, "tool_choice allows {name}, which is none of the tools.");
            }
        }
        match (choice["mode"].as_str(), list) {
            (Some("auto"), Some(_)) => Ok(Calling::Auto),
            (Some("required"), Some(_)) => Ok(Calling::Forced(None)),
            _ => bail!(
                BadOption,
                "tool_choice.allowed_tools is not understood; give {{mode, tools}}, where mode is \"auto\" or \"required\" and tools a list of {{type: \"function\", function: {{name}}}}."
            ),
        }
    }

    /// `BadOption` for a tool that nobody could call.
    fn check_tools(&self) -> Result<()> {
        let mut names = HashSet::new();
        for (index, tool) in self.tools.iter().flatten().enumerate() {
            let function = &tool["function"];
            let name = &function["name"];
            if !names.insert(name) {
                bail!(
                    BadOption,
                    "tools[{index}].function.name is {name}, as an earlier tool's is; give each a name of its own."
                );
            }
            if name == "" {
                bail!(BadOption, "tools[{index}].function.name is empty; give a name.");
            }
            let kind = &function["parameters"]["type"];
            let is_object = kind.as_array().is_some_and(|kinds| kinds.contains(&"object".into())) || kind == "object";
            if !kind.is_null() && !is_object {
                bail!(
                    BadOption,
                    "tools[{index}].function.parameters.type is {kind}; give \"object\", which arguments are."
                );
            }
        }
        Ok(())
    }

    /// What the template is given beside the messages.
    pub fn template(&self) -> RenderOptions {
        let mut extra = self.reasoning_effort.map(effort).unwrap_or_default();
        extra.extend(self.sotto.chat_template_kwargs.clone());
        RenderOptions { add_generation_prompt: true, tools: self.offered(), now: Some(platform::unix_time()), extra }
    }
}

impl CompletionRequest {
    /// What of it reaches the generation. `BadOption` for biases of what is no token id, and what cannot be promised.
    pub fn options(&self, model: &SamplingParams) -> Result<GenerateOptions> {
        if self.echo == Some(true) && self.logprobs.is_some() {
            bail!(
                BadOption,
                "logprobs are told of new tokens alone, not of those that echo repeats; leave one of the two out."
            );
        }
        let mut options = options(&self.common, &self.sampling, model)?;
        options.max_tokens = Some(self.common.max_tokens.unwrap_or(COMPLETION_TOKENS));
        options.logprobs = self.logprobs;
        Ok(options)
    }
}

impl Common {
    /// Whether the answer comes in pieces.
    pub fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether a streamed reply ends with its usage.
    pub fn tells_usage(&self) -> bool {
        self.stream_options.is_some_and(|options| options.include_usage)
    }
}

/// The variables by which templates turn thinking on, off, and up: each reads those that its model was trained with.
fn effort(effort: ReasoningEffort) -> Map<String, Value> {
    let thinks = effort != ReasoningEffort::None;
    Map::from_iter([
        ("reasoning_effort".into(), effort.as_str().into()),
        ("enable_thinking".into(), thinks.into()),
        ("thinking".into(), thinks.into()),
    ])
}

/// What is not said is as it is by default with the model.
fn options(common: &Common, own: &SottoSampling, model: &SamplingParams) -> Result<GenerateOptions> {
    let mut logit_bias = Vec::new();
    for (id, &bias) in common.logit_bias.iter().flatten() {
        let Some(id) = token_id(id) else { bail!(BadOption, "logit_bias names \"{id}\"; give token ids.") };
        logit_bias.push((id, if bias <= -100.0 { f32::NEG_INFINITY } else { bias }));
    }
    let sampling = SamplingParams {
        temperature: common.temperature.unwrap_or(model.temperature),
        top_k: own.top_k.unwrap_or(model.top_k),
        top_p: common.top_p.unwrap_or(model.top_p),
        min_p: own.min_p.unwrap_or(model.min_p),
        repeat_penalty: own.repeat_penalty.unwrap_or(model.repeat_penalty),
        repeat_last_n: own.repeat_last_n.unwrap_or(model.repeat_last_n),
        presence_penalty: common.presence_penalty.unwrap_or(model.presence_penalty),
        frequency_penalty: common.frequency_penalty.unwrap_or(model.frequency_penalty),
        logit_bias,
        // OpenAI's may be negative: its bits are a seed as good as any.
        seed: common.seed.map_or_else(platform::random_seed, i64::cast_unsigned),
    };
    Ok(GenerateOptions {
        sampling,
        stop: common.stop.clone().map_or(Vec::new(), OneOrMany::into_list),
        stop_tokens: own.stop_token_ids.clone(),
        speculate: own.speculate,
        adapter: own.adapter.clone(),
        schedule: own.schedule,
        priority: own.priority,
        ..Default::default()
    })
}
