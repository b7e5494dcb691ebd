//! Changes sound GGUF files, a little and by seed: what the file says, or its bytes as they are.

use super::gguf_writer::Random;
use tiny_models::gguf::{BF16, CODED, F16, F32, Gguf, Kind, QUANTIZED, Tensor, Value};

/// Numbers at which something ends.
const ODD: [u64; 18] =
    [0, 1, 2, 3, 5, 7, 31, 64, 255, 257, 1000, 1 << 16, 1 << 20, 1 << 31, u32::MAX as u64, 1 << 40, 1 << 63, u64::MAX];
const ODD_FLOATS: [f32; 10] = [0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
/// Data of a tensor with another shape is made as long as that wants, up to so many bytes.
const MOST_DATA: u64 = 1 << 20;

impl Random {
    /// A generator of its own for each round, so that one can be repeated alone.
    pub fn of_round(seed: u64, round: usize) -> Self {
        let mut random = Random((seed ^ (round as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
        for _ in 0..4 {
            random.below(2);
        }
        random
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn odd(&mut self) -> u64 {
        self.of(&ODD)
    }

    fn near(&mut self, number: u64) -> u64 {
        match self.below(5) {
            0 => number.wrapping_add(1),
            1 => number.wrapping_sub(1),
            2 => number.wrapping_mul(2),
            3 => number / 2,
            _ => self.odd(),
        }
    }
}

/// One to three changes of what the file says.
pub fn change(file: &mut Gguf, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        // Keys decide about most.
        match random.below(5) {
            0 => change_tensors(&mut file.tensors, random),
            _ => change_keys(&mut file.metadata, random),
        }
    }
}

fn change_keys(keys: &mut Vec<(String, Value)>, random: &mut Random) {
    if keys.is_empty() {
        return;
    }
    let (at, other) = (random.below(keys.len()), random.below(keys.len()));
    match random.below(12) {
        0 => drop(keys.remove(at)),
        1 => {
            let copy = keys[at].clone();
            keys.push(copy);
        }
        2 => keys[at].1 = keys[other].1.clone(),
        3 => keys[at].0 = keys[other].0.clone(),
        4 => keys[at].1 = any_value(random),
        _ => change_value(&mut keys[at].1, random),
    }
}

fn any_value(random: &mut Random) -> Value {
    let odd = random.odd();
    match random.below(8) {
        0 => Value::U32(odd as u32),
        1 => Value::F32(random.of(&ODD_FLOATS)),
        2 => Value::Bool(odd & 1 == 1),
        3 => Value::Str("x".repeat(random.below(40))),
        4 => Value::Ints(vec![odd as i32; random.below(80)]),
        5 => Value::Floats(vec![random.of(&ODD_FLOATS); random.below(80)]),
        6 => Value::Strings(vec![String::new(); random.below(80)]),
        _ => Value::Raw(10, odd.to_le_bytes().to_vec()),
    }
}

fn change_value(value: &mut Value, random: &mut Random) {
    match value {
        Value::U32(number) => *number = random.near(u64::from(*number)) as u32,
        Value::F32(number) => *number = random.of(&ODD_FLOATS),
        Value::Bool(flag) => *flag = !*flag,
        Value::Str(text) => change_text(text, random),
        Value::Strings(list) => change_list(list, random, change_text),
        Value::Bools(list) => change_list(list, random, |flag, _| *flag = !*flag),
        Value::Ints(list) => change_list(list, random, |number, random| *number = random.near(*number as u64) as i32),
        Value::Floats(list) => change_list(list, random, |number, random| *number = random.of(&ODD_FLOATS)),
        Value::Raw(_, bytes) => change_list(bytes, random, |byte, random| *byte = random.below(256) as u8),
    }
}

fn change_list<T: Clone>(list: &mut Vec<T>, random: &mut Random, one: impl Fn(&mut T, &mut Random)) {
    let Some(last) = list.len().checked_sub(1) else { return };
    let (at, other) = (random.below(list.len()), random.below(list.len()));
    match random.below(8) {
        0 => list.truncate(at),
        1 => list.push(list[at].clone()),
        2 => list.swap(at, other),
        3 => list[at] = list[other].clone(),
        4 => drop(list.remove(last)),
        _ => one(&mut list[at], random),
    }
}

fn change_text(text: &mut String, random: &mut Random) {
    let mut letters: Vec<char> = text.chars().collect();
    let letter = random.of(&['\0', 'a', ' ', '{', '}', '%', '<', '|', '\\', '(', '*', '\u{2581}', '\u{ffff}', '🙂']);
    match random.below(4) {
        0 => letters.clear(),
        1 => letters.insert(random.below(letters.len() + 1), letter),
        _ if letters.is_empty() => letters.push(letter),
        2 => {
            letters.remove(random.below(letters.len()));
        }
        _ => {
            let at = random.below(letters.len());
            letters[at] = letter;
        }
    }
    *text = letters.into_iter().collect();
}

fn change_tensors(tensors: &mut Vec<Tensor>, random: &mut Random) {
    if tensors.is_empty() {
        return;
    }
    let (at, other) = (random.below(tensors.len()), random.below(tensors.len()));
    match random.below(10) {
        0 => drop(tensors.remove(at)),
        1 => tensors[at].name = tensors[other].name.clone(),
        2 => tensors.swap(at, other),
        3 => tensors[at].offset = Some(random.odd()),
        4 => tensors[at].kind_id = random.odd() as u32,
        5 => {
            let kinds: Vec<Kind> = kinds().collect();
            tensors[at].kind_id = random.of(&kinds).id;
            fill(&mut tensors[at]);
        }
        6 => {
            let data = &mut tensors[at].data;
            for _ in 0..data.len().min(16) {
                let place = random.below(data.len());
                data[place] = random.of(&[0, 0x7f, 0x80, 0xff]);
            }
        }
        7 => {
            let turned = random.below(tensors[at].shape.len().max(1));
            tensors[at].shape.rotate_left(turned);
        }
        _ => {
            change_list(&mut tensors[at].shape, random, |length, random| *length = random.near(*length));
            fill(&mut tensors[at]);
        }
    }
}

fn kinds() -> impl Iterator<Item = Kind> {
    [F32, F16, BF16].into_iter().chain(QUANTIZED).chain(CODED)
}

/// Makes the data as long as shape and type want it, where that is not too long.
fn fill(tensor: &mut Tensor) {
    let Some(kind) = kinds().find(|kind| kind.id == tensor.kind_id) else { return };
    let Some(elements) = tensor.shape.iter().try_fold(1u64, |all, &length| all.checked_mul(length)) else { return };
    if elements <= MOST_DATA {
        let bytes = elements as usize / kind.len * kind.bytes;
        tensor.data.resize(bytes, 0x11);
    }
}

/// One to four changes of bytes; the file may end early.
pub fn change_bytes(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let len = file.len();
        if len < 16 {
            return;
        }
        let at = random.below(len - 8);
        let odd = random.odd().to_le_bytes();
        match random.below(16) {
            0..4 => file[at] ^= 1 << random.below(8),
            4..7 => file[at] = random.below(256) as u8,
            7..10 => file[at..at + 8].copy_from_slice(&odd),
            10..13 => file[at..at + 4].copy_from_slice(&odd[..4]),
            13 => drop(file.drain(at..at + 1 + random.below(8))),
            14 => {
                let copy = file[at..at + 1 + random.below(8)].to_vec();
                file.splice(at..at, copy);
            }
            _ => file.truncate(at),
        }
    }
}
