//! Cases of kernels, and how what a kernel wrote is compared with what its mirror did.

/// What every output holds before a run, and every buffer past its end: NaN as f32, and as two f16.
pub const POISON: u32 = 0x7fc1_7e01;
/// Poison words past the end of each buffer.
pub const TAIL: usize = 256;

/// One storage binding of a case.
pub enum Data {
    /// Read only.
    In(Vec<u32>),
    /// The buffer of the binding before, bound once more.
    Again,
    /// Written or updated, f32.
    Out(Vec<u32>),
    /// Written, pairs of f16.
    OutF16(Vec<u32>),
    /// Written, integers: every word must be the mirror's.
    OutWords(Vec<u32>),
    /// Written, integers: a count, another word, and then so many words in any order.
    OutList(Vec<u32>),
    /// Written, activations as integers in so many planes: another rounding of an integer is no difference but a small
    /// error of its value.
    OutPlanes(Vec<u32>, u32),
}

impl Data {
    /// What the buffer holds before, and how to compare it afterwards if it is written.
    pub fn content(&self) -> Option<(&[u32], Option<Compare>)> {
        match self {
            Data::Again => None,
            Data::In(words) => Some((words, None)),
            Data::Out(words) => Some((words, Some(compare_f32))),
            Data::OutF16(words) => Some((words, Some(compare_f16))),
            Data::OutWords(words) => Some((words, Some(compare_words))),
            Data::OutList(words) => Some((words, Some(compare_list))),
            Data::OutPlanes(words, 1) => Some((words, Some(compare_planes::<1>))),
            Data::OutPlanes(words, _) => Some((words, Some(compare_planes::<2>))),
        }
    }

    /// The name that exported cases give to the comparison.
    pub fn kind(&self) -> &'static str {
        match self {
            Data::In(_) | Data::Again | Data::Out(_) => "f32",
            Data::OutF16(_) => "f16",
            Data::OutWords(_) => "words",
            Data::OutList(_) => "list",
            Data::OutPlanes(_, 1) => "planes1",
            Data::OutPlanes(..) => "planes2",
        }
    }
}

pub fn floats(values: &[f32]) -> Vec<u32> {
    bytemuck::cast_slice(values).to_vec()
}

/// One dispatch, in the terms of `Recording::push`.
pub struct Case<P> {
    pub variant: String,
    /// What is special here, for the report.
    pub what: String,
    pub params: P,
    pub buffers: Vec<Data>,
    pub grid: [u32; 2],
    /// Largest normalised mean-square error allowed in each output.
    pub ceiling: f64,
}

/// Buffer before the run, the mirror's and the kernel's after it → normalised mean-square error, or what is wrong.
pub type Compare = fn(&[u32], &[u32], &[u32]) -> Result<f64, String>;

pub fn compare_f32(before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let rows = before.iter().zip(want).zip(got);
    compare(rows.map(|((&b, &w), &g)| Element {
        untouched: b == POISON && w == POISON,
        kept: g == b,
        want: f32::from_bits(w),
        got: f32::from_bits(g),
    }))
}

pub fn compare_f16(before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let rows = before.iter().zip(want).zip(got);
    compare(rows.flat_map(|((&b, &w), &g)| {
        [0, 16].map(|shift| {
            let half = |word: u32| half::f16::from_bits((word >> shift) as u16).to_f32();
            Element { untouched: b == POISON && w == POISON, kept: g == b, want: half(w), got: half(g) }
        })
    }))
}

/// By the values that records stand for, and their sums.
pub fn compare_planes<const PLANES: usize>(before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let size = 4 + 8 * PLANES;
    let value = |words: &[u32], i: usize| -> f32 {
        let (record, i) = (&words[i / 35 * size..][..size], i % 35);
        if i >= 32 {
            return f32::from_bits(record[i - 31]);
        }
        let byte = |plane: usize| f32::from((record[4 + 8 * plane + i / 4] >> (8 * (i % 4))) as i8);
        f32::from_bits(record[0]) * if PLANES == 2 { 128.0 * byte(0) + byte(1) } else { byte(0) }
    };
    // Past the last whole record nothing is written.
    let end = want.len() / size * size;
    compare_words(before, &want[end..], &got[end..])?;
    compare((0..want.len() / size * 35).map(|i| {
        let at = i / 35 * size..i / 35 * size + size;
        Element {
            untouched: before[at.clone()] == want[at.clone()],
            kept: got[at.clone()] == before[at],
            want: value(want, i),
            got: value(got, i),
        }
    }))
}

pub fn compare_words(_: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    match want.iter().zip(got).position(|(w, g)| w != g) {
        Some(i) => Err(format!("word {i} is {:#x}, not {:#x}", got[i], want[i])),
        None => Ok(0.0),
    }
}

pub fn compare_list(before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let end = 2 + want[0] as usize;
    let sorted = |words: &[u32]| {
        let mut sorted = words.to_vec();
        sorted[2..end].sort_unstable();
        sorted
    };
    compare_words(before, &sorted(want), &sorted(got))
}

struct Element {
    /// The mirror left poison here.
    untouched: bool,
    /// The kernel left the word as it was.
    kept: bool,
    want: f32,
    got: f32,
}

fn compare(elements: impl Iterator<Item = Element>) -> Result<f64, String> {
    let (mut error, mut norm) = (0.0, 0.0);
    for (i, e) in elements.enumerate() {
        if e.untouched {
            if !e.kept {
                return Err(format!("element {i} was written ({}), but is not the kernel's", e.got));
            }
            continue;
        }
        if !e.want.is_finite() {
            return Err(format!("element {i} is {} on the mirror", e.want));
        }
        if !e.got.is_finite() {
            return Err(format!("element {i} is {}, not {}", e.got, e.want));
        }
        error += (e.got as f64 - e.want as f64).powi(2);
        norm += (e.want as f64).powi(2);
    }
    Ok(if error == 0.0 { 0.0 } else { error / norm })
}

#[test]
fn the_comparison_sees_what_it_must() {
    let p = POISON;
    let f = |v: f32| v.to_bits();
    let good = compare_f32(&[p, p, p], &[f(3.0), f(4.0), p], &[f(3.0), f(4.0), p]);
    assert_eq!(good, Ok(0.0));
    let near = compare_f32(&[p, p], &[f(3.0), f(4.0)], &[f(3.0), f(4.5)]).unwrap();
    assert!((near - 0.25 / 25.0).abs() < 1e-12);
    let missing = compare_f32(&[p, p], &[f(3.0), f(4.0)], &[f(3.0), p]).unwrap_err();
    assert!(missing.contains("element 1 is NaN"), "{missing}");
    let beyond = compare_f32(&[p, p], &[f(3.0), p], &[f(3.0), f(3.0)]).unwrap_err();
    assert!(beyond.contains("element 1 was written"), "{beyond}");
    // A pair of f16 written where poison was to stay, and one that was to be written.
    assert!(compare_f16(&[p], &[p], &[0]).is_err());
    assert!(compare_f16(&[p], &[0x3c00_3c00], &[p]).is_err());
    assert_eq!(compare_f16(&[p], &[0x3c00_3c00], &[0x3c00_3c00]), Ok(0.0));
    // Lists: in any order, but all of it, and nothing behind.
    assert_eq!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[2, 9, 5, 4, p]), Ok(0.0));
    assert!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[2, 9, 5, 5, p]).is_err());
    assert!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[2, 9, 4, 5, 6]).is_err());
    assert!(compare_list(&[p; 5], &[2, 9, 4, 5, p], &[1, 9, 4, 5, p]).is_err());
}
