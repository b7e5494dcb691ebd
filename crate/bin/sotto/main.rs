//! `sotto generate|chat|score|embed|rerank|classify|fill-mask|bench|quantize|tokenize|template|inspect`: the engine on this machine's GPU or CPU. `npm run -s COMMAND`
//! takes the same flags and prints the same JSON, from the built package in a browser. `sotto schema` prints what all of
//! them take and give.

#[macro_use]
mod output;

mod adapters;
mod bench;
mod chat;
mod compare;
mod embed;
mod flags;
mod forms;
mod generate;
mod input;
mod inspect;
mod model;
mod quantize;
mod replace;
mod repository;
mod saved;
mod score;
mod source;
mod template;
mod tokenize;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sotto::base::error::Result;

/// Runs GGUF language models on the GPU or the CPU.
#[derive(Parser)]
#[command(name = "sotto", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Streams text after a prompt
    Generate(generate::Generate),
    /// Answers a request in OpenAI's shape
    Chat(chat::Chat),
    /// Tells how well the model predicts a text
    Score(score::Score),
    /// Prints vectors of texts
    Embed(embed::Embed),
    /// Scores documents by a query
    Rerank(embed::Rerank),
    /// Prints the labels of texts
    Classify(embed::Classify),
    /// Fills in the masked word of texts
    FillMask(embed::FillMask),
    /// Times prefill and decode
    Bench(bench::Bench),
    /// Writes a model with its matrices in another type
    Quantize(quantize::Quantize),
    /// Prints the tokens of a text
    Tokenize(tokenize::Tokenize),
    /// Prints the text that a chat template makes of messages
    Template(template::Template),
    /// Prints how the models of chat templates call tools and think
    Forms(forms::Forms),
    /// Prints what a file says before its weights
    Inspect(inspect::Inspect),
    /// Prints the schema of options and results, and the error codes, as JSON
    Schema,
}

fn main() {
    let mut program = Cli::command();
    let parsed = program.try_get_matches_from_mut(std::env::args_os()).and_then(|matches| {
        flags::learn(matches.subcommand_name().and_then(|name| program.find_subcommand(name)));
        Cli::from_arg_matches(&matches)
    });
    let cli = parsed.unwrap_or_else(|error| {
        if error.use_stderr() {
            warn_line!("sotto: {}", refusal(&error));
            std::process::exit(1);
        }
        error.exit()
    });
    if let Err(error) = pollster::block_on(run(cli.command)) {
        warn_line!("sotto: {}", flags::in_flags(&error.to_string()));
        std::process::exit(1);
    }
}

/// What is wrong with the flags, in one sentence: clap's text up to where it tells how a command is used.
fn refusal(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "No command was given; see --help.".into();
    }
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let says = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let says: Vec<&str> = says.filter(|line| !line.is_empty()).collect();
    format!("{}; see --help.", says.join(" ").trim_start_matches("error: ").trim_end_matches('.'))
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Generate(args) => generate::run(args).await,
        Command::Chat(args) => chat::run(args).await,
        Command::Score(args) => score::run(args).await,
        Command::Embed(args) => embed::run(args).await,
        Command::Rerank(args) => embed::rerank(args).await,
        Command::Classify(args) => embed::classify(args).await,
        Command::FillMask(args) => embed::fill_mask(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Quantize(args) => quantize::run(&args).await,
        Command::Tokenize(args) => tokenize::run(args),
        Command::Template(args) => template::run(args),
        Command::Forms(args) => forms::run(&args),
        Command::Inspect(args) => inspect::run(args).await,
        Command::Schema => {
            print_line!("{}", sotto::wire::schema::all());
            Ok(())
        }
    }
}
