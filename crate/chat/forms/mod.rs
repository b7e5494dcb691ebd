//! How a model writes tool calls: read off its chat template where that shows it, else from a table, else Sotto's own form.

pub mod derive;
pub mod generic;
mod locate;
pub mod table;
mod write;

pub use write::Written;

/// The text of a reply's calls: `open` (`before` call `after`, with `between` from the second on) `close`. What is white
/// space in these texts may be any white space in a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    pub open: String,
    pub before: String,
    pub call: Call,
    pub after: String,
    pub between: String,
    pub close: String,
    pub origin: Origin,
    /// One reply may hold several calls.
    pub several: bool,
    /// The template itself shows the tools to the model.
    pub lists_tools: bool,
    /// The template takes a system text.
    pub takes_system: bool,
    /// The template itself writes calls of earlier turns.
    pub writes_calls: bool,
    /// A call's id is made of its name and index (`functions.NAME:0`), not chosen freely.
    pub id_of_name: bool,
}

/// Where a form was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Read off what the template renders.
    Template,
    /// Known by a word of the template's source.
    Table,
    /// Sotto's own: the template knows no tools.
    #[default]
    Own,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// A JSON object that has these keys.
    Json(Keys),
    /// A JSON object whose one key is the tool's name: `{"NAME": {…}}`.
    Keyed,
    /// Texts around the name and the arguments.
    Text(Vec<Part>),
}

/// Where a call's JSON object has what. `inner`: the key of an object around name and arguments (`function`).
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    pub inner: Option<String>,
    pub name: String,
    pub arguments: String,
    pub id: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    /// Any short text that ends before the next [`Part::Text`].
    Anything,
    Name,
    Id,
    /// The call's number within the reply.
    Index,
    Json,
    Pairs(Pairs),
    /// Keys and values as in Python or Gemma: `key` `sep` value, with commas.
    Literal {
        sep: char,
    },
}

/// Arguments as pieces: `key` NAME `value` VALUE `end`, one after the other. A string's value is written as it is, any other
/// as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    pub key: String,
    /// With `kind`, the text before the kind's word.
    pub value: String,
    /// A word that tells strings from others: (the word of a string, the word of a number, the text after it).
    pub kind: Option<(String, String, String)>,
    /// [`KEY`] in it stands for the key.
    pub end: String,
    /// Strings are JSON too, with quotes.
    pub quoted: bool,
}

/// In [`Pairs::end`]: the key once more.
pub const KEY: &str = "\u{1}";

/// Gemma's quotes.
pub(in crate::chat) const GEMMA: &str = "<|\"|>";

impl Default for Call {
    fn default() -> Call {
        Call::Json(Keys { inner: None, name: "name".into(), arguments: "arguments".into(), id: None })
    }
}
