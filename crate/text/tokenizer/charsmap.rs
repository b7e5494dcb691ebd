//! `tokenizer.ggml.precompiled_charsmap`: which characters SentencePiece replaces by which, as a trie in a double array
//! and the texts that its leaves point to. The crate `tokenizers` reads it, and trusts it; so it is checked first.

use tokenizers::normalizers::Precompiled;

use crate::base::error::{Code, Error, Result};
use crate::file::Metadata;

/// The file's map; `None` where it has none. `BadMetadata` where it leads out of itself.
pub fn read(metadata: &Metadata) -> Result<Option<Precompiled>> {
    let Some(values) = metadata.ints("tokenizer.ggml.precompiled_charsmap")?.filter(|values| !values.is_empty()) else {
        return Ok(None);
    };
    // Bytes, with a sign or without.
    let bytes: Vec<u8> = values.iter().map(|value| *value as u8).collect();
    let map = if is_sound(&bytes) { Precompiled::from(&bytes).ok() } else { None };
    let broken = || Error::new(Code::BadMetadata, "tokenizer.ggml.precompiled_charsmap is no map of characters");
    map.map(Some).ok_or_else(broken)
}

/// Whether no step through the trie leaves it, and every leaf points to the beginning of a character.
fn is_sound(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk() else { return false };
    let length = u32::from_le_bytes(*length) as usize;
    let (true, true) = (length >= 4, length <= rest.len()) else { return false };
    let (trie, texts) = rest.split_at(length);
    let Ok(texts) = std::str::from_utf8(texts) else { return false };
    let (units, _) = trie.as_chunks();
    let unit = |at: usize| units.get(at).map(|unit| u32::from_le_bytes(*unit));
    (0..units.len()).all(|at| {
        let Some(node) = unit(at) else { return false };
        if at > 0 && node >> 31 == 1 {
            return true; // A leaf's value.
        }
        let base = at ^ ((node >> 10) << ((node >> 6) & 8)) as usize;
        let points = |leaf: u32| texts.is_char_boundary((leaf & 0x7fff_ffff) as usize);
        let has_leaf = node >> 8 & 1 == 1;
        base | 0xff < units.len() && (!has_leaf || unit(base).is_some_and(points))
    })
}
