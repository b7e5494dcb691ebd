//! The expressions by which models cut text into words, read by `regex-syntax` and written as data:
//! `$OUT_DIR/expressions.rs`, which `crate/text/tokenizer/automaton.rs` includes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::ahead;
use crate::pre;

/// Each class of characters, in the order of its first use: its ranges.
#[derive(Default)]
struct Classes(Vec<Vec<(u32, u32)>>);

impl Classes {
    fn index(&mut self, class: &Class) -> usize {
        let Class::Unicode(class) = class else { panic!("a class of bytes cuts characters") };
        let ranges: Vec<_> = class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect();
        self.0.iter().position(|known| *known == ranges).unwrap_or_else(|| {
            self.0.push(ranges);
            self.0.len() - 1
        })
    }

    fn of(&self, char: u32) -> Vec<usize> {
        let holds = |class: &[(u32, u32)]| {
            let after = class.partition_point(|(first, _)| *first <= char);
            after > 0 && char <= class[after - 1].1
        };
        (0..self.0.len()).filter(|index| holds(&self.0[*index])).collect()
    }
}

/// The table's Rust.
pub fn table() -> String {
    let mut classes = Classes::default();
    let mut rows = BTreeMap::new();
    for family in pre::FAMILIES {
        for pattern in family.patterns.iter().flat_map(|expression| ahead::plan(expression).patterns) {
            let hir = regex_syntax::parse(pattern).unwrap_or_else(|e| panic!("{e}"));
            rows.entry(pattern).or_insert_with(|| node(&hir, &mut classes));
        }
    }
    let rows: String = rows.iter().map(|(pattern, node)| format!("    ({pattern:?}, {node}),\n")).collect();
    format!("pub static EXPRESSIONS: &[(&str, Node)] = &[\n{rows}];\n{}", kinds(&classes))
}

fn node(hir: &Hir, classes: &mut Classes) -> String {
    let mut all = |parts: &[Hir]| parts.iter().map(|hir| node(hir, classes)).collect::<Vec<_>>().join(", ");
    match hir.kind() {
        HirKind::Literal(literal) => format!("Text({:?})", std::str::from_utf8(&literal.0).expect("whole characters")),
        HirKind::Class(class) => format!("Class({})", classes.index(class)),
        HirKind::Look(Look::End) => "End".into(),
        HirKind::Repetition(repeat) => {
            assert!(repeat.greedy, "a lazy repetition is new to crate/text/tokenizer/automaton.rs");
            let of = node(&repeat.sub, classes);
            format!("Repeat {{ min: {}, max: {:?}, of: &{of} }}", repeat.min, repeat.max)
        }
        HirKind::Capture(capture) => node(&capture.sub, classes),
        HirKind::Concat(parts) => format!("All(&[{}])", all(parts)),
        HirKind::Alternation(parts) => format!("Any(&[{}])", all(parts)),
        kind => panic!("{kind:?} is new to crate/text/tokenizer/automaton.rs"),
    }
}

/// Characters that are in the same classes are of one kind. So what is known of Unicode is written once, not once a class.
fn kinds(classes: &Classes) -> String {
    let mut starts: Vec<u32> =
        classes.0.iter().flatten().flat_map(|(first, last)| [*first, last + 1]).chain([0]).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut known: Vec<Vec<usize>> = Vec::new();
    let (mut lengths, mut numbers) = (String::new(), String::new());
    let ends = starts.iter().skip(1).copied().chain([char::MAX as u32 + 1]);
    for (start, end) in starts.iter().zip(ends) {
        let of = classes.of(*start);
        let number = known.iter().position(|other| *other == of).unwrap_or_else(|| {
            known.push(of);
            known.len() - 1
        });
        let mut left = end - start;
        while left > 0 {
            let length = left.min(u16::MAX.into());
            write!(lengths, "{length}, ").expect("a string");
            write!(numbers, "{}, ", u8::try_from(number).expect("at most 256 kinds")).expect("a string");
            left -= length;
        }
    }
    let of = |class: usize| {
        let numbers = known.iter().enumerate().filter(|(_, of)| of.contains(&class)).map(|(number, _)| number);
        format!("    &{:?},\n", numbers.collect::<Vec<_>>())
    };
    let classes: String = (0..classes.0.len()).map(of).collect();
    format!(
        "pub static CLASSES: &[&[u8]] = &[\n{classes}];\n\
         pub static LENGTHS: &[u16] = &[{lengths}];\npub static KINDS: &[u8] = &[{numbers}];\n"
    )
}
