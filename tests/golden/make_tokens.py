"""Golden token ids by llama.cpp: python make_tokens.py NAME=MODEL.gguf ... writes tokens_NAME.json and eog.json."""

import json
import sys
from pathlib import Path

PLAIN = [
    "", " ", "  ", "   ", "a", " a", "Hello world", " Hello world", "Hello  world", "Hello, world!", "Hello world ",
    "The quick brown fox jumps over the lazy dog.",
    "I'm sure they'll say it's what we've done; he'd agree, she'S not. DON'T SHOUT, WE'LL SEE",
    "naïve café déjà-vu façade, Ærøskøbing, Straße, Łódź, İstanbul, ﬁne ﬂow",
    "cafe\u0301 vs caf\u00e9, A\u030a vs \u00c5",
    "人工智能正在改变世界。今天，我们来讨论一下它对教育的影响，",
    "你好，世界！Hello 世界 123 测试", "日本語のテキストと漢字、ひらがな、カタカナ。", "안녕하세요 세계", "สวัสดีชาวโลก", "नमस्ते दुनिया",
    "مرحبا بالعالم، كيف حالك؟ ١٢٣", "שלום עולם", "Привет, мир! Как дела?", "Γειά σου Κόσμε", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 𠜎𠜱",
    "😀😃😄 👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷🇯🇵 ❤️‍🔥 1️⃣", "a😀b", "zero\u200bwidth\u200djoin\ufeffbom\u00a0nbsp\u3000wide",
    "0", "12", "123", "1234", "1234567890", "3.14159, 1,000,000 and 0x1F600; 50% of 1e-9", "2024-11-23T18:05:00Z", "½ ² Ⅷ ٣ 三",
    "\n", "\n\n", "\n\n\n\n", "\r\n", "a\r\nb\r\n\r\nc", "\t", "\t\t\tx", "a\tb\t\tc", "line one\nline two\n\n  indented\n\ttabbed\n",
    "trailing spaces   \nnext", "   leading", "a    b     c      d", " \n \n\n  \n x", "x \n", "x  \n\n y", "\u2028sep\u2029par\u0085nel\x0bvt\x0cff",
    "def fibonacci(n: int) -> int:\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)\n",
    "fn main() {\n\tlet mut x: Vec<&'static str> = vec![\"a\", \"b\"];\n\tx.push(\"c\"); // done\n}\n",
    "for (let i=0;i<10;++i){a[i]+=b[i]*c;}/* end */ if(a!==b&&c||!d){return;}",
    "{\"user\": {\"id\": 42, \"tags\": [\"math\", \"poetry\"], \"active\": true}}",
    "SELECT * FROM t WHERE a_b = 'x''y' AND c >= 10;", "<div class=\"a b\">&nbsp;&amp;</div><!-- x -->", "$$\\int_0^1 x^2\\,dx = \\frac{1}{3}$$",
    "https://example.com/a/b?c=d&e=%20f#g user.name+tag@mail.example.org", "C:\\Windows\\System32 ~/.bashrc $HOME ${PATH}",
    "...!!!???---===___***###@@@", "a.b,c;d:e!f?g(h)i[j]k{l}m", "'quoted' \"double\" `tick` «guillemets» “curly” ‘single’ — – …",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case", "supercalifragilisticexpialidocious", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\u0000nul", "\x01\x02\x7f control", "▁already ▁▁ marked", "Ġbyte Ċletter", "hahahahaha",
]
SPECIAL = [
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", "text <|im_end|> text", "<|im_end|>", "<|im_end", "<|im_start|><|im_start|>",
    "a<|endoftext|>b", " <|endoftext|> ", "<|eot_id|>", "<think>why</think>", "<s>", "</s>", "<unk>", "<s> x </s>", "<bos>", "<eos>x<bos>",
    "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "<pad><mask>[multimodal]<unused0>", "<0x0A>", "<0xE4><0xBD>",
    "<h1>x</h1><br>", "<repo_name>a<file_sep>b", "[INST] x [/INST]", "<|nothing|>",
]


def cases(oracle):
    flags = {False: [(False, False), (True, True)], True: [(a, p) for a in (False, True) for p in (False, True)]}
    for special, texts in ((False, PLAIN), (True, SPECIAL)):
        for text in texts:
            for add, parse in flags[special]:
                # RWKV's and PLaMo's sessions find control tokens in plain text, too.
                if not parse and any(oracle.is_control(i) for i in oracle.encode(text, False, False)):
                    continue
                yield {"text": text, "add_special": add, "parse_special": parse, "ids": oracle.encode(text, add, parse)}


if __name__ == "__main__":
    from make_llama_cpp import LlamaCpp

    here = Path(__file__).parent
    eog = json.loads((here / "eog.json").read_text())
    for argument in sys.argv[1:]:
        name, model = argument.split("=", 1)
        oracle = LlamaCpp(model, vocab_only=True)
        lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases(oracle))
        (here / f"tokens_{name}.json").write_text(f"[\n{lines}\n]\n")
        eog[name] = oracle.eog()
        oracle.close()
    (here / "eog.json").write_text(json.dumps(eog, indent=1) + "\n")
