//! Every failure the library reports: a stable code for programs, one sentence for people.

use std::fmt;

/// The table of codes: what each means, its name for programs, and what its reader can do. The enum, the names that
/// JavaScript sees and docs/ERRORS.md come from it.
macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $name:literal, $advice:literal;)+) => {
        /// What went wrong, as a stable name: programs match on it, so a name never changes meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $meaning])+ $code,)+
        }

        impl Code {
            /// Every code, in the order of docs/ERRORS.md.
            pub const ALL: &[Code] = &[$(Code::$code),+];

            /// The name that JavaScript sees in `error.code`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$code => $name,)+ }
            }

            /// What it means: a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$code => concat!($($meaning),+).trim_ascii(),)+ }
            }

            /// What its reader can do: a sentence.
            pub fn advice(self) -> &'static str {
                match self { $(Code::$code => $advice,)+ }
            }
        }
    };
}

codes! {
    /// The bytes do not start with the GGUF magic.
    NotGguf = "not_gguf", "Give the address of the .gguf file itself (its download link), not of a page about it.";
    /// GGUF of a version or byte order that is not read.
    UnsupportedVersion = "unsupported_version", "Convert the model again with a current converter.";
    /// The file ends before what its header promises.
    Truncated = "truncated", "Download the file again.";
    /// The header contradicts itself or asks for absurd amounts.
    BadHeader = "bad_header", "Download the file again; if that does not help, convert the model again.";
    /// A model lies in several files, and one of them is not there, or is another model's.
    MissingPart = "missing_part", "Give all parts of the model in their order, or the address of the first, beside which the others are.";
    /// A metadata key is missing, of the wrong type or out of range.
    BadMetadata = "bad_metadata", "Convert the model again, or take another file of it.";
    /// The file is GGUF, but no model of its own: an adapter (LoRA), an importance matrix, a projector of images.
    NotAModel = "not_a_model", "Load the model that the file belongs to.";
    /// An adapter (LoRA) is another model's, or has what is not supported, or its file is damaged.
    BadAdapter = "bad_adapter", "Take an adapter that was made for this model; the message says what does not fit.";
    /// The model's architecture is not built.
    UnsupportedArchitecture = "unsupported_architecture", "Take a model of one of the architectures that the message lists.";
    /// A tensor has a type that is not read.
    UnsupportedTensorType = "unsupported_tensor_type", "Take a file of another quantization, such as Q4_K_M.";
    /// The model's architecture needs a tensor that the file does not have.
    MissingTensor = "missing_tensor", "Convert the model again, or take another file of it.";
    /// A tensor's shape does not fit the model's metadata.
    BadShape = "bad_shape", "Convert the model again, or take another file of it.";
    /// The file's tokenizer is of a kind that is not built.
    UnsupportedTokenizer = "unsupported_tokenizer", "Take a model with another tokenizer.";
    /// The model has no chat template.
    NoTemplate = "no_template", "Give a plain text prompt instead of messages, or take the model's instruct variant.";
    /// The chat template does not parse, does not render, or refuses the messages.
    BadTemplate = "bad_template", "Read the template's own words in the message: most ask for other roles or another order of them.";
    /// The prompt does not fit into the context.
    PromptTooLong = "prompt_too_long", "Shorten the prompt, or load the model with a larger contextLength.";
    /// An argument or option is unknown, out of range or of the wrong type.
    BadOption = "bad_option", "The message names it and says what it may be.";
    /// The model that is to guess for another has other tokens than that one.
    OtherVocabulary = "other_vocabulary", "Take a smaller model of the same family as draft.";
    /// There is no WebGPU here, or none for this page.
    NoWebgpu = "no_webgpu", "Open the page over https or on localhost in a browser with WebGPU, or load with backend \"auto\" or \"cpu\".";
    /// The adapter's limits are below what the model needs.
    AdapterTooSmall = "adapter_too_small", "Take a smaller model or a shorter contextLength, or load with backend \"cpu\".";
    /// The memory does not suffice.
    OutOfMemory = "out_of_memory", "Take a smaller model or a shorter contextLength, or close other tabs.";
    /// The device was lost, for instance because its driver crashed.
    DeviceLost = "device_lost", "Nothing where a warning tells of it: the model was loaded anew, and replies went on. Where an error does, load the model again.";
    /// The driver refused a shader or a command.
    Gpu = "gpu", "Update the graphics driver or the browser, or load with backend \"cpu\".";
    /// The model produced NaN or infinite logits.
    BadLogits = "bad_logits", "Download the file again; if that does not help, take another quantization.";
    /// The GPU computes something else than it should, and no other kernel computes it rightly there.
    WrongResults = "wrong_results", "Update the graphics driver or the browser, or load with backend \"cpu\".";
    /// The caller stopped the call.
    Aborted = "aborted", "Nothing: it was asked for.";
    /// The model was disposed; in Rust also: other work on the engine has ended this.
    Disposed = "disposed", "Load the model again. In a page calls wait for each other, and none ends another.";
    /// The server was not reached, or the connection broke off.
    Network = "network", "Check the address and the connection; a server elsewhere must allow other sites to read the file (CORS).";
    /// The server answered with an HTTP error.
    Http = "http", "Check the address; a gated model needs an Authorization header.";
    /// The browser is not connected to any network.
    Offline = "offline", "Connect, or load with cache \"only\" what is in the store.";
    /// The file's bytes are not those that its SHA-256 promises, or have changed since they were stored.
    Checksum = "checksum", "Load the model again; if that does not help, check the sha256 that was given.";
    /// The model is not in the store, or only a part of it is, and `cache: "only"` forbids the network.
    NotStored = "not_stored", "Load it once with cache \"auto\" and a network, or give the file to store.import.";
    /// The browser's store cannot be used, or is full. A load goes on without it, and tells of it in a warning.
    Storage = "storage", "Open the page over https, in a window that is not private; free space with store.delete.";
    /// A session was saved by another model or version, or with other options of `load`: its text is read anew.
    StaleSession = "stale_session", "Nothing: the next reply reads the text anew; save the session again.";
    /// A saved session is not as it was written.
    DamagedSession = "damaged_session", "Where its messages are whole the next reply reads them anew; save the session again, or delete it.";
    /// A file or stream could not be read.
    Io = "io", "Check that the file is still there, and pick it again.";
    /// Sotto's worker did not start, or its wasm file: it is not where it should be, or not allowed to run, or there are
    /// no workers here.
    NotStarted = "not_started", "Load models in a browser; serve worker.js and the wasm files beside index.js, or pass workerUrl, wasmUrl and grammarUrl, and let the page's policy allow both.";
    /// The page's policy keeps the worker from starting: a header that worker.js lacks, or a directive that forbids it.
    Blocked = "blocked", "Serve worker.js with the header, or allow it by the directive, that the message names.";
    /// A service worker cannot start the worker that a model lives in.
    ServiceWorker = "service_worker", "Load the model in a page, an offscreen document or a worker of your own.";
    /// The tabs that ran a model that several tabs share were closed one after the other, or their engines ended, before the call got
    /// any further.
    TabClosed = "tab_closed", "Ask again: another tab runs the model now.";
    /// The weights came from a stream or from bytes, so a lost device ends the model. The load goes on, and tells of it in a
    /// warning.
    ReadOnce = "read_once", "Load the model from an address, a File or the store, which can be read again.";
    /// Tabs cannot share a model here. The load goes on for this tab alone, and tells of it in a warning.
    NotShared = "not_shared", "Open the page over https or on localhost, and not in a sandboxed frame.";
    /// A bug of Sotto, or a worker that ended before its time.
    Internal = "internal", "Load the model again; the message says what else may help. If it looks like a bug, please report it.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A code and one sentence: what failed, on what, what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What kind of failure, for programs.
    pub code: Code,
    /// What failed, on what, and what to do: one sentence, for people.
    pub message: String,
}

/// A result whose error is Sotto's own.
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
        write!(f, "{} ({})", self.message, self.code)
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
