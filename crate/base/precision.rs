//! How exactly numbers are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the cache of keys and values stores a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KvType {
    /// 16 bits a number (IEEE half).
    #[default]
    F16,
    /// 32 bits a number.
    F32,
    /// 8 bits a number, with a scale for each 32 of a head.
    #[serde(rename = "q8_0")]
    Q8,
    /// 4 bits a number, with a scale for each 32 of a head.
    #[serde(rename = "q4_0")]
    Q4,
}

impl KvType {
    /// Numbers of a head that share a scale; 1 where there are none.
    pub fn block(self) -> u32 {
        match self {
            KvType::F16 | KvType::F32 => 1,
            KvType::Q8 | KvType::Q4 => 32,
        }
    }

    /// Bytes of a head of so many numbers, whole [blocks](KvType::block) of them.
    pub fn head_bytes(self, head_dim: u32) -> u64 {
        let numbers = u64::from(head_dim);
        // Two blocks' scales share a word.
        let scales = numbers.div_ceil(64) * 4;
        match self {
            KvType::F32 => numbers * 4,
            KvType::F16 => numbers * 2,
            KvType::Q8 => numbers + scales,
            KvType::Q4 => numbers / 2 + scales,
        }
    }

    /// As options name it.
    pub fn name(self) -> &'static str {
        match self {
            KvType::F16 => "f16",
            KvType::F32 => "f32",
            KvType::Q8 => "q8_0",
            KvType::Q4 => "q4_0",
        }
    }
}
