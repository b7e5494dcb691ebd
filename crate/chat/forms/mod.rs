//! How a model writes tool calls: read off its chat template where that shows it, else from a table, else Sotto's own form.

pub mod derive;
pub mod generic;
pub mod grammar;
mod literal;
mod locate;
pub mod table;
pub(in crate::chat) mod text;
mod write;

pub use write::Written;

/// The text of a reply's calls: `open` (`before` call `after`, with `between` from the second on) `close`. What is white
/// space in these texts may be any white space in a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// Before the first call.
    pub open: String,
    /// Before each call.
    pub before: String,
    /// The call itself.
    pub call: Call,
    /// After each call.
    pub after: String,
    /// Between two calls.
    pub between: String,
    /// After the last call.
    pub close: String,
    /// Where the form was found.
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

/// How one call is written.
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
    /// The key of an object around name and arguments.
    pub inner: Option<String>,
    /// The key of the name.
    pub name: String,
    /// The key of the arguments.
    pub arguments: String,
    /// The key of the id, where there is one.
    pub id: Option<String>,
}

/// A piece of a call that is no JSON object.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// This text.
    Text(String),
    /// Any short text that ends before the next [`Part::Text`].
    Anything,
    /// One of these texts or none; a reply may have another short one.
    Maybe(Vec<String>),
    /// The tool's name.
    Name,
    /// The call's id.
    Id,
    /// The call's number within the reply.
    Index,
    /// The arguments as a JSON object.
    Json,
    /// The arguments one by one.
    Pairs(Pairs),
    /// Keys and values as in Python or Gemma: `key` `sep` value, with commas.
    Literal {
        /// Between a key and its value.
        sep: char,
    },
}

/// Arguments as pieces: `key` NAME `value` VALUE `end`, one after the other. A string's value is written as it is, any other
/// as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Before a key.
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
