//! One dispatch as a device made it: what its buffers held before, and what it wrote. [`judge`](super::judge) says how far that
//! is from what its mirror makes of the same. It travels as words: a page judges elsewhere than where it computes.

use super::face::VariantId;
use super::table::VARIANTS;

/// A dispatch, and some of what its buffers held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What ran.
    pub variant: VariantId,
    /// Its uniforms.
    pub params: Vec<u8>,
    /// Workgroups.
    pub grid: [u32; 3],
    /// For each binding, which of `held`.
    pub bound: Vec<usize>,
    /// The buffers, each once.
    pub held: Vec<Held>,
    /// The device computed more than is here.
    pub part: bool,
}

/// The words of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Before the dispatch.
    pub before: Vec<u32>,
    /// Behind it, of a buffer that it may write.
    pub after: Option<Vec<u32>>,
}

impl Trial {
    /// As words, which [`Trial::read`] reads.
    pub fn words(&self) -> Vec<u32> {
        let mut words = vec![u32::from(self.variant.0), u32::from(self.part), self.params.len() as u32];
        words.extend(self.grid);
        words.extend([self.bound.len() as u32, self.held.len() as u32]);
        words.extend(self.params.chunks(4).map(|bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            u32::from_le_bytes(word)
        }));
        words.extend(self.bound.iter().map(|&index| index as u32));
        for Held { before, after } in &self.held {
            words.extend([before.len() as u32, u32::from(after.is_some())]);
            words.extend(before);
            words.extend(after.iter().flatten());
        }
        words
    }

    /// What [`Trial::words`] wrote; `None` of anything else.
    pub fn read(words: &[u32]) -> Option<Trial> {
        let (&[variant, part, bytes, x, y, z, bound, held], words) = words.split_first_chunk::<8>()?;
        VARIANTS.get(variant as usize)?;
        let (params, words) = words.split_at_checked((bytes as usize).div_ceil(4))?;
        let mut params: Vec<u8> = params.iter().flat_map(|word| word.to_le_bytes()).collect();
        params.truncate(bytes as usize);
        let (bound, mut words) = words.split_at_checked(bound as usize)?;
        let bound: Vec<usize> = bound.iter().map(|&index| index as usize).collect();
        let mut all = Vec::new();
        for _ in 0..held {
            let (&[count, written], rest) = words.split_first_chunk::<2>()?;
            let (before, rest) = rest.split_at_checked(count as usize)?;
            let (after, rest) = rest.split_at_checked(if written == 1 { count as usize } else { 0 })?;
            all.push(Held { before: before.to_vec(), after: (written == 1).then(|| after.to_vec()) });
            words = rest;
        }
        let whole = words.is_empty() && bound.iter().all(|&index| index < all.len());
        let trial =
            Trial { variant: VariantId(variant as u16), params, grid: [x, y, z], bound, held: all, part: part == 1 };
        whole.then_some(trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_were_written() {
        let held = vec![
            Held { before: vec![1, 2, 3], after: None },
            Held { before: vec![4, 5], after: Some(vec![6, 7]) },
            Held { before: vec![], after: None },
        ];
        let params = vec![1, 2, 3, 4, 5, 6, 7, 8];
        let trial = Trial { variant: VariantId(3), params, grid: [7, 8, 1], bound: vec![0, 0, 1], held, part: true };
        let words = trial.words();
        assert_eq!(Trial::read(&words), Some(trial));
        for end in 0..words.len() {
            assert_eq!(Trial::read(&words[..end]), None, "{end} words");
        }
        let mut none = words;
        none[0] = u32::from(u16::MAX);
        assert_eq!(Trial::read(&none), None);
    }
}
