//! What becomes of each keyword of a schema.

/// What a keyword does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Enforced: its value is a schema.
    Schema,
    /// Enforced: its value is a list of schemas.
    Schemas,
    /// Enforced: its value is an object of schemas by name.
    Properties,
    /// Enforced: its value is an object of schemas by pattern.
    Patterns,
    /// Enforced: a schema, or before draft 2020-12 also a list of them.
    Items,
    /// Enforced where `items` is a list; else it says nothing.
    AdditionalItems,
    /// Enforced: a type or a list of them.
    Type,
    /// Enforced: a value, or a list of them.
    Const,
    /// See `Const`.
    Enum,
    /// Enforced: a pointer to a schema of the same document.
    Ref,
    /// Enforced: a regular expression of ECMA-262.
    Pattern,
    /// Enforced where the name is one of the table's.
    Format,
    /// Enforced: a number, before draft 6 also a truth value.
    Bound,
    /// Enforced: a number above zero.
    MultipleOf,
    /// Enforced: a count of characters.
    Length,
    /// Enforced: a count of items or properties.
    Count,
    /// Enforced: a list of names.
    Names,
    /// Says nothing about what is valid.
    Note,
    /// Says nothing about what is valid where it stands on top.
    TopNote,
    /// Names a draft.
    Dialect,
    /// Says nothing if its value is this, and is refused otherwise.
    Unless(bool),
    /// Says nothing if it allows every name, and is refused otherwise.
    PropertyNames,
    /// Refused.
    Refused,
}

/// Every keyword of the drafts 4 to 2020-12. What is not here is refused too, so that a slip of the pen shows; names that
/// begin with `x-` are notes.
pub const KEYWORDS: &[(&str, Rule)] = &[
    ("$anchor", Rule::Note),
    ("$comment", Rule::Note),
    ("$defs", Rule::Note),
    ("$dynamicAnchor", Rule::Note),
    ("$dynamicRef", Rule::Refused),
    ("$id", Rule::TopNote),
    ("$recursiveAnchor", Rule::Refused),
    ("$recursiveRef", Rule::Refused),
    ("$ref", Rule::Ref),
    ("$schema", Rule::Dialect),
    ("$vocabulary", Rule::Refused),
    ("additionalItems", Rule::AdditionalItems),
    ("additionalProperties", Rule::Schema),
    ("allOf", Rule::Schemas),
    ("anyOf", Rule::Schemas),
    ("const", Rule::Const),
    ("contains", Rule::Refused),
    ("contentEncoding", Rule::Note),
    ("contentMediaType", Rule::Note),
    ("contentSchema", Rule::Note),
    ("default", Rule::Note),
    ("definitions", Rule::Note),
    ("dependencies", Rule::Refused),
    ("dependentRequired", Rule::Refused),
    ("dependentSchemas", Rule::Refused),
    ("deprecated", Rule::Note),
    ("description", Rule::Note),
    ("else", Rule::Refused),
    ("enum", Rule::Enum),
    ("examples", Rule::Note),
    ("exclusiveMaximum", Rule::Bound),
    ("exclusiveMinimum", Rule::Bound),
    ("format", Rule::Format),
    ("id", Rule::TopNote),
    ("if", Rule::Refused),
    ("items", Rule::Items),
    ("maxContains", Rule::Refused),
    ("maxItems", Rule::Count),
    ("maxLength", Rule::Length),
    ("maxProperties", Rule::Count),
    ("maximum", Rule::Bound),
    ("minContains", Rule::Refused),
    ("minItems", Rule::Count),
    ("minLength", Rule::Length),
    ("minProperties", Rule::Count),
    ("minimum", Rule::Bound),
    ("multipleOf", Rule::MultipleOf),
    ("not", Rule::Refused),
    ("oneOf", Rule::Schemas),
    ("pattern", Rule::Pattern),
    ("patternProperties", Rule::Patterns),
    ("prefixItems", Rule::Schemas),
    ("properties", Rule::Properties),
    ("propertyNames", Rule::PropertyNames),
    ("readOnly", Rule::Note),
    ("required", Rule::Names),
    ("then", Rule::Refused),
    ("title", Rule::Note),
    ("type", Rule::Type),
    ("unevaluatedItems", Rule::Unless(true)),
    ("unevaluatedProperties", Rule::Unless(true)),
    ("uniqueItems", Rule::Unless(false)),
    ("writeOnly", Rule::Note),
];

/// What becomes of a keyword; none where it is not known.
pub fn rule(keyword: &str) -> Option<Rule> {
    if keyword.starts_with("x-") {
        return Some(Rule::Note);
    }
    KEYWORDS.binary_search_by_key(&keyword, |(name, _)| name).ok().map(|at| KEYWORDS[at].1)
}

/// What `$schema` may say.
pub const DIALECTS: [&str; 5] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
];

/// What `type` may say.
pub const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
