"""Conversations of every kind, for `templates.py`: what chat templates are given.

Each is (name, messages, options). A kind whose name starts with "openai" has a shape that OpenAI's API takes and
Hugging Face's renderer does not expect.
"""

import copy
import json

CITY = {"type": "object", "properties": {"city": {"type": "string", "description": "Name of the city"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": CITY}}
BOOK = {
    "type": "function",
    "function": {
        "name": "book_table",
        "description": 'Books a "table" <now> & here, à la carte: it\'s easy.',
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {
                "people": {"type": "integer", "minimum": 1, "maximum": 12, "default": 2},
                "price": {"type": ["number", "null"], "description": "At most, in €", "default": None},
                "where": {"type": "string", "enum": ["inside", "outside"]},
                "dishes": {"type": "array", "items": {"type": "string"}},
                "guest": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "vip": {"type": "boolean", "default": False}},
                    "required": ["name"],
                },
                "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
            },
            "required": ["people", "where"],
            "additionalProperties": False,
        },
        "return": {"type": "string", "description": "A number."},
    },
}
NOW = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, BOOK, NOW]
DEEP = {"people": 3, "price": 12.5, "where": "outside", "dishes": ["a", "b \"c\""], "guest": {"name": "Zoë <3", "vip": True}, "when": None}


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def said(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(name, arguments, number=1):
    return {"id": f"call{number:05}", "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*of, **more):
    return {"role": "assistant", "tool_calls": list(of), **more}


def result(content, name="get_weather", number=1):
    return {"role": "tool", "name": name, "tool_call_id": f"call{number:05}", "content": content}


def part(text):
    return {"type": "text", "text": text}


def openai(messages):
    """The messages as OpenAI's API writes them: arguments as JSON text, no content beside calls, keys that hold null."""
    messages = copy.deepcopy(messages)
    for message in messages:
        if message["role"] == "assistant":
            message.setdefault("content", None)
            message.update(refusal=None, annotations=None, audio=None, function_call=None)
            message.setdefault("tool_calls", None)
            for one in message["tool_calls"] or []:
                one["function"]["arguments"] = json.dumps(one["function"]["arguments"], ensure_ascii=False)
        if message["role"] == "tool":
            del message["name"]
    return messages


ASK = user("What is the weather in Paris?")
ONE = [ASK, calls(call("get_weather", {"city": "Paris"}), content=""), result('{"temperature": 21}')]
TWO = [
    ASK,
    calls(call("get_weather", {"city": "Paris"}), call("book_table", DEEP, 2), content=""),
    result("sunny"),
    result("booked", "book_table", 2),
]
LOOP = [system("Be brief."), *ONE, said("21 degrees."), user("And the time?"), calls(call("now", {}, 2), content=""), result("12:00", "now", 2)]

PLAIN = [
    ("user", [user("Hi")]),
    ("system", [system("You are kind."), user("Hi")]),
    ("turns", [user("Hi"), said("Hello!"), user("How are you?")]),
    ("long", [system("S"), *[turn for i in range(6) for turn in (user(f"u{i}"), said(f"a{i}"))], user("last")]),
    ("odd text", [system(" s \n"), user("  <b>&amp; \"q\" 'x' {{ y }} {% z %} \\n\n\n"), said("\n\t{a: 1}  "), user("ünï 漢字 🙂\u2028|\u00a0")]),
    ("empty", [user(""), said(""), user("Hi")]),
    ("systems", [system("a"), system("b"), user("Hi")]),
    ("late system", [user("Hi"), said("Hello"), system("Now be brief."), user("Bye")]),
    ("users", [user("a"), user("b")]),
    ("assistant first", [said("Hello"), user("Hi")]),
    ("named", [{**user("Hi"), "name": "ann"}, {**said("Ho"), "name": "bob"}, user("Bye")]),
    ("thoughts in text", [user("1+1?"), said("<think>\nadd\n</think>\n\n2"), user("2+2?")]),
    ("reasoning", [user("1+1?"), said("2", reasoning_content="add them"), user("2+2?"), said("4", reasoning_content=" so \n"), user("3?")]),
    ("thinking", [user("1+1?"), said("2", thinking="add them"), user("2+2?")]),
    ("reasoning as OpenRouter writes it", [user("1+1?"), said("2", reasoning="add them"), user("2+2?")]),
    ("call", ONE),
    ("calls", TWO),
    ("call, content missing", [ASK, calls(call("get_weather", {"city": "Paris"})), result("sunny")]),
    ("call with text", [ASK, calls(call("get_weather", {"city": "Paris"}), content="Let me see."), result("sunny")]),
    ("call with reasoning", [ASK, calls(call("get_weather", {"city": "Paris"}), content="", reasoning_content="look it up"), result("sunny")]),
    ("call answered", [*ONE, said("21 degrees."), user("Thanks")]),
    ("call without arguments", [user("Time?"), calls(call("now", {}), content=""), result("12:00", "now")]),
    ("tool loop", LOOP),
    ("deep arguments", [user("Book"), calls(call("book_table", DEEP), content=""), result("ok <&>", "book_table")]),
    ("nulls", [{**user("Hi"), "name": None}, {**said("Hello"), "tool_calls": None, "reasoning_content": None}, user("Bye")]),
]

OPENAI = [
    ("call", openai(ONE)),
    ("calls", openai(TWO)),
    ("call answered", openai([*ONE, said("21 degrees."), user("Thanks")])),
    ("tool loop", openai(LOOP)),
    ("deep arguments", openai([user("Book"), calls(call("book_table", DEEP)), result("ok", "book_table")])),
    ("turns", openai([system("You are kind."), user("Hi"), said("Hello!"), user("How are you?")])),
    ("parts", [{"role": "user", "content": [part("Hi "), part("there")]}]),
    ("parts everywhere", [{"role": m["role"], "content": [part(m["content"])]} for m in (system("S"), user("a"), said("b"), user("c"))]),
    ("tool parts", openai([*ONE[:2], {**ONE[2], "content": [part("sunny")]}])),
    ("developer", [{"role": "developer", "content": "Be brief."}, user("Hi"), said("Hello"), user("Bye")]),
]

#: What may come beside the messages; each goes with every conversation that it fits.
OPTIONS = [
    ("reply", {"add_generation_prompt": True}),
    ("no reply", {"add_generation_prompt": False}),
    ("tools", {"add_generation_prompt": True, "tools": TOOLS}),
    ("one tool", {"add_generation_prompt": True, "tools": [WEATHER]}),
    ("thinking on", {"add_generation_prompt": True, "variables": {"enable_thinking": True}}),
    ("thinking off", {"add_generation_prompt": True, "tools": TOOLS, "variables": {"enable_thinking": False}}),
    (
        "documents",
        {
            "add_generation_prompt": True,
            "variables": {
                "documents": [{"title": "T", "text": "x \"y\""}, {"title": "U", "text": "z", "doc_id": 7}],
                "reasoning_effort": "high",
                "date_string": "1 Jan 2026",
                "thinking": True,
                "citations": True,
            },
        },
    ),
]


def every():
    for kind, list_of in (("", PLAIN), ("openai ", OPENAI)):
        for name, messages in list_of:
            for option, options in OPTIONS:
                yield f"{kind}{name}, {option}", messages, options
