//! llama.cpp's grammars: what of each is a text, and what is none.

use crate::common::{allows, bytes, gbnf};

/// A grammar, texts of it, and others.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("root ::= \"yes\" | \"no\"", &["yes", "no"], &["", "ye", "yesno", "maybe"]),
    ("root ::= [a-c]+ [0-9]*", &["a", "abc", "c12"], &["", "1", "d", "a1a"]),
    ("root ::= [^a-z\\n]?", &["", "A", "é"], &["a", "\n", "AB"]),
    ("root ::= \"a\"{3}", &["aaa"], &["aa", "aaaa"]),
    ("root ::= \"a\"{2,}", &["aa", "aaaaa"], &["a"]),
    ("root ::= \"a\"{1,2}", &["a", "aa"], &["", "aaa"]),
    ("root ::= \"a\"{0,0} \"b\"", &["b"], &["ab"]),
    ("root ::= . .", &["ab", "é\n"], &["a", "abc"]),
    ("root ::= \"\\x41\\u00e9\\U0001F600\\t\\\"\\\\\"", &["Aé😀\t\"\\"], &["A"]),
    ("root ::= [\\]\\[\\-]{2}", &["[]", "-["], &["a"]),
    (
        "# a comment\nroot ::= greeting \" \" name # more\n\nname ::= \"Ada\" |\n  \"Bob\"\n  | \"Cy\"\ngreeting ::= (\n  \"Hi\" # in a group\n  | \"Hello\"\n)\n",
        &["Hi Ada", "Hello Bob", "Hi Cy"],
        &["Hi", "Hello  Ada"],
    ),
    ("root ::= item-1 item_2\nitem-1 ::= \"x\"\nitem_2 ::= \"y\"", &["xy"], &["x", "yx"]),
    // Rules that lead back to themselves.
    ("root ::= \"(\" root \")\" | \"\"", &["", "()", "((()))"], &["(", "(()", ")("]),
    (
        "root ::= expr\nexpr ::= term ((\"+\" | \"-\") term)*\nterm ::= [0-9]+ | \"(\" expr \")\"",
        &["1", "1+22-3", "(1+(2-3))+4"],
        &["", "+", "1+", "(1"],
    ),
    ("root ::= list\nlist ::= \"a\" | list \",\" \"a\"", &["a", "a,a,a"], &["", "a,", ",a"]),
    ("root ::= \"\"", &[""], &["a"]),
];

/// The grammar of JSON that llama.cpp's guides give, in its own words.
const JSON: &str = r#"
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"#;

#[test]
fn grammars_hold_their_texts_and_no_others() {
    for (grammar, texts, others) in CASES {
        let spec = gbnf(grammar);
        for text in *texts {
            assert_eq!(allows(&spec, text), Ok(true), "{grammar:?} does not hold {text:?}");
        }
        for text in *others {
            assert_eq!(allows(&spec, text), Ok(false), "{grammar:?} holds {text:?}");
        }
    }
}

#[test]
fn grammar_of_json() {
    let spec = gbnf(JSON);
    for text in ["{}", r#"{"a": [1, -2.5e3, "x\n\u00e9", {"b": null}], "c":true}"#, "{\n  \"a\": 1}"] {
        assert_eq!(allows(&spec, text), Ok(true), "{text}");
    }
    for text in ["", "[]", r#"{"a"}"#, r#"{"a": 01}"#, r#"{"a": "}"#, r#"{"a": 1,}"#] {
        assert_eq!(allows(&spec, text), Ok(false), "{text}");
    }
}

/// What is wrong, and what the sentence says of it.
const WRONG: &[(&str, &str)] = &[
    ("", "no rule \"root\""),
    ("start ::= \"a\"", "no rule \"root\""),
    ("root ::= \"a\"\nroot ::= \"b\"", "\"root\" twice"),
    ("root ::= a", "\"a\" in line 1"),
    ("root ::= \"a", "line 1 does not end"),
    ("root ::= \"a\"\n\nx = \"b\"", "'=' in line 3"),
    ("root ::= \"a\" )", "')' in line 1"),
    ("root ::= (\"a\"", "ends in line 1"),
    ("root ::= [z-a]", "line 1"),
    ("root ::= []", "empty class in line 1"),
    ("root ::= \"\\q\"", "\"\\q\" in line 1"),
    ("root ::= \"\\uD800\"", "no character"),
    ("root ::= \"a\"{2,1}", "2 to 1 times in line 1"),
    ("root ::= \"a\"{99999999}", "99999999 times in line 1"),
    ("root ::= \"a\"{x}", "'x' in line 1"),
    ("root ::= !<[1]>", "line 1"),
    ("root ::= \"ba\" | [bc] x \")\"\nx ::= x", "rule \"x\" gives no text that ends"),
    ("root ::= \"a\"+ root", "rule \"root\" gives no text that ends"),
    ("root ::= \"a\" b ::= \"c\"", "line 1"),
];

#[test]
fn mistakes_are_named_with_their_line() {
    for (grammar, words) in WRONG {
        let refused = bytes().compile(&gbnf(grammar)).err().expect(grammar).0;
        assert!(refused.contains(words), "{grammar:?}: {refused}");
        assert!(refused.ends_with('.'), "{refused}");
    }
}
