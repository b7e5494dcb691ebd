"""What Jinja prints for many small templates, as Hugging Face sets it up: tests/golden/jinja.json.

    python3 tests/golden/make_jinja.py      (needs jinja2)

Each row is [template, text]; the text is null where Jinja fails.
"""

import json
import pathlib

from templates import environment

VARIABLES = {
    "s": "Hello, World",
    "ml": "one\n\n  two\nthree\n",
    "n": 7,
    "f": 2.0,
    "l": [3, 1, 2],
    "words": ["b", "A", "c"],
    "d": {"b": 1, "a": {"items": [1, "x"], "get": None}},
    "schema": {"properties": {"items": {"type": "array"}, "keys": {"type": "string"}}, "values": 1},
    "people": [{"name": "Ann", "age": 3}, {"name": "Bob", "age": 1}, {"name": "Cid", "age": 3}],
    "q": 'it\'s "<b>" & é 🙂\u2028\t\x00',
    "none_value": None,
    "yes": True,
    "messages": [{"role": "user", "content": "Hi"}],
}

EXPRESSIONS = """
s.rsplit(' ', 1) | s.rsplit(',') | s.split() | 'a  b c'.split(None, 1) | s.split(', ', maxsplit=1)[1] | '  a b  '.rsplit()
s.removeprefix('Hello') | s.removesuffix('World') | s.partition(', ') | s.rpartition('o') | s.partition('zz') | s.rpartition('zz')
s.zfill(15) | '-7'.zfill(4) | s.center(20, '*') | s.ljust(15, '.') | s.rjust(15) | 'ab'.center(5) | 'abc'.center(6)
s.swapcase() | s.casefold() | s.index('o') | s.rindex('o') | s.find('o', 5) | s.count('o', 5) | s.find('zz') | s.index('zz')
s.title() | s.capitalize() | s.upper() | s.startswith(('He', 'x')) | s.endswith('ld') | s.strip('Hd') | s.lstrip('He') | s.replace('o', '0', 1)
ml.splitlines() | ml.splitlines(true) | 'a\\r\\nb\\rc'.splitlines() | ','.join(['a', 'b']) | '-'.join(words) | 'x'.isdigit() | '12'.isdecimal() | ' '.isspace()
'%s is %d' % (s, n) | '%s' % s | '%05.1f' % 2.25 | '%s' % none | '%s %s' % (1, [2]) | 'a%%b' % () | '%s' % words|first | '%d items' % l|length
'%s-%s'|format('a', 1) | '%(x)s'|format(x=2) | '{} {}'.format('a', 1) | '{x:>5}|{y:<3}|'.format(x=1, y='b') | '{0}{1}{0}'.format('a', 'b') | '{:.2f}'.format(3.14159) | '{:,}'.format(1234567)
s|tojson | q|tojson | q|tojson(ensure_ascii=true) | d|tojson | d|tojson(indent=2) | l|tojson(indent=4) | d|tojson(sort_keys=true) | d|tojson(separators=(',', ':')) | []|tojson(indent=2) | {}|tojson(indent=2) | f|tojson | 1e16|tojson | none|tojson | yes|tojson | missing|tojson | {1: 2, true: none}|tojson | (1, 'a')|tojson | d|tojson(none, 2) | d|tojson(False, 2) | d.items()|list|tojson | 1.5e-7|tojson | raise_exception|tojson
ml|indent | ml|indent(2) | ml|indent(2, true) | ml|indent(2, true, true) | ml|indent(width=3, first=true) | 'a'|indent('> ', true) | ''|indent(4, true) | 'a\\n'|indent | ml|indent(2, blank=true)
ml|trim | s|upper | s|length | s|wordcount | s|reverse | l|reverse|list | l|sort | words|sort | words|sort(case_sensitive=true) | l|sort(reverse=true) | people|sort(attribute='age')|map(attribute='name')|join(',')
l|join | l|join('-') | people|join(', ', attribute='name') | people|join(d='; ', attribute='age') | [none, true, 1.0]|join(' ')
people|map(attribute='name')|list | words|map('upper')|list | people|selectattr('age', 'equalto', 3)|list|length | people|rejectattr('age', '==', 3)|map(attribute='name')|list | l|select('greaterthan', 1)|list | l|select('odd')|list | l|reject('even')|list | people|selectattr('name')|list|length
people|groupby('age')|list|length | l|batch(2)|list | l|batch(2, 0)|list | l|slice(2)|list | l|sum | people|sum(attribute='age') | l|min | l|max | [1,1,2]|unique|list | l|first | l|last | d|dictsort | d|items|list | l|list | s|list
missing|default('x') | ''|default('x') | ''|default('x', true) | none|default('x') | none|d('x', true) | missing is defined | missing | missing.deeper | d.missing | d.missing.deeper | d['missing']
s is string | s is sequence | d is sequence | l is sequence | n is sequence | d is mapping | l is mapping | s is iterable | n is iterable | none_value is none | n is number | yes is number | yes is integer | n is integer | f is float | yes is boolean | raise_exception is callable | s is callable | n is divisibleby 7 | n is odd | 'a' is in 'abc' | 3 is in l | n is sameas 7 | s is lower | 'A' is upper | yes is true | missing is undefined | n is eq 7 | l is iterable | missing is iterable | missing is sequence | none is sequence
schema.properties.items() | schema.properties.keys()|list | schema.items()|list|length | d.get('b') | d.get('zz') | d.get('zz', 5) | d.a['items'] | d.keys()|list | d.values()|list|length | 'b' in d | d.a.get('get') | schema['values'] | schema.values()|list|length | d.items()|first | d|length
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1, 'x'] ~ {'a': none} | 'a' ~ missing | 'a' + 'b' ~ 'c' * 2 | 1 ~ 2 + 3 | 'a' 'b' ~ 'c' | 'x' ~ (1, 2) ~ (1,) | n ~ -n | s ~ l[0] | 'a' ~ s|upper ~ 'b' | 'a' if 'x' ~ 'y' == 'xy' else 'b'
1 + 2 * 3 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 2 ** 10 | 7 / 2 | 4 / 2 | 1.0 | 1e16 | 1e15 | 1.5e-5 | 0.1 + 0.2 | 10 ** 20 | 5 > 3 > 1 | 1 < 2 == true | not 1 == 2 | -2 ** 2 | 1 if yes | 1 if not yes | true | True | none | None | 'a' == "a" | 1 == 1.0 | 'abc'[1] | 'abc'[-1] | 'abc'[::-1] | l[1:] | l[::-1] | l[:-1] | l[5] | 'x' * 3 | 3 * 'x' | 2 * 3 * 4
1 in l | 1 not in l | not 1 in l | 'ell' in s | 'a' in {'a': 1} | 1 in l and 2 not in l or false | s and n | '' or 'b' | none or 0 | yes and not none_value
[1, 2] + [3] | (1, 2) + (3,) | {'a': [1, {'b': (1,)}]} | [none, true, 'it\\'s', "q\\"", 1.0] | q | [q] | {} | [] | () | (1,) | [missing] | d | l == [3, 1, 2] | {'a': 1} == {'a': 1}
l.index(1) | l.count(1) | l.index(9) | l.append(1) | d.update({'z': 1}) | d.pop('b') | d.copy() | s.nomethod() | n.foo() | s.foo | none.foo | none.foo() | s.__class__ | s['x'] | n[0]
'a' + 1 | 1 + 'a' | 'a' + none | missing + 'a' | l + 'a' | s * s | 1 / 0 | -s | missing() | n() | s|nofilter | s is missing_test | [1]|join(1) | 'a' < 1 | missing < 1 | l|length > 2 | none|length | n|length | missing|length | range(3)|list | range(1, 10, 3)|list | range(3) | dict(a=1, b='x') | dict({'a': 1}, b=2) | namespace(a=1).a | dict([('a', 1)]) | strftime_now('%Y-%m-%d') | strftime_now('%d %B %Y, %A %H:%M:%S %j %p %I') | strftime_now('%-d %b %y')
s|replace('o', '0') | s|replace('l', 'L', 1) | s|truncate(8) | s|truncate(8, true) | s|center(20) | 'a-b c'|title | 'hELLO wORLD'|capitalize | '<a>'|e | '<a>'|safe | '<a>'|escape | 'a b'|urlencode | 3.7|int | '12'|int | 'x'|int(5) | '1.5'|float | 3|float | 3.14159|round(2) | 3.5|round | 2.5|round | 3.14|round(1, 'floor') | -3|abs | l|string | none|string | 'abc'|first | 'abc'|last | 5|string | n|tojson|string | 'x'|list | '%s'|string | 'a\\tb' | 'a\\\\b' | 'é'|length | '\\u00e9' | "a'b" | 'a"b' | 1_000 | 'A'|lower ~ 'b'|upper
"""

STATEMENTS = [
    "{% for i in range(3) %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in schema.properties.items() %}{{ k }}:{{ v.type }};{% endfor %}",
    "{% for k, v in d|items %}{{ k }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "{% for i in l if i > 1 %}{{ i }}{{ loop.length }}{% else %}none{% endfor %}",
    "{% for i in [] %}{{ i }}{% else %}none{% endfor %}",
    "{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% if i == 2 %}{% break %}{% endif %}{% endfor %}",
    "{% set ns = namespace(n=0, seen=[]) %}{% for i in l %}{% set ns.n = ns.n + i %}{% set ns.seen = ns.seen + [i] %}{% endfor %}{{ ns.n }} {{ ns.seen }}",
    "{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, e) = (3, 4) %}{{ c }}{{ e }}",
    "{% set x %}  a{{ 1 }}b {% endset %}[{{ x }}]{{ x|trim }}{% set y | upper %}abc{% endset %}{{ y }}",
    "{% macro m(a, b='x', c=none) %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(b=2, a=1) }}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}",
    "{% macro wrap(t) %}<{{ t }}>{{ caller(1) }}</{{ t }}>{% endmacro %}{% call(x) wrap('b') %}in {{ x }}{% endcall %}",
    "{% filter upper %}abc{{ s }}{% endfilter %}",
    "{% with a = 1, b = 'x' ~ 'y' %}{{ a }}{{ b }}{% endwith %}",
    "{% if missing %}a{% elif n > 5 and s is string %}b{% else %}c{% endif %}",
    "{% if not missing and 'x' not in s %}a{% endif %}",
    "  {% if true %}\nx\n  {% endif %}\ny\n",
    "a\n  {%- if true %} b {% endif -%}  \n c",
    "a {#- comment {{ x }} -#} b {# {% if %} #} c",
    "{% raw %}{{ x }} {% if %}{% endraw %} z",
    "{%- raw -%} {{ x }} {%- endraw -%} z",
    "{% generation %}a{{ s }}{% endgeneration %}{%- generation -%} b {%- endgeneration -%} c",
    "{% for a in [[1, 2], [3, 4]] %}{% for b in a %}{{ loop.index }}{{ b }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in people|groupby('age') %}{{ x.grouper }}:{{ x.list|length }};{% endfor %}",
    "{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}",
    "{% set ns = namespace() %}{% set ns.a = messages[0] %}{{ ns.a.role }}{{ ns.b is defined }}",
    "{% set d2 = dict(d, z=1) %}{{ d2 }}{{ d }}",
    "{{ {'a': 1}|tojson }} {{ {'a': {'b': [1, 2]}}.a.b[1] }} {{ [1, 2, 3][1:][0] }}",
    "{% if (n == 7) or (missing.x == 1) %}ok{% endif %}",
    "{{ '{{' }}{{ \"%}\" }}{{ '}}' }}",
    "{% for m in messages %}{% if loop.index0 is divisibleby(2) %}even{% endif %}{% if loop.last and m.role == 'user' %}last{% endif %}{% endfor %}",
    "{% for m in messages[::-1] %}{{ m.role }}{% endfor %}{{ messages[-1]['content'] }}{{ messages[0:1]|length }}",
    "{% set x = 'a' if n > 100 else 'b' if n > 5 else 'c' %}{{ x }}",
    "{% for i in range(2) recursive %}{{ i }}{% endfor %}",
    "{% set x = [] %}{% set _ = x.append(1) %}{{ x }}",
    "{{ raise_exception('no') }}",
    "{% do raise_exception('no') %}",
    "{% set tools = [{'name': 'a'}] %}{% for t in tools %}{{ t | tojson(indent=2) | indent(2) }}{% endfor %}",
    "{% if s.startswith('H') and not s.endswith('x') %}y{% endif %}{% if l and l[0] is number %}z{% endif %}",
    "{{ loop is defined }}{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}",
    "{% for i in l %}{{ ', ' if not loop.first }}{{ i }}{% endfor %}",
    "{%+ if true %} a {%+ endif %}",
    "{{ s\n  | upper\n  | replace('O',\n 'x') }}",
    "{{- s -}}   x   {{- n }}  y",
]


def main():
    env = environment()
    rows = []
    expressions = [one.strip() for line in EXPRESSIONS.strip().splitlines() for one in line.split(" | ")]
    for source in [f"{{{{ {one} }}}}" for one in expressions] + STATEMENTS:
        try:
            text = env.from_string(source).render(**VARIABLES)
        except Exception:
            text = None
        rows.append([source, text])
    out = pathlib.Path(__file__).with_name("jinja.json")
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    out.write_text(f'{{"variables": {json.dumps(VARIABLES, ensure_ascii=False)},\n"rows": [\n{lines}\n]}}\n')
    print(f"{len(rows)} templates, {sum(text is None for _, text in rows)} of which fail")


if __name__ == "__main__":
    main()
