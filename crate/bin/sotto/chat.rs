//! `sotto chat`: a request in OpenAI's shape, and its answer.

use std::io::Write;
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
use sotto::wire::check::checked;
use sotto::wire::schema::options_of;

use crate::input;
use crate::model::Model;

#[derive(Args)]
pub struct Chat {
    #[command(flatten)]
    model: Model,
    /// A file with the JSON of a request: of a chat, or, with a prompt, of a completion
    #[arg(long)]
    request: String,
    /// Print the answer's chunks, one a line, as they come
    #[arg(long)]
    stream: bool,
}

enum Request {
    Chat(Box<ChatRequest>),
    Completion(Box<CompletionRequest>),
}

pub async fn run(args: Chat) -> Result<()> {
    let request = read(&args.request, args.stream)?;
    let (mut engine, _) = args.model.load().await?;
    let mut session = match request {
        Request::Chat(request) => {
            let grammars = match request.may_take_grammars() {
                true => {
                    let linked: Rc<dyn Grammars> = Rc::new(Linked::new(&engine.tokenizer)?);
                    Some(linked)
                }
                false => None,
            };
            Session::chat(&mut engine, &request, grammars)?
        }
        Request::Completion(request) => Session::completion(&mut engine, &request)?,
    };
    while let Some(events) = session.next(&mut engine).await? {
        for event in events {
            match event {
                Event::Progress { .. } => {}
                Event::Chunk(chunk) => print(&chunk)?,
                Event::Completion(completion) => print(&completion)?,
                Event::Text(completion) => print(&completion)?,
            }
        }
    }
    Ok(())
}

fn read(path: &str, stream: bool) -> Result<Request> {
    let mut request: Value = serde_json::from_str(&input::read(path)?)
        .map_err(|e| Error::new(Code::BadOption, format!("'{path}' is not JSON ({e}).")))?;
    let is_completion = request.get("prompt").is_some();
    if let (true, Some(members)) = (stream, request.as_object_mut()) {
        members.insert("stream".into(), true.into());
    }
    match is_completion {
        true => typed("completions.create", request).map(|request| Request::Completion(Box::new(request))),
        false => typed("chat.completions.create", request).map(|request| Request::Chat(Box::new(request))),
    }
}

fn typed<T: schemars::JsonSchema + DeserializeOwned>(call: &str, request: Value) -> Result<T> {
    let request = checked(call, &options_of::<T>(), request, str::to_string)?;
    serde_json::from_value(request)
        .map_err(|e| Error::new(Code::BadOption, format!("The request is not understood ({e}).")))
}

fn print(answer: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(answer)
        .map_err(|e| Error::new(Code::Internal, format!("An answer could not be printed ({e}).")))?;
    println!("{line}");
    drop(std::io::stdout().flush());
    Ok(())
}
