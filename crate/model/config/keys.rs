//! Metadata keys of one architecture, with the ranges that sizes must lie in.

use crate::bail;
use crate::base::error::Result;
use crate::file::gguf::{Metadata, Value};

/// Getters for the keys `{arch}.{key}`.
pub struct Keys<'a> {
    pub metadata: &'a Metadata,
    pub arch: &'static str,
}

impl<'a> Keys<'a> {
    fn full(&self, key: &str) -> String {
        format!("{}.{key}", self.arch)
    }

    pub fn has(&self, key: &str) -> bool {
        self.metadata.get(&self.full(key)).is_some()
    }

    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        self.metadata.u32(&self.full(key))
    }

    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.metadata.bool(&self.full(key))
    }

    pub fn str(&self, key: &str) -> Result<Option<&'a str>> {
        self.metadata.str(&self.full(key))
    }

    /// A size from 1 to `most` that must be there.
    pub fn size(&self, key: &str, most: u32) -> Result<u32> {
        let size = self.metadata.need_u32(&self.full(key))?;
        self.check_size(key, size, most)
    }

    pub fn size_or(&self, key: &str, default: u32, most: u32) -> Result<u32> {
        let size = self.u32(key)?.unwrap_or(default);
        self.check_size(key, size, most)
    }

    fn check_size(&self, key: &str, size: u32, most: u32) -> Result<u32> {
        if !(1..=most).contains(&size) {
            bail!(
                BadMetadata,
                "The metadata key {:?} is {size}, not 1 to {most}; the file needs to be converted again",
                self.full(key)
            );
        }
        Ok(size)
    }

    /// A size that files give once, or once a layer; only equal layers are supported.
    pub fn uniform(&self, key: &str, n_layers: u32, most: u32) -> Result<u32> {
        let full = self.full(key);
        if !matches!(self.metadata.get(&full), Some(Value::Ints(_))) {
            return self.size(key, most);
        }
        let list = self.metadata.ints(&full)?.unwrap_or_default();
        let Some(&first) = list.first().filter(|_| list.len() == n_layers as usize) else {
            bail!(
                BadMetadata,
                "The metadata key {full:?} has {} values for {n_layers} layers; the file needs to be converted again",
                list.len()
            );
        };
        if list.iter().any(|&value| value != first) {
            bail!(UnsupportedArchitecture, "The metadata key {full:?} differs between layers, which is not supported");
        }
        self.check_size(key, u32::try_from(first).unwrap_or(0), most)
    }

    /// A positive number; 0 stands for none.
    pub fn positive(&self, key: &str) -> Result<Option<f32>> {
        match self.metadata.f32(&self.full(key))? {
            None | Some(0.0) => Ok(None),
            Some(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
            Some(number) => bail!(
                BadMetadata,
                "The metadata key {:?} is {number}, not a positive number; the file needs to be converted again",
                self.full(key)
            ),
        }
    }

    pub fn need_positive(&self, key: &str) -> Result<f32> {
        match self.positive(key)? {
            Some(number) => Ok(number),
            None => bail!(
                BadMetadata,
                "The metadata key {:?} is missing or zero; the file needs to be converted again",
                self.full(key)
            ),
        }
    }

    /// Which layers have a sliding window: the file's list, or all but the last of each period.
    pub fn sliding_pattern(&self, period: u32, n_layers: u32) -> Result<Vec<bool>> {
        const KEY: &str = "attention.sliding_window_pattern";
        if let Some(Value::Bools(list)) = self.metadata.get(&self.full(KEY)) {
            if list.len() != n_layers as usize {
                bail!(
                    BadMetadata,
                    "The metadata key {:?} has {} values for {n_layers} layers; the file needs to be converted again",
                    self.full(KEY),
                    list.len()
                );
            }
            return Ok(list.clone());
        }
        let period = self.size_or(KEY, period, u32::MAX)?;
        Ok((0..n_layers).map(|layer| layer % period != period - 1).collect())
    }
}
