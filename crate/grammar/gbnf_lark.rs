//! llama.cpp's grammars, written as Lark's. Rules that lead back to none become terminals, which are read as one piece: so a
//! mask costs what a regular expression does. In the others each longest run of such parts is a terminal.

use std::collections::HashMap;
use std::fmt::Write;

use crate::gbnf::{self, Choice, Item, Rule};
use crate::{Result, limits, refuse};

/// The grammar in Lark. Refused: what does not follow the syntax, or names a rule that is not there.
pub fn lark_of(text: &str) -> Result<String> {
    let rules = gbnf::parse(text)?;
    let mut names = HashMap::new();
    for (number, rule) in rules.iter().enumerate() {
        if names.insert(rule.name.as_str(), number).is_some() {
            refuse!("The grammar defines the rule \"{}\" twice.", rule.name);
        }
    }
    let Some(&root) = names.get("root") else { refuse!("The grammar defines no rule \"root\", where texts begin.") };
    let mut leads_to = Vec::with_capacity(rules.len());
    for rule in &rules {
        let mut found = Vec::new();
        references(&rule.choice, &names, &mut found)?;
        leads_to.push(found);
    }
    check_endless(&rules, &names)?;
    let is_terminal = terminals(&rules, &leads_to);
    check_sizes(&rules, &leads_to, &is_terminal)?;
    let mut writer = Writer { is_terminal, names, out: String::new(), runs: String::new(), n_runs: 0 };
    writeln!(writer.out, "start: {}", writer.name(root)).ok();
    for (number, rule) in rules.iter().enumerate() {
        let body =
            if writer.is_terminal[number] { writer.flat_choice(&rule.choice) } else { writer.choice(&rule.choice) };
        writeln!(writer.out, "{}: {body}", writer.name(number)).ok();
    }
    Ok(writer.out + &writer.runs)
}

/// The rules that a choice names.
fn references(choice: &Choice, names: &HashMap<&str, usize>, found: &mut Vec<usize>) -> Result<()> {
    for item in choice.iter().flatten() {
        let mut item = item;
        while let Item::Repeat(inner, ..) = item {
            item = inner;
        }
        match item {
            Item::Group(choice) => references(choice, names, found)?,
            Item::Rule(name, line) => match names.get(name.as_str()) {
                Some(number) => found.push(*number),
                None => refuse!("The grammar names the rule \"{name}\" in line {line}, which it does not define."),
            },
            _ => {}
        }
    }
    Ok(())
}

/// A rule that leads to itself whatever way is taken gives no text.
fn check_endless(rules: &[Rule], names: &HashMap<&str, usize>) -> Result<()> {
    let mut gives = vec![false; rules.len()];
    while let Some(found) =
        (0..rules.len()).find(|rule| !gives[*rule] && choice_gives(&rules[*rule].choice, names, &gives))
    {
        gives[found] = true;
        // Most rules name later ones.
        for rule in (0..rules.len()).rev() {
            gives[rule] = gives[rule] || choice_gives(&rules[rule].choice, names, &gives);
        }
    }
    if let Some(rule) = gives.iter().position(|gives| !gives) {
        refuse!(
            "The grammar's rule \"{}\" gives no text that ends: it leads back to itself whatever way is taken.",
            rules[rule].name
        );
    }
    Ok(())
}

fn choice_gives(choice: &Choice, names: &HashMap<&str, usize>, gives: &[bool]) -> bool {
    choice.iter().any(|items| items.iter().all(|item| item_gives(item, names, gives)))
}

fn item_gives(item: &Item, names: &HashMap<&str, usize>, gives: &[bool]) -> bool {
    match item {
        Item::Rule(name, _) => names.get(name.as_str()).is_some_and(|rule| gives[*rule]),
        Item::Group(choice) => choice_gives(choice, names, gives),
        Item::Repeat(item, least, _) => *least == 0 || item_gives(item, names, gives),
        _ => true,
    }
}

/// Repetitions and choices of a rule itself.
fn repeats(choice: &Choice) -> usize {
    let of = |item: &Item| {
        let (mut item, mut count) = (item, 0);
        while let Item::Repeat(inner, ..) = item {
            (item, count) = (inner, count + 1);
        }
        count + if let Item::Group(choice) = item { repeats(choice) } else { 0 }
    };
    usize::from(choice.len() > 1) + choice.iter().flatten().map(of).sum::<usize>()
}

/// Which rules lead neither back to themselves nor to a token, by whatever way.
fn terminals(rules: &[Rule], leads_to: &[Vec<usize>]) -> Vec<bool> {
    let mut is_terminal = vec![false; rules.len()];
    loop {
        let mut changed = false;
        for (number, rule) in rules.iter().enumerate() {
            let flat =
                !is_terminal[number] && leads_to[number].iter().all(|to| is_terminal[*to]) && !has_token(&rule.choice);
            is_terminal[number] |= flat;
            changed |= flat;
        }
        if !changed {
            return is_terminal;
        }
    }
}

/// A terminal is written out, with all that it names: a few rules may stand for very much.
fn check_sizes(rules: &[Rule], leads_to: &[Vec<usize>], is_terminal: &[bool]) -> Result<()> {
    let own: Vec<usize> = rules.iter().map(|rule| repeats(&rule.choice)).collect();
    if own.iter().sum::<usize>() > limits::REPEATS {
        refuse!("The grammar has more than {} repetitions and choices.", limits::REPEATS);
    }
    let mut sizes: Vec<Option<usize>> = is_terminal.iter().map(|terminal| (!terminal).then_some(0)).collect();
    while let Some(number) = sizes.iter().position(Option::is_none) {
        // What it names first: it leads back to none.
        let mut path = vec![number];
        while let Some(&number) = path.last() {
            match leads_to[number].iter().find(|to| sizes[**to].is_none()) {
                Some(to) => path.push(*to),
                None => {
                    let named = leads_to[number].iter().filter_map(|to| sizes[*to]);
                    let size = named.fold(1 + own[number], usize::saturating_add);
                    if size > limits::PARTS {
                        let name = &rules[number].name;
                        refuse!(
                            "The grammar's rule \"{name}\" stands for more than {} rules, repetitions and choices, written out.",
                            limits::PARTS
                        );
                    }
                    sizes[number] = Some(size);
                    path.pop();
                }
            }
        }
    }
    Ok(())
}

fn has_token(choice: &Choice) -> bool {
    fn is_or_has(item: &Item) -> bool {
        match item {
            Item::Token(_) => true,
            Item::Group(choice) => has_token(choice),
            Item::Repeat(item, ..) => is_or_has(item),
            _ => false,
        }
    }
    choice.iter().flatten().any(is_or_has)
}

struct Writer<'a> {
    is_terminal: Vec<bool>,
    names: HashMap<&'a str, usize>,
    out: String,
    /// The terminals of runs.
    runs: String,
    n_runs: usize,
}

impl Writer<'_> {
    /// Lark tells terminals from rules by their case.
    fn name(&self, rule: usize) -> String {
        format!("{}{rule}", if self.is_terminal[rule] { "RULE" } else { "rule" })
    }

    fn is_flat(&self, item: &Item) -> bool {
        match item {
            Item::Token(_) => false,
            Item::Rule(name, _) => self.names.get(name.as_str()).is_some_and(|rule| self.is_terminal[*rule]),
            Item::Group(choice) => choice.iter().flatten().all(|item| self.is_flat(item)),
            Item::Repeat(item, ..) => self.is_flat(item),
            Item::Text(_) | Item::Class { .. } | Item::Any => true,
        }
    }

    /// Of a rule that is no terminal.
    fn choice(&mut self, choice: &Choice) -> String {
        let mut sequences = Vec::with_capacity(choice.len());
        for items in choice {
            let mut parts = Vec::new();
            let mut rest = items.as_slice();
            while let Some(first) = rest.first() {
                let run = rest.iter().take_while(|item| self.is_flat(item)).count();
                if run == 0 {
                    parts.push(self.item(first));
                } else {
                    let body = self.flat_sequence(&rest[..run]);
                    writeln!(self.runs, "RUN{}: {body}", self.n_runs).ok();
                    parts.push(format!("RUN{}", self.n_runs));
                    self.n_runs += 1;
                }
                rest = &rest[run.max(1)..];
            }
            sequences.push(if parts.is_empty() { "\"\"".into() } else { parts.join(" ") });
        }
        sequences.join(" | ")
    }

    fn item(&mut self, item: &Item) -> String {
        match item {
            Item::Group(choice) => format!("({})", self.choice(choice)),
            Item::Repeat(_, _, Some(0)) => "\"\"".into(),
            Item::Repeat(inner, least, most) => {
                format!("({}){}", self.choice(&vec![vec![(**inner).clone()]]), times(*least, *most))
            }
            flat => self.flat_item(flat),
        }
    }

    fn flat_choice(&self, choice: &Choice) -> String {
        let sequences: Vec<String> = choice.iter().map(|items| self.flat_sequence(items)).collect();
        sequences.join(" | ")
    }

    fn flat_sequence(&self, items: &[Item]) -> String {
        let parts: Vec<String> = items.iter().map(|item| self.flat_item(item)).collect();
        if parts.is_empty() { "\"\"".into() } else { parts.join(" ") }
    }

    fn flat_item(&self, item: &Item) -> String {
        match item {
            Item::Text(text) => serde_json::Value::from(text.as_str()).to_string().replace('\u{7F}', "\\u007f"),
            Item::Class { ranges, .. } if ranges.is_empty() => ANY.into(),
            Item::Class { negated, ranges } => {
                let mut class = String::from(if *negated { "/[^" } else { "/[" });
                for (first, last) in ranges {
                    write!(class, "\\u{{{:X}}}-\\u{{{:X}}}", u32::from(*first), u32::from(*last)).ok();
                }
                class + "]/"
            }
            Item::Any => ANY.into(),
            Item::Rule(name, _) => self.names.get(name.as_str()).map_or_else(String::new, |rule| self.name(*rule)),
            Item::Token(token) => token.clone(),
            Item::Group(choice) => format!("({})", self.flat_choice(choice)),
            Item::Repeat(_, _, Some(0)) => "\"\"".into(),
            Item::Repeat(inner, least, most) => format!("({}){}", self.flat_item(inner), times(*least, *most)),
        }
    }
}

const ANY: &str = "/(?s:.)/";

fn times(least: u32, most: Option<u32>) -> String {
    match (least, most) {
        (0, None) => "*".into(),
        (1, None) => "+".into(),
        (0, Some(1)) => "?".into(),
        (least, None) => format!("{{{least},}}"),
        (least, Some(most)) => format!("{{{least},{most}}}"),
    }
}
