//! Writes the kernel table as Rust: a module a kernel, and one table of all kernels and variants.

use std::fmt::Write as _;

use crate::face::{Binding, Face, Struct, Variant};
use crate::permutations::{Choice, FORMATS};
use crate::sources::Sources;

pub fn table(faces: &[Face], sources: &Sources) -> String {
    let mut out = String::new();
    texts(&mut out, sources);
    kernels(&mut out, faces);
    variants(&mut out, faces);
    choices(&mut out, faces);
    let mut first = 0;
    for (index, face) in faces.iter().enumerate() {
        module(&mut out, faces, index, first);
        first += face.variants.len();
    }
    out
}

/// Appends a line; what it formats is Rust.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("a string takes all") };
}

fn texts(out: &mut String, sources: &Sources) {
    line!(out, "/// The files of `shaders/`, without comments.");
    line!(out, "pub(super) static SOURCES: &[&str] = &[");
    sources.all.iter().for_each(|source| line!(out, "    wgsl({:?}),", source.body));
    line!(out, "];\n");
}

fn kernels(out: &mut String, faces: &[Face]) {
    line!(out, "/// Every shader of `shaders/permutations`.");
    line!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\npub enum KernelId {{");
    for face in faces {
        line!(out, "    /// [`{}`]", face.kernel.name);
        line!(out, "    {},", camel(&face.kernel.name));
    }
    line!(out, "}}\n");
    line!(out, "/// One row a shader, in the order of [`KernelId`].\npub static KERNELS: &[Kernel] = &[");
    let mut first = 0;
    for face in faces {
        let name = &face.kernel.name;
        let access: Vec<&str> =
            face.bindings.iter().map(|b| if b.writes { "Access::Write" } else { "Access::Read" }).collect();
        line!(
            out,
            "    Kernel {{ id: KernelId::{}, family: {:?}, name: {name:?}, bindings: &[{}], params_bytes: {}, first: {first}, \
             count: {}, simd: simd::<{name}::Variant>() }},",
            camel(name),
            face.kernel.family,
            access.join(", "),
            face.params.span,
            face.variants.len()
        );
        first += face.variants.len();
    }
    line!(out, "];\n");
    line!(out, "/// The mirror of each kernel, in the order of [`KernelId`].\npub static MIRRORS: &[Mirror] = &[");
    faces.iter().for_each(|face| line!(out, "    <{}::Variant as OnCpu>::mirror,", face.kernel.name));
    line!(out, "];\n");
}

fn variants(out: &mut String, faces: &[Face]) {
    line!(out, "/// Every variant, kernel by kernel.\npub static VARIANTS: &[Shader] = &[");
    for face in faces {
        for Variant { name, consts, parts, subgroups, f16, dot, threads } in &face.variants {
            line!(
                out,
                "    Shader {{ kernel: KernelId::{}, name: {name:?}, consts: wgsl({consts:?}), parts: parts(&{parts:?}), subgroups: {subgroups}, \
                 f16: {f16}, dot: {dot}, threads: {threads} }},",
                camel(&face.kernel.name)
            );
        }
    }
    line!(out, "];\n");
}

/// How a choice is a Rust type.
enum Kind {
    /// 0 and 1.
    Bool,
    /// All tensor types.
    Format,
    /// An enum that all kernels with such a choice share.
    Shared,
    /// An enum of this kernel: others have other values.
    Own,
}

fn kind(faces: &[Face], choice: &Choice) -> Kind {
    let all = faces.iter().flat_map(|face| &face.kernel.choices);
    match &choice.values[..] {
        [no, yes] if choice.is_constant() && no == "0" && yes == "1" => Kind::Bool,
        values if choice.key == "format" && values == FORMATS => Kind::Format,
        _ if choice.key == "format" => Kind::Shared,
        _ if all.filter(|other| other.key == choice.key).all(|other| other == choice) => Kind::Shared,
        _ => Kind::Own,
    }
}

/// The type of a choice, as seen in its kernel's module.
fn type_of(faces: &[Face], choice: &Choice) -> String {
    match kind(faces, choice) {
        Kind::Bool => "bool".into(),
        Kind::Format => "TensorType".into(),
        Kind::Shared | Kind::Own if choice.key == "format" => "Quantized".into(),
        Kind::Shared | Kind::Own => camel(&choice.field()),
    }
}

/// The enums that kernels share.
fn choices(out: &mut String, faces: &[Face]) {
    line!(out, "/// What kernels' variants differ in: the values of `shaders/permutations`.\npub mod choices {{");
    line!(out, "    use crate::quant::TensorType;\n");
    for (index, format) in FORMATS.iter().enumerate() {
        let name = format.to_uppercase();
        line!(
            out,
            "    const _: () = assert!(TensorType::{name} as usize == {index}, \"permutations' order of types\");"
        );
    }
    let mut seen: Vec<&Choice> = Vec::new();
    for choice in faces.iter().flat_map(|face| &face.kernel.choices) {
        if matches!(kind(faces, choice), Kind::Shared) && !seen.contains(&choice) {
            seen.push(choice);
            enumeration(out, &type_of(faces, choice), choice);
        }
    }
    line!(out, "}}\n");
}

/// The name of a value as an enum's variant.
fn value_name(choice: &Choice, value: &str) -> String {
    match () {
        _ if choice.key == "format" => value.to_uppercase(),
        _ if choice.is_constant() => format!("N{value}"),
        _ => camel(value),
    }
}

fn enumeration(out: &mut String, name: &str, choice: &Choice) {
    let values: Vec<String> = choice.values.iter().map(|value| value_name(choice, value)).collect();
    line!(out, "    /// A choice `{}` of a kernel's variant.", choice.key);
    line!(out, "    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]");
    line!(out, "    pub enum {name} {{");
    for (value, text) in values.iter().zip(&choice.values) {
        line!(out, "        /// `{text}`\n        {value},");
    }
    line!(out, "    }}\n    impl {name} {{");
    line!(out, "        /// Every value, in the order of `shaders/permutations`.");
    let all: Vec<String> = values.iter().map(|value| format!("{name}::{value}")).collect();
    line!(out, "        pub const ALL: [{name}; {}] = [{}];\n", values.len(), all.join(", "));
    if choice.is_constant() {
        line!(
            out,
            "        /// The constant's value in the shader.\n        pub const fn value(self) -> u32 {{\n            match self {{"
        );
        for (value, text) in values.iter().zip(&choice.values) {
            line!(out, "                {name}::{value} => {text},");
        }
        line!(out, "            }}\n        }}\n");
        line!(out, "        /// The choice of this value.\n        pub fn of(value: u32) -> Option<{name}> {{");
        line!(out, "            {name}::ALL.into_iter().find(|choice| choice.value() == value)\n        }}\n    }}");
        return;
    }
    line!(
        out,
        "        /// As `shaders/permutations` writes it.\n        pub const fn name(self) -> &'static str {{\n            match self {{"
    );
    for (value, text) in values.iter().zip(&choice.values) {
        line!(out, "                {name}::{value} => {text:?},");
    }
    line!(out, "            }}\n        }}\n");
    line!(out, "        /// The choice of this name.\n        pub fn named(name: &str) -> Option<{name}> {{");
    line!(out, "            {name}::ALL.into_iter().find(|choice| choice.name() == name)\n        }}\n    }}");
    if choice.key == "format" {
        line!(
            out,
            "    impl From<{name}> for TensorType {{\n        fn from(kind: {name}) -> TensorType {{\n            match kind {{"
        );
        values.iter().for_each(|v| line!(out, "                {name}::{v} => TensorType::{v},"));
        line!(out, "            }}\n        }}\n    }}");
        line!(out, "    impl {name} {{\n        /// `None` for a type that these kernels have no variant of.");
        line!(out, "        pub fn of(kind: TensorType) -> Option<{name}> {{\n            match kind {{");
        values.iter().for_each(|v| line!(out, "                TensorType::{v} => Some({name}::{v}),"));
        if choice.values.len() < FORMATS.len() {
            line!(out, "                _ => None,");
        }
        line!(out, "            }}\n        }}\n    }}");
    }
}

/// A kernel's module; types that an earlier kernel has too are that kernel's.
fn module(out: &mut String, faces: &[Face], index: usize, first: usize) {
    let (before, face) = (&faces[..index], &faces[index]);
    let threads = face.variants[0].threads;
    let uniform = face.variants.iter().all(|variant| variant.threads == threads);
    face.doc.iter().for_each(|text| line!(out, "/// {}", rustdoc(text)));
    line!(out, "pub mod {} {{", face.kernel.name);
    line!(out, "    use super::{{choices::*, *}};\n");
    if uniform {
        line!(out, "    /// Threads of a workgroup.\n    pub const THREADS: u32 = {threads};");
    }
    for constant in face.constants.iter().filter(|constant| constant.name != "THREADS") {
        let doc = "The shader's constant of this name.";
        line!(out, "    /// {doc}\n    pub const {}: {} = {};", constant.name, constant.kind, constant.value);
    }
    line!(out, "");
    structure(out, before, &face.params, |other| vec![&other.params]);
    for head in &face.heads {
        structure(out, before, head, |other| other.heads.iter().collect());
    }
    bind(out, before, face);
    for choice in face.kernel.choices.iter().filter(|choice| matches!(kind(faces, choice), Kind::Own)) {
        enumeration(out, &type_of(faces, choice), choice);
    }
    variant(out, faces, face, first);
    line!(out, "}}\n");
}

/// The struct, or its name in the first kernel that has it.
fn structure(out: &mut String, before: &[Face], it: &Struct, of: impl for<'f> Fn(&'f Face<'_>) -> Vec<&'f Struct>) {
    if let Some(other) = before.iter().find(|other| of(other).contains(&it)) {
        line!(out, "    pub use super::{}::{};", other.kernel.name, it.name);
        return;
    }
    line!(out, "    /// The shader's struct of this name, {} bytes there.", it.span);
    line!(
        out,
        "    #[repr(C)]\n    #[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]\n    pub struct {} {{",
        it.name
    );
    for field in &it.fields {
        match &field.doc[..] {
            [] => panic!("{}.{} has no comment in its shader: say what it is, and its unit", it.name, field.name),
            doc => doc.iter().for_each(|text| line!(out, "        /// {}", rustdoc(text))),
        }
        line!(out, "        pub {}: {},", field.name, field.kind);
    }
    line!(out, "    }}\n");
}

/// The buffers of a dispatch by name.
fn bind(out: &mut String, before: &[Face], face: &Face) {
    if let Some(other) = before.iter().find(|other| other.bindings == face.bindings) {
        line!(out, "    pub use super::{}::Bind;", other.kernel.name);
        return;
    }
    let fields: Vec<&Binding> = face.bindings.iter().filter(|binding| binding.view_of().is_none()).collect();
    line!(
        out,
        "    /// What is bound: by default buffers of a device.\n    #[derive(Clone, Copy, Debug)]\n    pub struct Bind<B = BufferId> {{"
    );
    for field in &fields {
        let access = if field.writes { "Written, or read and written." } else { "Read." };
        line!(out, "        /// {access}\n        pub {}: B,", field.name);
    }
    line!(out, "    }}");
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    line!(out, "    impl<B> Bind<B> {{\n        /// The buffers in the order of the fields.");
    line!(
        out,
        "        pub fn list(self) -> Vec<B> {{\n            let Bind {{ {0} }} = self;\n            vec![{0}]\n        }}\n",
        names.join(", ")
    );
    let places = face.bindings.iter().enumerate().filter(|(_, binding)| binding.view_of().is_none());
    let places: Vec<String> = places.map(|(place, field)| format!("{}: bound[{place}].clone()", field.name)).collect();
    line!(
        out,
        "        /// From what is bound to each binding.\n        pub fn of(bound: &[B]) -> Self where B: Clone {{"
    );
    line!(out, "            Bind {{ {} }}\n        }}\n    }}\n", places.join(", "));
}

fn variant(out: &mut String, faces: &[Face], face: &Face, first: usize) {
    let kernel = face.kernel;
    let fields: Vec<(String, String)> =
        kernel.choices.iter().map(|choice| (choice.field(), type_of(faces, choice))).collect();
    line!(
        out,
        "    /// A variant of the kernel.\n    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]"
    );
    line!(out, "    pub struct Variant {{");
    for (field, kind) in &fields {
        line!(out, "        /// The choice `{field}`.\n        pub {field}: {kind},");
    }
    line!(out, "    }}\n");
    let views: Vec<String> = views(&face.bindings).iter().map(usize::to_string).collect();
    line!(out, "    impl super::Face for Variant {{");
    line!(out, "        type Params = Params;\n        type Bind<B> = Bind<B>;");
    line!(out, "        const KERNEL: KernelId = KernelId::{};", camel(&kernel.name));
    line!(out, "        const VIEWS: &'static [usize] = &[{}];\n", views.join(", "));
    line!(out, "        fn list<B>(bind: Bind<B>) -> Vec<B> {{\n            bind.list()\n        }}\n");
    line!(out, "        fn bind<B: Clone>(bound: &[B]) -> Bind<B> {{\n            Bind::of(bound)\n        }}\n");
    // The last choice changes fastest.
    let mut index = String::from("0");
    for (i, (choice, (field, _))) in kernel.choices.iter().zip(&fields).enumerate() {
        index = match i {
            0 => format!("self.{field} as usize"),
            _ => format!("({index}) * {} + self.{field} as usize", choice.values.len()),
        };
    }
    line!(out, "        fn id(self) -> VariantId {{\n            VariantId(({first} + {index}) as u16)\n        }}\n");
    line!(out, "        fn of(id: VariantId) -> Option<Self> {{");
    line!(out, "            let mut index = usize::from(id.0).checked_sub({first})?;");
    line!(out, "            if index >= {} {{\n                return None;\n            }}", face.variants.len());
    for (choice, (field, kind)) in kernel.choices.iter().zip(&fields).rev() {
        let count = choice.values.len();
        let value =
            if kind == "bool" { format!("index % {count} == 1") } else { format!("{kind}::ALL[index % {count}]") };
        line!(out, "            let {field} = {value};\n            index /= {count};");
    }
    let names: Vec<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
    line!(out, "            let _ = index;\n            Some(Variant {{ {} }})\n        }}\n    }}", names.join(", "));
}

/// For each binding, the field that is bound to it.
fn views(bindings: &[Binding]) -> Vec<usize> {
    let fields: Vec<&str> = bindings.iter().filter(|b| b.view_of().is_none()).map(|b| b.name.as_str()).collect();
    let field = |binding: &Binding| {
        let name = binding.view_of().unwrap_or(&binding.name);
        fields.iter().position(|field| *field == name).unwrap_or_else(|| panic!("{} views no binding", binding.name))
    };
    bindings.iter().map(field).collect()
}

/// `matmul_tile` as `MatmulTile`.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// Text that rustdoc shows as it is.
fn rustdoc(text: &str) -> String {
    text.replace('[', "\\[").replace(']', "\\]").replace('<', "\\<").replace('>', "\\>")
}
