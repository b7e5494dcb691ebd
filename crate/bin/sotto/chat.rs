//! `sotto chat`: requests in OpenAI's shape, and their answers.

use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sotto::base::error::{Code, Error, Result};
use sotto::chat::grammar::Grammars;
use sotto::chat::linked::Linked;
use sotto::chat::request::{ChatRequest, CompletionRequest};
use sotto::chat::session::{Event, Session};
use sotto::run::adapters::Wanted;
use sotto::run::engine::Engine;
use sotto::wire::check::checked;
use sotto::wire::schema::options_of;

use crate::adapters::Adapters;
use crate::flags::in_flags;
use crate::input;
use crate::model::Model;
use crate::saved;

#[derive(Args)]
pub struct Chat {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    adapters: Adapters,
    /// Print the answer's chunks, one a line, as they come
    #[arg(long, conflicts_with = "batch")]
    stream: bool,
    /// Go on from what this file has of the conversation, if it is there, and write it anew
    #[arg(long, value_name = "FILE", conflicts_with = "batch")]
    session: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false, id = "requests")]
struct Input {
    /// A file with the JSON of a request: of a chat, or, with a prompt, of a completion
    #[arg(long)]
    request: Option<String>,
    /// A JSON array of {"name", "request"}; each answer is a line {"name", "response" | "error"}
    #[arg(long)]
    batch: Option<String>,
}

enum Request {
    Chat(Box<ChatRequest>),
    Completion(Box<CompletionRequest>),
}

impl Request {
    /// The command's adapters are every request's.
    fn adapt(&mut self, adapter: &Wanted) {
        let sampling = match self {
            Request::Chat(request) => &mut request.sampling,
            Request::Completion(request) => &mut request.sampling,
        };
        sampling.adapter.extend(adapter.clone());
    }
}

pub async fn run(args: Chat) -> Result<()> {
    let path = args.input.batch.as_ref().or(args.input.request.as_ref()).cloned().unwrap_or_default();
    if args.input.batch.is_some() {
        let batch = input::objects(&path)?;
        let (mut engine, _) = args.model.load().await?;
        let adapter = args.adapters.load(&mut engine).await?;
        let mut grammars = None;
        for mut item in batch {
            let request = item.remove("request").unwrap_or_default();
            let mut answers = Vec::new();
            let answered = answer(&mut engine, request, &adapter, &mut grammars, |answer| answers.push(answer)).await;
            item.retain(|name, _| name == "name");
            match answered {
                Ok(()) => item.insert("response".into(), answers.pop().unwrap_or_default()),
                Err(Error { code, message }) => {
                    let error = serde_json::json!({ "code": code.as_str(), "message": in_flags(&message) });
                    item.insert("error".into(), error)
                }
            };
            print(&item.into());
        }
        return Ok(());
    }
    let mut request: Value = serde_json::from_str(&input::read(&path)?)
        .map_err(|e| Error::new(Code::BadOption, format!("'{path}' is not JSON ({e}).")))?;
    if let (true, Some(members)) = (args.stream, request.as_object_mut()) {
        members.insert("stream".into(), true.into());
    }
    // What is wrong with it is told before the model is loaded.
    let mut request = read(request)?;
    if let Some(path) = &args.session {
        saved::check(path)?;
    }
    let (mut engine, _) = args.model.load().await?;
    request.adapt(&args.adapters.load(&mut engine).await?);
    if let Some(path) = &args.session {
        saved::restore(&mut engine, path).await?;
    }
    session(&mut engine, &request, &mut None, |answer| print(&answer)).await?;
    match &args.session {
        Some(path) => saved::save(&engine, path).await,
        None => Ok(()),
    }
}

/// Those of the model, once one is asked for.
type Kept = Option<Rc<dyn Grammars>>;

async fn answer(
    engine: &mut Engine,
    request: Value,
    adapter: &Wanted,
    grammars: &mut Kept,
    tell: impl FnMut(Value),
) -> Result<()> {
    let mut request = read(request)?;
    request.adapt(adapter);
    session(engine, &request, grammars, tell).await
}

async fn session(
    engine: &mut Engine,
    request: &Request,
    grammars: &mut Kept,
    mut tell: impl FnMut(Value),
) -> Result<()> {
    let mut session = match request {
        Request::Chat(request) => {
            if request.may_take_grammars() && grammars.is_none() {
                *grammars = Some(Rc::new(Linked::new(&engine.tokenizer)?));
            }
            Session::chat(engine, request, grammars.clone())?
        }
        Request::Completion(request) => Session::completion(engine, request)?,
    };
    while let Some(events) = session.next(engine).await? {
        for event in events {
            match event {
                Event::Progress { .. } => {}
                Event::Chunk(chunk) => tell(json(&chunk)?),
                Event::Completion(completion) => tell(json(&completion)?),
                Event::Text(completion) => tell(json(&completion)?),
            }
        }
    }
    Ok(())
}

fn read(request: Value) -> Result<Request> {
    match request.get("prompt").is_some() {
        true => typed("completions.create", request).map(|request| Request::Completion(Box::new(request))),
        false => typed("chat.completions.create", request).map(|request| Request::Chat(Box::new(request))),
    }
}

fn typed<T: schemars::JsonSchema + DeserializeOwned>(call: &str, request: Value) -> Result<T> {
    let request = checked(call, &options_of::<T>(), request, str::to_string)?;
    serde_json::from_value(request)
        .map_err(|e| Error::new(Code::BadOption, format!("The request is not understood ({e}).")))
}

fn json(answer: &impl Serialize) -> Result<Value> {
    serde_json::to_value(answer)
        .map_err(|e| Error::new(Code::Internal, format!("An answer could not be printed ({e}).")))
}

fn print(answer: &Value) {
    print_line!("{answer}");
}
