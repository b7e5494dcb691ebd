//! Templates that mean harm end in a typed error, in little memory, on a stack of 1 MiB, and the next chat works.

use serde_json::json;
use sotto::base::error::{Code, Error};
use sotto::text::template::{ChatTemplate, RenderOptions};

use crate::common::memory::cost;

/// What a page has for its stack.
const STACK: usize = 1 << 20;
/// What a template may take.
const MOST_BYTES: usize = 300 << 20;

/// `count` times `unit` between `before` and `after`.
fn chain(before: &str, unit: &str, count: usize, after: &str) -> String {
    format!("{before}{}{after}", unit.repeat(count))
}

/// `count` opening and as many closing texts around `inner`.
fn nest(open: &str, inner: &str, close: &str, count: usize) -> String {
    format!("{}{inner}{}", open.repeat(count), close.repeat(count))
}

/// The error of a template with one message; `None` where it renders.
fn attempt(source: String) -> Option<Error> {
    let run = move || {
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let options = RenderOptions { add_generation_prompt: true, now: Some(0), ..RenderOptions::default() };
        let (error, bytes, _) =
            cost(|| ChatTemplate::new(&source).and_then(|template| template.render(&messages, &options)).err());
        let shown: String = source.chars().take(120).collect();
        assert!(bytes < MOST_BYTES, "{shown}: {bytes} bytes");
        error
    };
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().expect("no template panics")
}

fn all_refused(sources: Vec<String>) {
    for source in sources {
        let shown: String = source.chars().take(120).collect();
        let error = attempt(source).unwrap_or_else(|| panic!("this renders: {shown}"));
        assert_eq!(error.code, Code::BadTemplate, "{shown}: {error}");
        assert!(error.message.len() < 1000, "{shown}: the message is short");
    }
    assert_eq!(attempt("{{ messages[0].content }}".into()), None);
}

/// Loops `times` over a statement with a namespace `ns` whose `s` starts as `start`, and then `end`.
fn grown(start: &str, statement: &str, times: usize, end: &str) -> String {
    format!("{{% set ns = namespace(s={start}) %}}{{% for i in range({times}) %}}{statement}{{% endfor %}}{end}")
}

#[test]
fn expressions_of_any_length_are_refused_before_they_are_parsed() {
    let mut sources = Vec::new();
    for unit in [
        "+1",
        "-1",
        "*1",
        "/1",
        "//1",
        "%1",
        "**1",
        "~1",
        "|abs",
        "|list",
        "|default(1)",
        ".a",
        "[0]",
        "[:1]",
        "()",
        "(1)",
        ".a()",
    ] {
        sources.push(chain("{{ 1", unit, 20_000, " }}"));
        sources.push(chain("{{ a", unit, 3000, " }}"));
    }
    for unit in [
        " and 1",
        " or 1",
        " == 1",
        " < 1",
        " in a",
        " not in a",
        " is none",
        " is not none",
        " if 1 else 1",
        " is eq 1",
    ] {
        sources.push(chain("{{ 1", unit, 20_000, " }}"));
        sources.push(chain("{% if 1", unit, 3000, " %}{% endif %}"));
        sources.push(chain("{% set x = 1", unit, 3000, " %}"));
    }
    for unit in ["not ", "- ", "-", "not not ", "+"] {
        sources.push(chain("{{ ", unit, 20_000, "1 }}"));
        sources.push(chain("{{ ", unit, 2000, "1 }}"));
        sources.push(chain("{{ 1 is eq ", unit, 2000, "1 }}"));
    }
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{1:", "}"),
        ("(1,", ")"),
        ("f(", ")"),
        ("a[", "]"),
        ("a|f(", ")"),
        ("1 is f(", ")"),
        ("f(x=", ")"),
        ("-(", ")"),
        ("not (", ")"),
    ] {
        for count in [30, 70, 3000, 50_000] {
            sources.push(format!("{{{{ {} }}}}", nest(open, "1", close, count)));
        }
    }
    sources.push(chain("{{ ", "(", 100_000, ""));
    sources.push(chain("{{ ", "{", 100_000, ""));
    sources.push(chain("{{ [", "1,", 100_000, "] }}"));
    sources.push(chain("{{ f(", "1,", 100_000, ") }}"));
    sources.push(chain("{{ '", "x' '", 100_000, "' }}"));
    sources.push(chain("{% set ", "a,", 100_000, " = 1 %}"));
    sources.push(chain("{% macro m(", "a,", 100_000, ") %}{% endmacro %}"));
    sources.push(chain("{% filter upper", "|lower", 20_000, " %}{% endfilter %}"));
    sources.push(chain("{% set x", "|lower", 20_000, " %}{% endset %}"));
    all_refused(sources);
}

#[test]
fn blocks_within_blocks_are_refused() {
    let mut sources = Vec::new();
    for (open, close) in [
        ("{% if true %}", "{% endif %}"),
        ("{% for x in [1] %}", "{% endfor %}"),
        ("{% with a = 1 %}", "{% endwith %}"),
        ("{% macro m() %}", "{% endmacro %}"),
        ("{% filter upper %}", "{% endfilter %}"),
        ("{% set x %}", "{% endset %}"),
        ("{% call f() %}", "{% endcall %}"),
        ("{% autoescape true %}", "{% endautoescape %}"),
        ("{% generation %}", "{% endgeneration %}"),
        ("{%- if true -%}", "{%- endif -%}"),
        ("{% if true %}x{% else %}", "{% endif %}"),
    ] {
        for count in [60, 140, 500, 10_000] {
            sources.push(nest(open, "x", close, count));
        }
    }
    for count in [60, 1000, 20_000] {
        sources.push(chain("{% if false %}", "{% elif false %}", count, "{% endif %}"));
        sources.push(chain("", "{% if false %}", count, ""));
    }
    all_refused(sources);
}

#[test]
fn values_that_grow_deep_or_wide_are_refused() {
    let mut sources = Vec::new();
    let print = "{{ ns.s }}";
    for statement in [
        "{% set ns.s = [ns.s] %}",
        "{% set ns.s = (ns.s,) %}",
        "{% set ns.s = {'a': ns.s} %}",
        "{% set ns.s = {ns.s: 1} %}",
        "{% set ns.s = dict(a=ns.s) %}",
        "{% set ns.s = [ns.s]|list %}",
        "{% set ns.s = [ns.s]|batch(1)|list %}",
        "{% set ns.s = [1]|batch(2, ns.s)|list %}",
        "{% set ns.s = {'a': ns.s}|items|list %}",
        "{% set ns.s = {'a': ns.s}.items() %}",
        "{% set ns.s = {'a': ns.s}.values() %}{% set ns.s = [ns.s] %}",
        "{% set ns.s = namespace(a=ns.s) %}",
        "{% set ns.s = ns %}",
        "{% set ns.s = [ns] %}",
        "{% set l = [ns] %}{% set ns.s = l %}",
        "{% set ns.s = [loop] %}",
        "{% set ns.s = loop %}",
        "{% set a, ns.s = 1, [ns.s] %}",
        "{% set ns.s | default(ns, true) %}{% endset %}",
        "{% for x in [[ns.s]] %}{% set ns.s = x %}{% endfor %}",
        "{% with x = [ns.s] %}{% set ns.s = x %}{% endwith %}",
        "{% macro m(x) %}{% set ns.s = [x] %}{% endmacro %}{{ m(ns.s) }}",
        "{% set ns.s = {'a': 1, 'b': ns.s}|dictsort %}",
    ] {
        for end in [
            "",
            print,
            "{{ ns.s|tojson }}",
            "{{ ns.s == ns.s }}",
            "{{ 'a' ~ ns.s }}",
            "{{ ns.s|string }}",
            "{{ [ns.s]|join }}",
        ] {
            sources.push(grown("[1]", statement, 90_000, end));
        }
    }
    for statement in [
        "{% set ns.s = [ns.s, ns.s] %}",
        "{% set ns.s = (ns.s, ns.s) %}",
        "{% set ns.s = {'a': ns.s, 'b': ns.s} %}",
        "{% set ns.s = ns.s + ns.s %}",
        "{% set ns.s = [ns.s, ns.s]|list %}",
    ] {
        sources.push(grown("['x']", statement, 60, print));
        sources.push(grown("['x']", statement, 60, "{{ ns.s == ns.s }}{{ ns.s in ns.s }}"));
    }
    sources.push(format!("{{% set x = 1 %}}{}", "{% set x = [x] %}".repeat(5000)));
    sources.push(format!("{{% set x = 1 %}}{}{{{{ x }}}}", "{% set x = [x,x] %}".repeat(60)));
    sources.push("{% macro m(x) %}{{ m([[[[[[[[x]]]]]]]]) }}{% endmacro %}{{ m(1) }}".into());
    sources.push("{% macro m(x) %}{{ m([x, x]) }}{% endmacro %}{{ m(1) }}".into());
    all_refused(sources);
}

#[test]
fn large_texts_and_columns_are_refused() {
    let mut sources: Vec<String> = [
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ '{:1000000000}'.format('a') }}",
        "{{ '{:.1000000000f}'.format(1.5) }}",
        "{{ '{:0>99999999999999999999}'.format(1) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '%.1000000000f'|format(1.5) }}",
        "{{ '%*d'|format(1000000000, 1) }}",
        "{{ '%1000000000s' % 1 }}",
        "{{ '%-1000000000s' % ('a',) }}",
        "{{ 'a'.center(1000000000) }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ 'a'.rjust(1000000000, 'x') }}",
        "{{ '1'.zfill(1000000000) }}",
        "{{ 'a'|center(1000000000) }}",
        "{{ 'a\nb'|indent(1000000000) }}",
        "{{ [1]|tojson(indent=1000000000) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 1000000000 * 'x' }}",
        "{{ 'x' * 90000000 * 90000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ ([1] * 1000)|join }}",
        "{{ (['x' * 9000000] * 100000)|string }}",
        "{{ range(100000)|map(attribute='x', default='x' * 9000000)|join }}",
        "{{ range(100000)|map(attribute='x', default='x' * 9000000)|list }}",
        "{{ range(100000)|map(attribute='x', default='x' * 9000000)|list|tojson }}",
        "{{ 'a' ~ range(100000)|map(attribute='x', default='x' * 9000000)|list }}",
        "{{ range(100000)|map(attribute='x', default='x' * 9000000)|list in 'abc' }}",
        "{{ range(100000)|map(attribute='x', default='x' * 9000000)|list is in 'abc' }}",
        "{{ '%s'|format(range(100000)|map(attribute='x', default='x' * 9000000)|list) }}",
        "{{ '{}'.format(range(100000)|map(attribute='x', default='x' * 9000000)|list) }}",
        "{{ ('x' * 9000000).replace('x', 'x' * 9000000) }}",
        "{{ ('x' * 9000000)|replace('x', 'x' * 9000000) }}",
        "{{ ('x' * 9000000)|replace('', 'yyyyyyyy' * 100) }}",
        "{{ ('\n' * 9000000)|indent(9000, true, true) }}",
        "{{ ('x' * 900000).join(range(90000)|list) }}",
        "{{ range(90000)|join('x' * 900000) }}",
        "{{ range(100000)|map('indent', 9000, true)|list }}",
        "{{ range(100000)|map('center', 9000)|list }}",
        "{{ range(100000)|batch(1000000000, 'x')|list }}",
        "{{ [1]|batch(1000000000, 'x')|list }}",
        "{{ [1]|slice(1000000000)|list }}",
        "{{ range(1000000000)|list }}",
        "{{ ('{}' * 100000).format('x') }}",
        "{{ ('{0}' * 1000000).format('x' * 1000000) }}",
        "{{ ('%(a)s' * 1000000) % {'a': 'x' * 1000000} }}",
        "{{ ('%s' * 1000000)|format('x' * 1000000) }}",
        "{% for i in range(99999) %}{{ 'x' * 1000000 }}{% endfor %}",
        "{% for i in range(99999) %}{% set x %}{{ 'x' * 1000000 }}{% endset %}{{ x }}{% endfor %}",
        "{% macro m() %}{{ 'x' * 1000000 }}{% endmacro %}{% for i in range(99999) %}{{ m() }}{% endfor %}",
        "{{ ('x' * 9000000)|tojson * 100 }}",
        "{{ ('x' * 90000000).split('x')|length }}",
        "{{ ('x' * 15000000).split('x')|length }}",
        "{{ ('x ' * 7500000).split()|length }}",
        "{{ ('\n' * 15000000).splitlines()|length }}",
        "{{ ('\n' * 15000000)|indent(0) }}",
        "{{ ('x' * 90000000)[::-1]|length }}",
        "{{ ('x' * 90000000)|list|length }}",
        "{{ ('x' * 15000000)|list|sort|length }}",
        "{{ raise_exception('x' * 1000000) }}",
        "{{ x|no_filter_of_this_name_no_filter_of_this_name }}",
        "{{ ('\u{1}' * 15000000)|tojson }}{{ ('\u{1}' * 15000000)|tojson }}{{ ('\u{1}' * 15000000)|tojson }}",
    ]
    .map(String::from)
    .to_vec();
    for statement in [
        "{% set ns.s = ns.s + ns.s %}",
        "{% set ns.s = ns.s ~ ns.s %}",
        "{% set ns.s = ns.s * 2 %}",
        "{% set ns.s = ns.s|replace('x', 'xx') %}",
        "{% set ns.s = ns.s.replace('x', 'xx') %}",
        "{% set ns.s = [ns.s, ns.s]|join %}",
        "{% set ns.s = '%s%s' % (ns.s, ns.s) %}",
        "{% set ns.s = '{0}{0}'.format(ns.s) %}",
        "{% set ns.s = ns.s|tojson|tojson %}",
        "{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}",
    ] {
        sources.push(grown("'x'", statement, 99_999, "{{ ns.s }}"));
    }
    all_refused(sources);
}

#[test]
fn what_never_ends_is_ended() {
    let mut sources: Vec<String> = [
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) if a == b %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
        "{% macro m(x=m()) %}{% endmacro %}{{ m() }}{{ raise_exception('end') }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% for x in [1] recursive %}{% set y = loop([1]) %}{% endfor %}",
        "{% for x in [1] %}{{ loop.cycle() }}{% endfor %}",
        "{% for x in [1] %}{{ loop.cycle(*[]) }}{% endfor %}",
        "{{ 2 ** 99999999999 }}{{ 1 / 0 }}",
        "{{ 1 // 0 }}",
        "{{ 1 % 0 }}",
        "{{ -170141183460469231731687303715884105728 // -1 }}{{ 1 / 0 }}",
        "{{ (10 ** 38) * (10 ** 38) }}{{ 1 / 0 }}",
        "{{ 'abc'[9223372036854775807:] }}{{ 'abc'[::-9223372036854775808] }}{{ 1 / 0 }}",
        "{{ [1, 2][-9223372036854775808:9223372036854775807:9223372036854775807] }}{{ 1 / 0 }}",
        "{{ 'a'[::0] }}",
        "{{ range(-9223372036854775808, 9223372036854775807) }}",
        "{{ range(0, 10, 0) }}",
        "{{ [1]|batch(0) }}",
        "{{ [1]|batch(-1) }}",
        "{{ [1]|slice(0) }}",
        "{{ 'a'|indent(-1) }}{{ 'a'|truncate(-5) }}{{ 'a'|round }}",
        "{{ strftime_now('%' * 1000000) }}{{ 1 / 0 }}",
        "{{ 'é'.zfill(-5) }}{{ 1 / 0 }}",
        "{{ ''.zfill(3) }}{{ '+é'.zfill(9) }}{{ 'é'.split('é', -5) }}{{ 1 / 0 }}",
        "{{ '%' % 1 }}",
        "{{ '{' }}{{ '{'.format(1) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{0[0]}'.format([1]) }}{{ 1 / 0 }}",
        "{% set sotto_tick = 1 %}",
        "{{ sotto_keep }}",
        "{% macro sotto_tick() %}{% endmacro %}",
        "{% include 'chat' %}",
        "{% extends 'chat' %}",
        "{% import 'chat' as x %}",
        "{% from 'chat' import x %}",
        "{{ self.x() }}",
        "{{ super() }}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{{ $ }}",
        "{{ 'a",
        "{% raw %}",
        "{{ \u{0} }}",
        "{{ a.\u{e9} }}",
    ]
    .map(String::from)
    .to_vec();
    let big = "{% set k = range(40000)|list %}{% set j = range(40000)|list %}";
    sources.push(format!("{big}{{% for i in range(99999) %}}{{% if k == j %}}{{% endif %}}{{% endfor %}}"));
    sources.push(format!("{big}{{% for i in range(99999) %}}{{{{ k == j }}}}{{% endfor %}}"));
    sources.push(format!("{big}{{% for i in range(99999) if k == j %}}{{% endfor %}}{{{{ 1 / 0 }}}}"));
    sources.push(format!("{big}{{% for i in range(99999) %}}{{% set x = {{k: 1}} %}}{{% endfor %}}"));
    sources.push(format!(
        "{big}{{% set d = {{}} %}}{{% for i in range(99999) %}}{{% set x = d[k] %}}{{% endfor %}}{{{{ 1 / 0 }}}}"
    ));
    sources.push(format!("{big}{{% for i in range(99999) %}}{{% do k|sort %}}{{% endfor %}}{{{{ 1 / 0 }}}}"));
    sources
        .push(format!("{big}{{% for i in range(99999) %}}{{% with x = k|unique|list %}}{{% endwith %}}{{% endfor %}}"));
    sources.push(format!("{big}{{{{ [{}]|length / 0 }}}}", "k == j, ".repeat(900)));
    sources.push(grown("'x' * 1000000", "{% set x = ns.s.upper() %}", 99_999, ""));
    sources.push(grown("'x' * 1000000", "{% set x = ns.s.split('x')|length %}", 99_999, ""));
    sources.push(grown("'x' * 1000000", "{% if 'y' in ns.s %}{% endif %}", 99_999, ""));
    sources.push(grown("'x' * 1000000", "{% if ns.s == ns.s ~ '' %}{% endif %}", 99_999, ""));
    sources.push(grown("'x' * 1000000", "{% set x = ns.s.find('y') + ns.s.count('y') %}", 99_999, ""));
    sources.push(grown("[1, 2]", "{% set ns.s = ns.s[0:] %}", 99_999, "{{ ns.s }}{{ 1 / 0 }}"));
    sources.push(grown("[1, 2]", "{% set ns.s = ns.s|reverse %}", 99_999, "{{ ns.s }}{{ 1 / 0 }}"));
    sources.push("{% macro m(x) %}{{ m(x[0:][0:][0:][0:][0:][0:][0:][0:]) }}{% endmacro %}{{ m([1]) }}".into());
    all_refused(sources);
}

#[test]
fn limits_leave_room_for_what_real_templates_do() {
    let sources = [
        nest("{% if true %}", "x", "{% endif %}", 20),
        format!("{{{{ {} }}}}", nest("(", "1", ")", 12)),
        format!("{{{{ {} }}}}", nest("[", "1", "]", 10)),
        chain("{{ 'a'", " + 'b'", 100, " }}"),
        chain("{% if false %}", "{% elif false %}", 30, "{% endif %}"),
        chain("{% set t = [", "{'name': 'x', 'values': [1, 2, 3]},", 150, "] %}{{ t|tojson }}"),
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(15) }}".into(),
        grown("[]", "{% set ns.s = ns.s + [messages[0]] %}", 500, "{{ ns.s|length }}"),
        "{{ 'x' * 1000000 }}".into(),
    ];
    for source in sources {
        let shown: String = source.chars().take(80).collect();
        assert_eq!(attempt(source), None, "{shown}");
    }
}

/// Where addresses have 32 bits, minijinja cuts these bounds off: what comes out is another text, or a division by zero.
#[test]
fn slices_reach_as_far_as_numbers_do() {
    for (source, want) in [
        ("{{ 'abc'[::4294967296] }}{{ 'abc'[::-4294967296] }}{{ 'abc'[::-9223372036854775808] }}", "acc"),
        ("{{ 'abc'[4294967296:] }}{{ 'abc'[:4294967297] }}-{{ 'abc'[-4294967297:][-3:4294967298] }}", "abc-abc"),
        ("{{ [1, 2][::4294967296.0] }}{{ [1, 2][1 if true else 0:][:] }}{{ messages[0:][:9][0].content }}", "[1][2]Hi"),
        (
            "{{ 'abc'[10 ** 30:] }}{{ 'abc'[none:2:none] }}{{ ('abc' ~ 'd')[1 + 1:1 + 2] }}{{ {1: 'ab'[:1]} }}",
            "abc{1: 'a'}",
        ),
    ] {
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let text = ChatTemplate::new(source).and_then(|it| it.render(&messages, &RenderOptions::default()));
        assert_eq!(text.as_deref(), Ok(want), "{source}");
    }
}

#[test]
fn what_is_asked_many_times_in_one_tag_is_paid_for() {
    let mut sources = Vec::new();
    let text = "{% set a = 'x' * 15000000 %}{% set b = a ~ '' %}";
    for call in [
        "a.find('y', 0)",
        "a.count('y')",
        "a.upper()|length",
        "a.title()|length",
        "a|replace('y', 'z')|length",
        "a|urlencode|length",
        "a|wordcount",
        "a[::-1]|length",
        "a == b",
        "'y' in a",
        "a.partition('y')|length",
    ] {
        sources.push(format!("{text}{{{{ [{}]|length / 0 }}}}", format!("{call}, ").repeat(300)));
    }
    let list = "{% set k = range(40000)|list %}{% set j = range(40000)|list %}{% set t = k|map('string')|list %}";
    for call in [
        "{k: 1}|length",
        "dict([[k, 1]])|length",
        "k is in([j])",
        "k is eq(j)",
        "k.count(-1)",
        "k|sum",
        "t|sort|length",
        "t|groupby(0)|length",
        "t|map('center', 9000)|list|length",
        "t|join('x' * 300)|length",
        "k|tojson(indent=900)|length",
    ] {
        sources.push(format!("{list}{{{{ [{}]|length / 0 }}}}", format!("{call}, ").repeat(300)));
    }
    sources.push("{{ strftime_now('%A' * 7000000)|length / 0 }}".into());
    sources.push(format!("{}{{{{ 1 / 0 }}}}", "{% set a = 1 %}".repeat(60_000)));
    sources.push(format!("{}{{{{ 1 / 0 }}}}", "{% macro m() %}{{ m() }}{% endmacro %}".repeat(20_000)));
    sources.push(format!(
        "{{% macro m() %}}{{{{ caller() }}}}{{{{ caller() }}}}{{% endmacro %}}{}x{}",
        "{% call m() %}".repeat(40),
        "{% endcall %}".repeat(40)
    ));
    sources.push("{% set a = ['x'] %}".to_string() + &"{% set a = [a|join(a|join), a|join] %}".repeat(200) + "{{ a }}");
    sources.push("{% for i in range(9) recursive %}{{ loop(range(9)) }}{% endfor %}".into());
    sources.push("{% raw %}".repeat(100_000) + "{% endraw %}{{ 1 / 0 }}");
    all_refused(sources);
}
