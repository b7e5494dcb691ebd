//! `shaders/permutations`: the kernels, and the choices that make their variants.

/// Values that `*` stands for in a `format=` choice, in the order of `TensorType::FORMATS`; what is before the star, they
/// start with.
pub const FORMATS: [&str; 19] = [
    "f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl",
    "iq4_xs", "mxfp4", "iq2_s", "q2_0", "q1_0",
];

/// One line of the file.
pub struct Kernel {
    /// The shader's folder and file name: `norm`, `rmsnorm`.
    pub family: String,
    pub name: String,
    pub choices: Vec<Choice>,
}

/// `key=value,value,…`
#[derive(Clone, PartialEq)]
pub struct Choice {
    pub key: String,
    pub values: Vec<String>,
}

impl Choice {
    /// `UPPER_CASE=1,2` becomes a WGSL constant; `lower_case=a,b` names a file to import.
    pub fn is_constant(&self) -> bool {
        self.key.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    }

    /// The key as a Rust field.
    pub fn field(&self) -> String {
        self.key.to_lowercase()
    }
}

/// The value that a variant takes of each choice, in their order.
pub type Chosen<'a> = Vec<(&'a Choice, &'a str)>;

impl Kernel {
    /// Every combination; the last choice changes fastest.
    pub fn variants(&self) -> Vec<Chosen<'_>> {
        let mut all: Vec<Chosen> = vec![Vec::new()];
        for choice in &self.choices {
            let mut longer = Vec::new();
            for chosen in &all {
                longer.extend(choice.values.iter().map(|value| [&chosen[..], &[(choice, value.as_str())]].concat()));
            }
            all = longer;
        }
        all
    }

    /// A variant's name: `kernel.choice.choice…`.
    pub fn variant_name(&self, chosen: &Chosen) -> String {
        let mut name = self.name.clone();
        for (choice, value) in chosen {
            name.push('.');
            if choice.is_constant() {
                name.push_str(&choice.field());
            }
            name.push_str(value);
        }
        name
    }
}

pub fn parse(text: &str) -> Vec<Kernel> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let kernels: Vec<Kernel> = lines.filter(|words| !words.is_empty()).map(|words| line(&words)).collect();
    for (i, kernel) in kernels.iter().enumerate() {
        let again = kernels[..i].iter().any(|other| other.name == kernel.name);
        assert!(!again, "shaders/permutations names the kernel '{}' twice", kernel.name);
    }
    kernels
}

fn line(words: &[&str]) -> Kernel {
    let Some((family, name)) = words[0].split_once('/') else {
        panic!("shaders/permutations: '{}' is not family/kernel", words[0]);
    };
    let choices = words[1..].iter().map(|word| choice(word)).collect();
    Kernel { family: family.into(), name: name.into(), choices }
}

fn choice(word: &str) -> Choice {
    let Some((key, values)) = word.split_once('=') else {
        panic!("shaders/permutations: '{word}' is not key=value,value");
    };
    let values = match values.strip_suffix('*') {
        Some(start) => FORMATS.iter().filter(|format| format.starts_with(start)).map(ToString::to_string).collect(),
        None => values.split(',').map(str::to_string).collect(),
    };
    Choice { key: key.into(), values }
}
