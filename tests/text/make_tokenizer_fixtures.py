"""Makes fixtures/tokenizers: small tokenizer.json files and what the Hugging Face library `tokenizers` makes of strings.

    python tests/text/make_tokenizer_fixtures.py      (tokenizers 0.23.3)

Every layout of a published family is trained on text made below. Of each: NAME.tokenizer.json and NAME.cases.jsonl with
text, ids, ids with special tokens ("special"; absent: the same), and those decoded with and without special tokens
("decoded", "skipped"; absent: the text). Rows without "text" have any "special" ids and what they decode to.
"""

import json
import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = pathlib.Path(__file__).parent / "fixtures" / "tokenizers"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)


def corpus():
    """Word problems and a little of other scripts, always the same."""
    generator = random.Random(7)
    names = ["Ann", "Bob", "Dan", "Zoë", "José", "Мария", "李雷", "田中"]
    things = ["apples", "pears", "naïve cats", "café tables", "книги", "苹果", "りんご"]
    for _ in range(400):
        a, b = generator.randint(2, 999), generator.randint(2, 99)
        name, thing = generator.choice(names), generator.choice(things)
        yield f"{name} has {a} {thing}. She'll buy {b} more, and they're {a + b} now.\n#### {a + b}\n"
        yield f"  def f(x):\n\treturn x + {b}  # {name}'s\n\n"


TEXTS = [
    "", "\n", " ", "  ", "   a", "a  b   c", " leading", "trailing ", "\t\t", "\r\n", "a\r\n\r\n b", "\n\n\n",
    "Ann has 12 apples.", "Ann has 12 apples.\nBob has 3 more, so 15.\n#### 15", "I'm you're WE'LL they'd 'S 'ſ don't",
    "1234567890", "12,345.678", "３４５", "½²³Ⅷ", "e\u0301", "é", "ﬁ", "Å\u030a", "\u1100\u1161\u11a8", "각", "ẞßſ İ",
    "👩‍👩‍👧‍👦", "🏳️‍🌈 flag", "مرحبا بالعالم", "שלום עולם", "日本語テキスト", "中文。李雷", "\u200b\u200c\u200d", "\u00a0x",
    "\u180e x", "\u3000全角", "\ufeffbom", "a\u0000b", "\u0085x", "▁▁a ▁", "a▁b", "<s>", "</s>", "<unk>", "<0x0A>",
    "<s> a </s>", "x<s>y", "<|im_start|>user\nhi<|im_end|>", "<|begin|>hi<|end|>", " <|end|> ", "a <mask>  b", "a<mask>b",
    "  <mask>", "<mask><mask>  <mask>", "foo bar", "foobar foo", "barfoo", "foo_", "_foo", "foo foo", "FOO Foo", "Ġhello",
    "\x7f\x01\x02", "\U0010ffff\ue000", "\ufffd\uffff", "x" * 70, "=" * 50, " " * 40 + "x", "\n" * 20, "ab" * 30,
    "Мария книги", "café naïve José", "She'll  they're", "\u0915\u094d\u0937\u093f", "a\u0300\u0301\u0316", "\u1e9b\u0323",
    "def f(x):\n\treturn x + 1  # end\n", "C'est l'été", "http://a.b/c?d=e&f=#g", "$x^2$ \\frac{1}{2}", "a \u2028b\u2029 c",
    "\U00011943\u0301e\u0301", "🩷🫨 new", "\U0002ebf0\u4e00", "foo\u200dbar", "[X]foo[X]", "  foo  bar  ", "<think>1</think>",
]


def fuzzed(count, seed):
    generator = random.Random(seed)
    parts = [text for text in TEXTS[1:] if len(text) < 20] + list("aeiou 0123456789'\n\t.▁Ġ") + [" ", "  ", "foo", "<mask>", "<s>", "</s>", "é", "李", "🦊", "\u0301"]
    for _ in range(count):
        yield "".join(generator.choice(parts) for _ in range(generator.randint(1, 7)))


def special(text, **flags):
    return AddedToken(text, special=True, normalized=False, **flags)


def trained(model, pre_tokenizer=None, normalizer=None, vocab_size=420, specials=(), alphabet=(), limit=400):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(specials), initial_alphabet=list(alphabet), limit_alphabet=limit, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level(pre_tokenizer, normalizer=None, **model):
    tokenizer = trained(models.BPE(), pre_tokenizer, normalizer, alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.decoder = decoders.ByteLevel()
    for key, value in model.items():
        setattr(tokenizer.model, key, value)
    return tokenizer


def split_then_bytes(pattern, behavior="isolated", invert=False, **bytes_):
    options = {"add_prefix_space": False, "use_regex": False} | bytes_
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), behavior, invert), pre_tokenizers.ByteLevel(**options)]
    )


def sentencepiece_like(fused=True):
    """A vocabulary with <unk>, <s>, </s>, the 256 bytes and words with U+2581, trained on text spelled so."""
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    spelled = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    model = models.BPE(unk_token="<unk>", fuse_unk=fused, byte_fallback=True)
    tokenizer = trained(model, spelled, vocab_size=560, specials=specials, limit=60)
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = state["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.pre_tokenizer = None
    return tokenizer


def llama_decoder():
    return decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )


def bos(token, id_):
    return processors.TemplateProcessing(single=f"{token} $A", pair=f"{token} $A {token} $B:1", special_tokens=[(token, id_)])


def layouts():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.add_tokens([special("<|endoftext|>")])
    yield "gpt2", tokenizer

    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    tokenizer.add_tokens([special("<s>"), special("</s>"), special("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>"))
    )
    yield "roberta", tokenizer

    tokenizer = byte_level(split_then_bytes(LLAMA3), ignore_merges=True)
    tokenizer.add_tokens([special("<|begin|>"), special("<|end|>")])
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), bos("<|begin|>", tokenizer.token_to_id("<|begin|>"))]
    )
    yield "llama3", tokenizer

    tokenizer = byte_level(split_then_bytes(QWEN2), normalizers.NFC())
    tokenizer.add_tokens([special("<|im_start|>"), special("<|im_end|>")])
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "qwen2", tokenizer

    yield "cl100k", byte_level(split_then_bytes(CL100K, "removed", True, add_prefix_space=True))

    digits = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer = byte_level(digits)
    tokenizer.add_tokens([special("<|im_start|>"), special("<|im_end|>"), AddedToken("   "), AddedToken("  ")])
    yield "smollm", tokenizer

    tokenizer = sentencepiece_like()
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = bos("<s>", 1)
    yield "gemma", tokenizer

    tokenizer = sentencepiece_like()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = llama_decoder()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="$A $B", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    yield "llama2", tokenizer

    tokenizer = sentencepiece_like(fused=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    tokenizer.decoder = llama_decoder()
    tokenizer.post_processor = bos("<s>", 1)
    yield "metaspace_first", tokenizer

    tokenizer = trained(models.BPE(unk_token="<unk>", fuse_unk=True), specials=["<unk>"], limit=50,
                        pre_tokenizer=pre_tokenizers.Metaspace("▁", prepend_scheme="always"), vocab_size=300)
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    yield "metaspace_unk", tokenizer

    tokenizer = byte_level(
        pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_next"),
                                 pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
        normalizers.Sequence([normalizers.NFKD(), normalizers.Lowercase(), normalizers.Strip(),
                              normalizers.Replace(Regex(r"\s+"), " ")]),
    )
    tokenizer.add_tokens([
        AddedToken("foo", single_word=True), AddedToken("Bar", normalized=True), AddedToken("<mask>", lstrip=True, rstrip=True),
        AddedToken("[X]", normalized=False, rstrip=True), AddedToken("éa", normalized=True), special("</s>"),
        AddedToken("<S>", normalized=True, special=True),
    ])
    yield "odd_flags", tokenizer

    for behavior in ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]:
        for invert in [False, True]:
            tokenizer = trained(models.BPE(), pre_tokenizers.Split(Regex(r"[^\S\n]|\d{1,2}"), behavior, invert), vocab_size=200, limit=90)
            tokenizer.decoder = decoders.Strip("a", 1, 0)
            yield f"split_{behavior}{'_inverted' if invert else ''}", tokenizer


def cases_of(tokenizer, name):
    texts = TEXTS + list(fuzzed(20 if name.startswith("split_") else 60, name))
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        special_ids = tokenizer.encode(text, add_special_tokens=True).ids
        decoded = tokenizer.decode(special_ids, skip_special_tokens=False)
        skipped = tokenizer.decode(special_ids, skip_special_tokens=True)
        yield (
            {"text": text, "ids": ids}
            | ({} if special_ids == ids else {"special": special_ids})
            | ({} if decoded == text else {"decoded": decoded})
            | ({} if skipped == text else {"skipped": skipped})
        )
    generator = random.Random(name)
    for _ in range(40):
        ids = [generator.randrange(tokenizer.get_vocab_size()) for _ in range(generator.randint(1, 12))]
        decoded = [tokenizer.decode(ids, skip_special_tokens=skip) for skip in (False, True)]
        yield {"special": ids, "decoded": decoded[0], "skipped": decoded[1]}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for index, (name, tokenizer) in enumerate(layouts()):
        state = json.loads(tokenizer.to_str())
        merges = state["model"]["merges"]
        if index % 2 and not any(" " in side for sides in merges for side in sides):  # both ways to spell merges
            state["model"]["merges"] = [" ".join(sides) for sides in merges]
        (FOLDER / f"{name}.tokenizer.json").write_text(json.dumps(state, ensure_ascii=False, separators=(",", ":")))
        lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases_of(tokenizer, name)]
        (FOLDER / f"{name}.cases.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
