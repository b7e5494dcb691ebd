//! Cases of kernels, and how what a kernel wrote is compared with what its mirror did.

use std::fmt;

use sotto::base::buffer::BufferId;
use sotto::device::recording::{Dispatch, Recording};
use sotto::kernels::face::{Access, Face};
use sotto::kernels::table::choices::{Kv, Planes};

/// What every output holds before a run, and every buffer past its end: NaN as f32, and as two f16.
pub const POISON: u32 = 0x7fc1_7e01;
/// Poison words past the end of each buffer.
const TAIL: usize = 256;

/// One buffer of a case.
#[derive(Clone)]
pub enum Data {
    /// Read only.
    In(Vec<u32>),
    /// Written or updated, f32.
    Out(Vec<u32>),
    /// Written, integers: every word must be the mirror's.
    OutWords(Vec<u32>),
    /// Written, integers: a count, another word, and then so many words in any order.
    OutList(Vec<u32>),
    /// Written, activations as integers in so many planes: another rounding of an integer is no difference but a small
    /// error of its value.
    OutPlanes(Vec<u32>, Planes),
    /// Written, keys or values of heads of so many numbers.
    OutHeads(Vec<u32>, Kv, u32),
}

impl Data {
    /// What the buffer holds before.
    pub fn words(&self) -> &[u32] {
        match self {
            Data::In(words)
            | Data::Out(words)
            | Data::OutWords(words)
            | Data::OutList(words)
            | Data::OutPlanes(words, _)
            | Data::OutHeads(words, ..) => words,
        }
    }

    /// The same, and poison past the end.
    pub fn padded(&self) -> Vec<u32> {
        [self.words(), &[POISON; TAIL]].concat()
    }

    /// How to compare it afterwards, if it is written.
    pub fn compare(&self) -> Option<Compare> {
        match self {
            Data::In(_) => None,
            Data::Out(_) | Data::OutHeads(_, Kv::F32, _) => Some(Box::new(compare_f32)),
            Data::OutHeads(_, Kv::F16 | Kv::Pack16, _) => Some(Box::new(compare_f16)),
            Data::OutWords(_) => Some(Box::new(compare_words)),
            Data::OutList(_) => Some(Box::new(compare_list)),
            Data::OutPlanes(_, Planes::N1) => Some(Box::new(compare_planes::<1>)),
            Data::OutPlanes(_, Planes::N2) => Some(Box::new(compare_planes::<2>)),
            Data::OutHeads(_, kv, head_dim) => {
                let (kv, head_dim) = (*kv, *head_dim as usize);
                Some(Box::new(move |before, want, got| compare_heads(kv, head_dim, before, want, got)))
            }
        }
    }

    /// The name that exported cases give to the comparison.
    pub fn kind(&self) -> String {
        match self {
            Data::In(_) | Data::Out(_) | Data::OutHeads(_, Kv::F32, _) => "f32".into(),
            Data::OutHeads(_, Kv::F16 | Kv::Pack16, _) => "f16".into(),
            Data::OutWords(_) => "words".into(),
            Data::OutList(_) => "list".into(),
            Data::OutPlanes(_, planes) => format!("planes{}", planes.value()),
            Data::OutHeads(_, kv, head_dim) => format!("{}:{head_dim}", kv.kind().name()),
        }
    }
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    bytemuck::cast_slice(values).to_vec()
}

pub fn floats(words: &[u32]) -> &[f32] {
    bytemuck::cast_slice(words)
}

/// Fails where numbers are further apart than this.
#[track_caller]
pub fn close(got: &[f32], want: &[f64], within: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        assert!((got as f64 - want).abs() <= within, "element {i} is {got}, not {want}");
    }
}

/// One dispatch, and what its buffers hold.
pub struct Case {
    /// What is special here, for the report.
    pub what: String,
    /// Its buffers are numbered as `fields` are.
    pub dispatch: Dispatch,
    /// In the order of the fields of the kernel's `Bind`.
    pub fields: Vec<Data>,
    /// Largest normalised mean-square error allowed in each output.
    pub ceiling: f64,
}

impl Case {
    /// In the terms of `Recording::push`.
    pub fn new<V: Face>(
        variant: V,
        what: impl Into<String>,
        params: V::Params,
        bind: V::Bind<Data>,
        grid: [u32; 2],
        ceiling: f64,
    ) -> Case {
        let case =
            Case { what: what.into(), dispatch: dispatch(variant, params, grid), fields: V::list(bind), ceiling };
        let bindings = case.dispatch.kernel().bindings;
        for (field, data) in case.fields.iter().enumerate() {
            let bound = bindings.iter().zip(&case.dispatch.buffers).filter(|(_, id)| id.0 == field);
            let written = bound.into_iter().any(|(access, _)| *access == Access::Write);
            assert_eq!(data.compare().is_some(), written, "{case}: field {field}");
        }
        case
    }

    /// The first binding of a field.
    pub fn binding(&self, field: usize) -> usize {
        self.dispatch.buffers.iter().position(|id| id.0 == field).expect("a field that is bound")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.dispatch.variant.name(), self.what)
    }
}

/// A dispatch whose buffers are numbered as the fields of the kernel's `Bind`.
pub fn dispatch<V: Face>(variant: V, params: V::Params, grid: [u32; 2]) -> Dispatch {
    let bound: Vec<BufferId> = V::VIEWS.iter().map(|&field| BufferId(field)).collect();
    let mut recording = Recording::default();
    recording.push(variant, params, V::bind(&bound), grid).expect("a grid that adapters take");
    recording.dispatches.remove(0)
}

/// The fields of a kernel's `Bind`, by name.
pub fn named<V: Face, B: Clone>(fields: &[B]) -> V::Bind<B> {
    let bound: Vec<B> = V::VIEWS.iter().map(|&field| fields[field].clone()).collect();
    V::bind(&bound)
}

/// Runs cases, and keeps what it finds for a report.
pub trait Runs {
    fn run(&mut self, case: Case);
}

/// Buffer before the run, the mirror's and the kernel's after it → normalised mean-square error, or what is wrong.
pub type Compare = Box<dyn Fn(&[u32], &[u32], &[u32]) -> Result<f64, String>>;

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

/// By the numbers that blocks of heads stand for.
fn compare_heads(kv: Kv, head_dim: usize, before: &[u32], want: &[u32], got: &[u32]) -> Result<f64, String> {
    let words = kv.words(head_dim);
    // Past the last whole head nothing is written.
    let end = want.len() / words * words;
    compare_words(before, &want[end..], &got[end..])?;
    let heads = before.chunks_exact(words).zip(want.chunks_exact(words)).zip(got.chunks_exact(words));
    let elements = |((before, want), got): ((&[u32], &[u32]), &[u32])| -> Vec<Element> {
        let (untouched, kept) = (before[0] == POISON && want == before, got == before);
        let [want, got] = [want, got].map(|words| head(kv, words, head_dim));
        want.into_iter().zip(got).map(|(want, got)| Element { untouched, kept, want, got }).collect()
    };
    compare(heads.flat_map(elements))
}

/// A head of numbers in blocks, read by no code of the crate.
fn head(kv: Kv, words: &[u32], head_dim: usize) -> Vec<f32> {
    let fours = if kv == Kv::Q4 { 2 } else { 1 };
    let number = |i: usize| {
        let pair = &words[i / 64 * (1 + 16 / fours)..];
        let scale = half::f16::from_bits((pair[0] >> (16 * (i / 32 % 2))) as u16).to_f32();
        let byte = pair[1 + i % 64 / (4 * fours)].to_le_bytes()[i % 4];
        match kv {
            Kv::Q4 => (8.0 - f32::from(byte >> (4 * (i / 4 % 2)) & 15)) * scale / 8.0,
            _ => f32::from(byte as i8) * scale / 127.0,
        }
    };
    (0..head_dim).map(number).collect()
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
