//! What stands beside a `tokenizer.json`: which tokens have a role.

use serde_json::{Map, Value as Json};

/// The files beside a `tokenizer.json`, and the network's size, as far as they are there.
#[derive(Default)]
pub struct Beside<'a> {
    /// The members of `tokenizer_config.json`, of `generation_config.json` and of `config.json`.
    pub configs: [Option<&'a Map<String, Json>>; 3],
    /// Rows of the embedding: so many tokens the network knows.
    pub rows: Option<u64>,
}

impl Beside<'_> {
    /// A member of `tokenizer_config.json` that is true or false.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.configs[0]?.get(key)?.as_bool()
    }

    /// The text of the token with this role, such as `bos`.
    pub fn text(&self, role: &str) -> Option<&str> {
        let token = self.configs[0]?.get(&format!("{role}_token"))?;
        token.as_str().or_else(|| token["content"].as_str())
    }

    /// The ids that the other two give it, of the first that gives any.
    pub fn ids(&self, role: &str) -> Vec<u32> {
        let key = format!("{role}_token_id");
        let id = |id: &Json| id.as_u64().and_then(|id| u32::try_from(id).ok());
        match self.configs[1..].iter().flatten().find_map(|config| config.get(&key)) {
            Some(Json::Array(list)) => list.iter().filter_map(id).collect(),
            Some(one) => id(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Types that the network tells tokens apart by.
    pub fn types(&self) -> Option<u64> {
        self.configs[2]?.get("type_vocab_size")?.as_u64()
    }
}
