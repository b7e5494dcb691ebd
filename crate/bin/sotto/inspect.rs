//! `sotto inspect`: what a file says before its weights.

use clap::Args;
use serde_json::Value;
use sotto::base::error::Result;

use crate::output::json;
use crate::source;

#[derive(Args)]
pub struct Inspect {
    /// A GGUF file or its URL; its header is enough
    #[arg(long)]
    model: String,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

pub fn run(args: Inspect) -> Result<()> {
    let header = json(&source::open_text(&args.model)?.header)?;
    if args.json {
        print_line!("{header}");
        return Ok(());
    }
    for (name, value) in header.as_object().into_iter().flatten() {
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                print_line!("{name}");
                rows.iter().for_each(|row| print_line!("    {row}"));
            }
            Value::Object(members) => {
                print_line!("{name}");
                members.iter().for_each(|(name, value)| print_line!("    {name:24} {value}"));
            }
            value => print_line!("{name:28} {value}"),
        }
    }
    Ok(())
}
