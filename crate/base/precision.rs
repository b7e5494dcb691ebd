//! How exactly numbers are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the cache of keys and values stores a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KvType {
    /// 16 bits a number (IEEE half).
    #[default]
    F16,
    /// 32 bits a number.
    F32,
}

impl KvType {
    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        match self {
            KvType::F16 => 2,
            KvType::F32 => 4,
        }
    }
}
