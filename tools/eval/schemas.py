"""Random schemas, and what a model makes of them: every whole document has to be valid by another's validator.

    python3 tools/eval/schemas.py [--model MODEL.gguf] [--schemas 500] [--seeds 2] [--seed 1] [--show] [flags of sotto chat]

The schemas use every keyword that is enforced, in forms that bound what is written: so few documents are cut by the limit of
tokens, and those are counted apart. The model chooses at temperature 1 from all that the schema allows, by `sotto chat
--batch`. The validator is PyPI's jsonschema with its checks of formats, in an environment of its own under target/schemas; but
for relative JSON pointers, of which it refuses those with a zero inside of their number (`107`).
"""

import argparse
import collections
import decimal
import json
import pathlib
import random
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORE = ROOT / "target" / "schemas"
PACKAGE = "jsonschema[format-nongpl]==4.26.0"
DOCS = ROOT / "docs" / "STRUCTURED.md"
TOPICS = ["a town in the hills", "the weather tomorrow", "an old ship", "a recipe for soup", "a game of chess", "my neighbour's dog"]
NAMES = ["name", "age", "city", "a b", 'x"y', "été", "tags", "price", "list_of_items", "ok"]
PATTERNS = ["^[a-z]{1,8}$", "[0-9]{2}$", "^(foo|bar)-\\d{1,3}$", "^\\w{1,6} \\w{1,6}$", "^.{3}$", "^(yes|no)$", "^[^ \"]{1,9}$", "^[A-F0-9]{4}(-[a-f]{2})?$"]
FORMATS = ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "json-pointer", "relative-json-pointer", "time", "uri", "uuid"]
CONSTANTS = [1, "one", None, True, 2.5, [1, {"a": "b"}], {"k": [], "l": 'say "\\"\n'}, -7, "été", {}]
POINTER = re.compile(r"(0|[1-9][0-9]*)(#|(/([^/~]|~[01])*)*)")
DRAFT_7 = "http://json-schema.org/draft-07/schema#"


class Maker:
    """Makes one schema after the other. `defs`: what the schema at hand refers to."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def schema(self):
        self.defs = {}
        self.old = self.chance(10)
        top = self.object(3) if self.chance(50) else self.any(3)
        if self.old:
            top["$schema"] = DRAFT_7
        elif self.chance(20):
            top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
            top["$id"] = "https://example.com/a.json"
        if self.defs:
            top["definitions" if self.old else "$defs"] = self.defs
        return top

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def any(self, depth):
        leaves = [self.plain, self.whole, self.bounded, self.text, self.pattern, self.format, self.constant]
        nests = [self.object, self.object, self.array, self.tuple, self.any_of, self.one_of, self.all_of, self.reference, self.types]
        kind = self.random.randrange(len(leaves) + len(nests) if depth else len(leaves))
        made = leaves[kind]() if kind < len(leaves) else nests[kind - len(leaves)](depth - 1)
        if self.chance(10):
            made |= {"title": "T", "description": "Says what it is.", "default": None, "examples": [1], "x-note": {"not": "read"}}
        return made

    def plain(self):
        return {"type": self.random.choice(["null", "boolean", "integer", "number"])}

    def whole(self):
        low = self.random.randrange(-300, 300)
        made = {"type": "integer", "minimum": low, "maximum": low + self.random.randrange(400)}
        if self.chance(40):
            step = self.random.randrange(1, 40)
            made = {"type": "integer", "multipleOf": step, "minimum": -5000, "exclusiveMaximum": 5000}
        return made

    def bounded(self):
        low = self.random.randrange(-1000, 1000) / 16
        least, most = self.random.choice([("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"), ("minimum", "exclusiveMaximum")])
        made = {"type": "number", least: low, most: low + 0.25 + self.random.randrange(9000) / 32}
        return made | {"multipleOf": self.random.choice([0.01, 0.25, 0.5])} if self.chance(40) else made

    def text(self):
        least = self.random.randrange(4)
        return {"type": "string", "minLength": least, "maxLength": least + self.random.randrange(1, 24)}

    def pattern(self):
        made = {"type": "string", "pattern": self.random.choice(PATTERNS)}
        return made | {"maxLength": 12} if self.chance(60) else made

    def format(self):
        return {"type": "string", "format": self.random.choice(FORMATS)}

    def constant(self):
        if self.chance(40):
            return {"const": self.random.choice(CONSTANTS)}
        return {"enum": self.random.sample(CONSTANTS, self.random.randrange(1, 5))}

    def object(self, depth):
        names = self.random.sample(NAMES, self.random.randrange(5))
        made = {"type": "object", "properties": {name: self.any(max(depth - 1, 0)) for name in names}}
        style = self.random.randrange(6)
        if style < 3:
            made["required"] = [name for name in names if self.chance(60)]
            made["additionalProperties"] = False
            if style == 0 and len(made["required"]) < len(names):
                made["minProperties"] = len(made["required"]) + 1
        else:
            # At most one of other names.
            made["required"] = names
            made["maxProperties"] = len(names) + 1
            made["additionalProperties"] = self.any(0) if style == 3 else False
            if style == 4:
                made["patternProperties"] = {"^_[a-z]{1,6}$": self.any(0), "^[0-9]{1,4}$": {"type": "integer"}}
        return made

    def array(self, depth):
        least = self.random.randrange(3)
        made = {"type": "array", "items": self.any(depth), "minItems": least, "maxItems": least + self.random.randrange(4)}
        return made | {"uniqueItems": False} if self.chance(10) else made

    def tuple(self, depth):
        several, rest = [self.any(depth) for _ in range(self.random.randrange(1, 4))], self.chance(30)
        least = {"type": "array", "minItems": self.random.randrange(len(several) + 1)}
        most = {"maxItems": len(several) + 2}
        if self.old:
            return least | {"items": several, "additionalItems": self.any(0) if rest else False} | (most if rest else {})
        return least | {"prefixItems": several, "items": self.any(0) if rest else False} | (most if rest else {})

    def any_of(self, depth):
        return {"anyOf": [self.any(depth) for _ in range(self.random.randrange(1, 4))]}

    def one_of(self, depth):
        if self.chance(50):
            return {"oneOf": [{"type": "string", "maxLength": 9}, self.whole(), {"type": "null"}]}
        named = lambda kind: {
            "type": "object",
            "properties": {"kind": {"const": kind}, "value": self.any(max(depth - 1, 0))},
            "required": ["kind"],
            "additionalProperties": False,
        }
        return {"oneOf": [named("circle"), named("square")]}

    def all_of(self, depth):
        first = {"type": "object", "properties": {"left": self.any(max(depth - 1, 0))}, "required": ["left"]}
        second = {"properties": {"left": True, "right": self.any(0)}, "additionalProperties": False}
        return {"allOf": [first, second]} if self.chance(70) else {"allOf": [self.text(), {"maxLength": 10}]}

    def reference(self, depth):
        root = "definitions" if self.old else "$defs"
        if self.chance(25):
            self.defs["list"] = {
                "type": "object",
                "properties": {"value": {"enum": [1, "two"]}, "next": {"$ref": f"#/{root}/list"}},
                "required": ["value"],
                "additionalProperties": False,
            }
            return {"$ref": f"#/{root}/list"}
        name = f"d{len(self.defs)}"
        self.defs[name] = True
        self.defs[name] = self.any(depth)
        return {"$ref": f"#/{root}/{name}"}

    def types(self, depth):
        made = self.object(depth) if self.chance(50) else {"type": "integer", "minimum": 0, "maximum": 99}
        return made | {"type": [made["type"], "null"]}


def python():
    """An environment of its own with the validator."""
    binary = STORE / "venv" / "bin" / "python"
    if not binary.exists():
        subprocess.run([sys.executable, "-m", "venv", STORE / "venv"], check=True)
        subprocess.run([binary, "-m", "pip", "install", "-q", PACKAGE], check=True)
    return binary


def request(schema, seed, limit):
    """What a schema says is bounded, so the model is told of the topic alone."""
    topic = TOPICS[seed % len(TOPICS)]
    return {
        "messages": [{"role": "user", "content": f"Make up a JSON document about {topic}."}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "made", "strict": True, "schema": schema}},
        "temperature": 1,
        "top_p": 1,
        "top_k": 0,
        "seed": seed,
        "max_completion_tokens": limit,
    }


def answers(binary, model, rows, flags):
    batch = STORE / "batch.json"
    batch.write_text(json.dumps(rows))
    with subprocess.Popen([binary, "chat", "--model", model, "--batch", batch, *flags], stdout=subprocess.PIPE, text=True) as ran:
        yield from map(json.loads, ran.stdout)
    if ran.returncode:
        sys.exit(ran.returncode)


def keywords(schema, known, found):
    """The keywords that a schema has, names of properties aside."""
    if isinstance(schema, list):
        for item in schema:
            keywords(item, known, found)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            found[key] += key in known
            if key in ("properties", "patternProperties", "$defs", "definitions"):
                for each in value.values():
                    keywords(each, known, found)
            elif key not in ("const", "enum", "examples", "default", "x-note"):
                keywords(value, known, found)


def enforced():
    """Those that the guide's table says are."""
    rows = re.findall(r"^\| (`.+`) \| enforced", DOCS.read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def problem(schema, text):
    """Why a text is no JSON that fits the schema, if it is none."""
    import jsonschema

    validator = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    formats = jsonschema.FormatChecker(formats=())
    formats.checkers = {**validator.FORMAT_CHECKER.checkers}
    formats.checks("relative-json-pointer")(lambda value: not isinstance(value, str) or POINTER.fullmatch(value) is not None)
    try:
        # As decimals: to floats 1.14 is no multiple of 0.01.
        exact, value = (json.loads(one, parse_float=decimal.Decimal) for one in (json.dumps(schema), text))
        return next((error.message for error in validator(exact, format_checker=formats).iter_errors(value)), None)
    except ValueError as error:
        return str(error)


def main():
    import jsonschema

    options = argparse.ArgumentParser()
    options.add_argument("--model", default=str(ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"))
    options.add_argument("--binary", default=str(ROOT / "target" / "release" / "sotto"))
    options.add_argument("--schemas", type=int, default=500)
    options.add_argument("--seeds", type=int, default=2)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--limit", type=int, default=400, help="tokens of a document")
    options.add_argument("--show", action="store_true", help="print what is refused, cut or written")
    options, flags = options.parse_known_args()
    maker = Maker(options.seed)
    schemas = [maker.schema() for _ in range(options.schemas)]
    for schema in schemas:
        jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator).check_schema(schema)
    rows = [
        {"name": f"{number} {seed}", "request": request(schema, options.seed + seed, options.limit)}
        for number, schema in enumerate(schemas)
        for seed in range(options.seeds)
    ]
    count, invalid, tokens, known = collections.Counter(), 0, 0, enforced()
    refused, used = set(), collections.Counter()
    for row in answers(options.binary, options.model, rows, flags):
        number = int(row["name"].split()[0])
        schema = schemas[number]
        if "error" in row:
            refused.add(number)
            if options.show:
                print(f"refused: {row['error']['message']}\n  {json.dumps(schema)}")
            continue
        choice = row["response"]["choices"][0]
        text = choice["message"]["content"]
        tokens += row["response"]["usage"]["completion_tokens"]
        count[choice["finish_reason"]] += 1
        if choice["finish_reason"] != "stop":
            if options.show:
                print(f"cut: {text!r}\n  {json.dumps(schema)}")
            continue
        why = problem(schema, text)
        if why:
            invalid += 1
            print(f"INVALID ({row['name']}): {why}\n  {json.dumps(schema)}\n  {text}", flush=True)
        elif options.show:
            print(text)
    for number, schema in enumerate(schemas):
        if number not in refused:
            keywords(schema, known, used)
    print(f"{len(schemas)} schemas, {len(refused)} refused; {count['stop']} documents whole, {invalid} of them invalid; {count['length']} cut at {options.limit} tokens; {tokens} tokens")
    print("used: " + ", ".join(f"{name} {used[name]}" for name in sorted(known)))
    sys.exit(invalid > 0 or count["stop"] == 0)


if __name__ == "__main__":
    STORE.mkdir(parents=True, exist_ok=True)
    if sys.prefix == sys.base_prefix:
        sys.exit(subprocess.run([python(), *sys.argv]).returncode)
    main()
