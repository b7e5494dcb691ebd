//! A kernel as Rust sees it: its uniforms, bindings, workgroup size and constants, as naga reads them.

use naga::{AddressSpace, ArraySize, Literal, Module, ScalarKind, StorageAccess, TypeInner, VectorSize};

use crate::permutations::{Chosen, Kernel};
use crate::sources::Sources;

/// What is the same in all variants of a kernel, and the variants.
pub struct Face<'a> {
    pub kernel: &'a Kernel,
    /// The comment that the shader opens with.
    pub doc: Vec<String>,
    pub params: Struct,
    pub bindings: Vec<Binding>,
    /// Structs that storage buffers start with, before an array without a length.
    pub heads: Vec<Struct>,
    pub constants: Vec<Constant>,
    pub variants: Vec<Variant>,
}

/// A struct of numbers of 4 bytes that leaves no holes.
#[derive(Clone, PartialEq)]
pub struct Struct {
    pub name: String,
    /// Bytes as the shader counts them: with what its alignment adds at the end.
    pub span: u32,
    pub fields: Vec<Field>,
}

#[derive(Clone)]
pub struct Field {
    pub name: String,
    pub kind: String,
    pub doc: Vec<String>,
}

impl PartialEq for Field {
    /// Comments do not make another struct.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.kind) == (&other.name, &other.kind)
    }
}

#[derive(Clone, PartialEq)]
pub struct Binding {
    pub name: String,
    pub writes: bool,
}

impl Binding {
    /// A binding `x_u32` is the buffer `x` once more, seen as words.
    pub fn view_of(&self) -> Option<&str> {
        self.name.strip_suffix("_u32")
    }
}

#[derive(Clone, PartialEq)]
pub struct Constant {
    pub name: String,
    pub kind: &'static str,
    pub value: String,
}

pub struct Variant {
    pub name: String,
    /// WGSL constants of its choices.
    pub consts: String,
    /// Indices of its files.
    pub parts: Vec<usize>,
    pub subgroups: bool,
    pub f16: bool,
    pub dot: bool,
    pub threads: u32,
}

impl<'a> Face<'a> {
    pub fn of(kernel: &'a Kernel, sources: &mut Sources) -> Face<'a> {
        let file = format!("{}/{}.wgsl", kernel.family, kernel.name);
        let mut face: Option<Face> = None;
        for chosen in kernel.variants() {
            let found = Face::variant(kernel, &file, &chosen, sources);
            face = Some(match face {
                None => found,
                Some(face) => face.with(found, &file),
            });
        }
        face.unwrap_or_else(|| panic!("shaders/permutations gives '{}' no variant", kernel.name))
    }

    /// Another variant: it must have the same face.
    fn with(mut self, mut other: Face<'a>, file: &str) -> Face<'a> {
        let name = &other.variants[0].name;
        assert!(
            self.params == other.params,
            "shaders/{file}: {name} has other uniforms than {}",
            self.variants[0].name
        );
        assert!(
            self.bindings == other.bindings,
            "shaders/{file}: {name} has other bindings than {}",
            self.variants[0].name
        );
        self.constants.retain(|constant| other.constants.contains(constant));
        self.variants.append(&mut other.variants);
        self
    }

    fn variant(kernel: &'a Kernel, file: &str, chosen: &Chosen, sources: &mut Sources) -> Face<'a> {
        let parts = sources.parts(file, chosen);
        let name = kernel.variant_name(chosen);
        let constants = chosen.iter().filter(|(choice, _)| choice.is_constant());
        let consts: String =
            constants.map(|(choice, value)| format!("const {}: u32 = {value}u;\n", choice.key)).collect();
        let mut text = String::new();
        if parts.requires("f16") {
            text.push_str("enable f16;\n");
        }
        text.push_str(&consts);
        parts.files.iter().for_each(|&part| text.push_str(&sources.all[part].body));
        let module = parse(&name, &text);
        let comments = Comments { texts: parts.files.iter().map(|&part| sources.all[part].text.as_str()).collect() };
        let (params, bindings, heads) = interface(&name, &module, &comments);
        let first = *parts.files.last().expect("the kernel's own file");
        let doc = sources.all[first].text.lines().skip_while(|line| line.starts_with('#'));
        let doc = doc.map_while(|line| line.strip_prefix("//")).map(|line| line.trim().to_string()).collect();
        let entry = &module.entry_points[0];
        let variant = Variant {
            consts,
            subgroups: parts.requires("subgroups"),
            f16: parts.requires("f16"),
            dot: parts.requires("dot"),
            parts: parts.files,
            threads: entry.workgroup_size.iter().product(),
            name,
        };
        Face { kernel, doc, params, bindings, heads, constants: numbers(&module), variants: vec![variant] }
    }
}

fn parse(name: &str, text: &str) -> Module {
    let module =
        naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("shader {name}: {}", e.emit_to_string(text)));
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
    if let Err(e) = validator.validate(&module) {
        panic!("shader {name}: {}", e.emit_to_string(text));
    }
    assert_eq!(module.entry_points.len(), 1, "shader {name} has one entry point");
    module
}

/// The uniform struct, the storage bindings in order, and the structs that some of them start with.
fn interface(name: &str, module: &Module, comments: &Comments) -> (Struct, Vec<Binding>, Vec<Struct>) {
    let mut params = None;
    let mut bindings: Vec<(u32, Binding)> = Vec::new();
    let mut heads = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        let Some(place) = variable.binding else { continue };
        let what = variable.name.clone().unwrap_or_default();
        match variable.space {
            AddressSpace::Uniform => params = Some((place.binding, structure(name, module, variable.ty, comments))),
            AddressSpace::Storage { access } => {
                let writes = access.contains(StorageAccess::STORE);
                bindings.push((place.binding, Binding { name: what, writes }));
                if matches!(module.types[variable.ty].inner, TypeInner::Struct { .. }) {
                    heads.push(structure(name, module, variable.ty, comments));
                }
            }
            other => panic!("shader {name} binds {what} in {other:?}"),
        }
    }
    bindings.sort_by_key(|(place, _)| *place);
    let (last, params) = params.unwrap_or_else(|| panic!("shader {name} has no uniforms"));
    let places: Vec<u32> = bindings.iter().map(|(place, _)| *place).chain([last]).collect();
    let wanted: Vec<u32> = (0..=bindings.len() as u32).collect();
    assert_eq!(places, wanted, "shader {name}: bindings are 0, 1, … and the uniforms follow the last");
    (params, bindings.into_iter().map(|(_, binding)| binding).collect(), heads)
}

fn structure(shader: &str, module: &Module, ty: naga::Handle<naga::Type>, comments: &Comments) -> Struct {
    let ty = &module.types[ty];
    let name = ty.name.clone().unwrap_or_default();
    let TypeInner::Struct { ref members, span } = ty.inner else { panic!("shader {shader}: {name} is no struct") };
    let mut fields = Vec::new();
    let mut end = 0;
    for member in members {
        let field = member.name.clone().unwrap_or_default();
        let kind = match &module.types[member.ty].inner {
            TypeInner::Array { size: ArraySize::Dynamic, .. } => break,
            inner => number(inner).unwrap_or_else(|| panic!("shader {shader}: {name}.{field} is not of numbers")),
        };
        assert_eq!(member.offset, end, "shader {shader}: a hole before {name}.{field}; put vectors first");
        end += 4 * kind.1;
        let kind = if kind.1 == 1 { kind.0.to_string() } else { format!("[{}; {}]", kind.0, kind.1) };
        fields.push(Field { doc: comments.of(&name, &field), name: field, kind });
    }
    Struct { name, span, fields }
}

/// The Rust type of a scalar or vector, and how many there are.
fn number(inner: &TypeInner) -> Option<(&'static str, u32)> {
    let (scalar, count) = match inner {
        TypeInner::Scalar(scalar) => (scalar, 1),
        TypeInner::Vector { size: VectorSize::Bi, scalar } => (scalar, 2),
        TypeInner::Vector { size: VectorSize::Quad, scalar } => (scalar, 4),
        _ => return None,
    };
    match (scalar.kind, scalar.width) {
        (ScalarKind::Uint, 4) => Some(("u32", count)),
        (ScalarKind::Sint, 4) => Some(("i32", count)),
        (ScalarKind::Float, 4) => Some(("f32", count)),
        _ => None,
    }
}

/// The named constants that are one number.
fn numbers(module: &Module) -> Vec<Constant> {
    let mut found = Vec::new();
    for (_, constant) in module.constants.iter() {
        let (Some(name), naga::Expression::Literal(literal)) =
            (&constant.name, &module.global_expressions[constant.init])
        else {
            continue;
        };
        let (kind, value) = match literal {
            Literal::U32(value) => ("u32", value.to_string()),
            Literal::I32(value) => ("i32", value.to_string()),
            Literal::F32(value) => ("f32", format!("{value:?}")),
            _ => continue,
        };
        found.push(Constant { name: name.clone(), kind, value });
    }
    found
}

/// The comments of a kernel's files.
struct Comments<'a> {
    texts: Vec<&'a str>,
}

impl Comments<'_> {
    /// The lines of comment right above a field of a struct.
    fn of(&self, structure: &str, field: &str) -> Vec<String> {
        let opening = format!("struct {structure} {{");
        let Some(text) = self.texts.iter().find_map(|text| text.split_once(&opening)) else { return Vec::new() };
        let mut comment = Vec::new();
        for line in text.1.lines().map(str::trim).take_while(|line| *line != "}") {
            if let Some(words) = line.strip_prefix("//") {
                comment.push(words.trim().to_string());
            } else if line.split(':').next() == Some(field) {
                return comment;
            } else {
                comment.clear();
            }
        }
        Vec::new()
    }
}
