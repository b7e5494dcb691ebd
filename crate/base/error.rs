//! Every failure the library reports: a stable code for programs, one sentence for people.

use std::fmt;

/// What went wrong, as a stable name: programs match on it, so a name never changes meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The bytes do not start with the GGUF magic.
    NotGguf,
    /// GGUF of a version or byte order that is not read.
    UnsupportedVersion,
    /// The file ends before what its header promises.
    Truncated,
    /// The header contradicts itself or asks for absurd amounts.
    BadHeader,
    /// A metadata key is missing, of the wrong type or out of range.
    BadMetadata,
    UnsupportedArchitecture,
    UnsupportedTensorType,
    MissingTensor,
    /// A tensor's shape does not fit the model's metadata.
    BadShape,
    UnsupportedTokenizer,
    /// The model has no chat template.
    NoTemplate,
    /// The chat template does not parse or render.
    BadTemplate,
    /// The prompt does not fit into the context.
    PromptTooLong,
    /// An option of the caller is out of range or of the wrong type.
    BadOption,
    NoWebgpu,
    /// The adapter's limits are below what the model needs.
    AdapterTooSmall,
    OutOfMemory,
    DeviceLost,
    /// The driver refused a shader or a command.
    Gpu,
    /// The model produced NaN or infinite logits.
    BadLogits,
    Aborted,
    Disposed,
    Network,
    Http,
    Io,
    Internal,
}

impl Code {
    pub const ALL: [Code; 26] = [
        Code::NotGguf,
        Code::UnsupportedVersion,
        Code::Truncated,
        Code::BadHeader,
        Code::BadMetadata,
        Code::UnsupportedArchitecture,
        Code::UnsupportedTensorType,
        Code::MissingTensor,
        Code::BadShape,
        Code::UnsupportedTokenizer,
        Code::NoTemplate,
        Code::BadTemplate,
        Code::PromptTooLong,
        Code::BadOption,
        Code::NoWebgpu,
        Code::AdapterTooSmall,
        Code::OutOfMemory,
        Code::DeviceLost,
        Code::Gpu,
        Code::BadLogits,
        Code::Aborted,
        Code::Disposed,
        Code::Network,
        Code::Http,
        Code::Io,
        Code::Internal,
    ];

    /// The name that JavaScript sees in `error.code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotGguf => "not_gguf",
            Code::UnsupportedVersion => "unsupported_version",
            Code::Truncated => "truncated",
            Code::BadHeader => "bad_header",
            Code::BadMetadata => "bad_metadata",
            Code::UnsupportedArchitecture => "unsupported_architecture",
            Code::UnsupportedTensorType => "unsupported_tensor_type",
            Code::MissingTensor => "missing_tensor",
            Code::BadShape => "bad_shape",
            Code::UnsupportedTokenizer => "unsupported_tokenizer",
            Code::NoTemplate => "no_template",
            Code::BadTemplate => "bad_template",
            Code::PromptTooLong => "prompt_too_long",
            Code::BadOption => "bad_option",
            Code::NoWebgpu => "no_webgpu",
            Code::AdapterTooSmall => "adapter_too_small",
            Code::OutOfMemory => "out_of_memory",
            Code::DeviceLost => "device_lost",
            Code::Gpu => "gpu",
            Code::BadLogits => "bad_logits",
            Code::Aborted => "aborted",
            Code::Disposed => "disposed",
            Code::Network => "network",
            Code::Http => "http",
            Code::Io => "io",
            Code::Internal => "internal",
        }
    }
}

/// A code and one sentence: what failed, on what, what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub code: Code,
    pub message: String,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The message becomes a sentence: it gets its full stop here.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if !message.ends_with(['.', '!', '?']) {
            message.push('.');
        }
        Error { code, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code.as_str())
    }
}

impl std::error::Error for Error {}

/// `bail!(BadHeader, "…{}", x)` returns an [`Error`] from the enclosing function.
#[macro_export]
macro_rules! bail {
    ($code:ident, $($arg:tt)+) => {
        return Err($crate::base::error::Error::new($crate::base::error::Code::$code, format!($($arg)+)))
    };
}
