//! Text to tokens and back: tokenizers, chat templates, where a text ends.
//!
//! ```
//! use serde_json::json;
//! use sotto::text::template::{ChatTemplate, RenderOptions};
//!
//! let template = ChatTemplate::new("{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}")?;
//! let text = template.render(&json!([{ "role": "user", "content": "Hi" }]), &RenderOptions::default())?;
//! assert_eq!(text, "<user>Hi</>");
//! # Ok::<(), sotto::base::error::Error>(())
//! ```

pub mod stop;
pub mod template;
pub mod tokenizer;
