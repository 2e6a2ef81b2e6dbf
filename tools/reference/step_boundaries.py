"""Where reasoning steps end, for bt_transformers.py: written from docs/architecture.md, "Step boundaries"."""
import pathlib

from transformers import AutoTokenizer

SPACE = " \t\n\v\f\r"


def token_texts(folder):
    """What every id of the tokenizer stands for, "" for special tokens: newlines and visible characters show."""
    folder = pathlib.Path(folder)
    if (folder / "bytes.tokenizer.json").exists():
        return [chr(i) if i < 256 else "" for i in range(259)]
    if (folder / "tokenizer.model").exists() and not (folder / "tokenizer.json").exists():
        from sentencepiece import SentencePieceProcessor
        pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        def text(i):
            if pieces.is_byte(i):
                return chr(int(pieces.id_to_piece(i)[3:-1], 16))
            special = pieces.is_control(i) or pieces.is_unknown(i)
            return "" if special else pieces.id_to_piece(i).replace("\u2581", " ")
        return [text(i) for i in range(pieces.get_piece_size())]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [tokenizer.decode([i], skip_special_tokens=True) for i in range(len(tokenizer))]


class Trigger:
    """Fed a sequence one token at a time, begin_response after the prompt; True where a boundary fires."""

    def __init__(self, options, before_newline, texts, eos_ids):
        self.options, self.held_back, self.texts, self.eos_ids = options, int(before_newline), texts, eos_ids
        self.in_prompt, self.just_fired = True, False
        self.visible = self.tokens = 0  # of the open step
        self.length = self.calls = 0

    def push(self, token):
        self.length += 1
        self.just_fired = False
        if token in self.eos_ids:
            return False
        self.tokens += 1
        self.visible += self.texts[token].strip(SPACE) != ""
        ends = {"newline": "\n" in self.texts[token], "every_n": self.tokens >= self.options["every_n"],
                "tokens": token in self.options["token_ids"], "none": False}[self.options["kind"]]
        listening = not self.in_prompt or self.options["inside_prompt"]
        return listening and ends and self.visible >= self.options["min_step_tokens"] and self.fire()

    def begin_response(self):
        self.in_prompt = False
        self.visible = self.tokens = 0
        return self.options["at_prompt_end"] and not self.just_fired and self.fire()

    def fire(self):
        if self.length <= self.held_back or 0 < self.options["max_calls"] <= self.calls:
            return False
        self.calls += 1
        self.visible = self.tokens = 0
        self.just_fired = True
        return True
