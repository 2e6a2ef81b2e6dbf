#!/usr/bin/env python3
"""Writes the hostile files beside it and manifest.jsonl, one row a case:

  path    file or folder below this one
  reader  what opens it (tests/options/hostile_files_test.cpp)
  exit    the exit code its refusal must have; 0: it looks harmful, and is read without harm
  words   what the message must say

A new case is a line below; then run this script and commit what it wrote. Cases too large for the tree are made in
tests/options/hostile_files_test.cpp.
"""
import json
import os
import shutil
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = []
DEEP = 2_000


def case(path, reader, words, code=3):
    CASES.append({"path": path, "reader": reader, "exit": code, "words": words})


def write(path, data):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def safetensors_bytes(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def safetensors(name, words, header, data=b"", length=None):
    path = f"safetensors/{name}.safetensors"
    write(path, safetensors_bytes(header, data, length))
    case(path, "safetensors", words)


def tensor(dtype='"U8"', shape="[2]", offsets="[0,2]", name='"w"'):
    return f'{{{name}:{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}'


def make_safetensors():
    write("safetensors/empty.safetensors", b"")
    case("safetensors/empty.safetensors", "safetensors", ["not a safetensors file", "0 bytes"])
    safetensors("length_huge", ["header is too long"], "{}", length=2**64 - 1)
    safetensors("length_wraps", ["header is too long"], "{}", length=2**64 - 8)
    safetensors("length_beyond_file", ["file truncated"], "{}", length=3)
    safetensors("length_zero", ["invalid JSON"], "", b"{}")
    safetensors("header_not_json", ["invalid JSON"], "pickle?")
    safetensors("header_not_utf8", ["invalid JSON"], b'{"\xff":1}')
    safetensors("header_zero_byte", ["a zero byte"], b'{"a\0":1}')
    safetensors("header_array", ["an object", "an array"], "[]")
    safetensors("header_deep", ["nested deeper than 64"], '{"a":' + "[" * DEEP + "]" * DEEP + "}")
    safetensors("name_twice", ["appears twice"], '{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                '"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"ab")
    safetensors("offsets_overlap", ["overlaps"], '{"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},'
                '"w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}', b"abc")
    safetensors("offsets_hole", ["unused bytes"], '{"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                '"w":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}', b"abc")
    safetensors("offsets_backwards", ["ends before it begins"], tensor(offsets="[2,0]"), b"ab")
    safetensors("offsets_three", ["data_offsets must be [begin, end]"], tensor(offsets="[0,1,2]"), b"ab")
    safetensors("offsets_beyond_file", ["file truncated", "100 bytes"],
                tensor(shape="[35]", offsets="[0,35]").ljust(57), b"ab")
    safetensors("offsets_wrap", ["data size differs"], tensor(offsets="[2,18446744073709551615]"), b"ab")
    safetensors("shape_overflows", ["too large"], tensor(shape="[4294967296,4294967296,4294967296]"), b"ab")
    safetensors("shape_overflows_then_zero", ["too large"],
                tensor(shape="[4294967296,4294967296,0]", offsets="[0,0]"))
    safetensors("bytes_overflow", ["too large"], tensor('"F64"', "[2305843009213693952]", "[0,0]"))
    safetensors("rank_nine", ["too many dimensions"], tensor(shape="[1,1,1,1,1,1,1,1,2]"), b"ab")
    safetensors("shape_negative", ["wrong type of value", "-2"], tensor(shape="[-2]"), b"ab")
    safetensors("shape_float", ["wrong type of value", "2.0"], tensor(shape="[2.0]"), b"ab")
    safetensors("shape_huge_float", ["wrong type of value"], tensor(shape="[1.8e19]"), b"ab")
    safetensors("shape_beyond_64_bits", ["wrong type of value"], tensor(shape="[18446744073709551618]"), b"ab")
    safetensors("shape_true", ["wrong type of value", "true"], tensor(shape="[true]"), b"ab")
    safetensors("shape_nan", ["invalid JSON"], tensor(shape="[NaN]"), b"ab")
    safetensors("shape_text", ["wrong type of value"], tensor(shape='["2"]'), b"ab")
    safetensors("shape_missing", ['"shape" is missing'], '{"w":{"dtype":"U8","data_offsets":[0,2]}}', b"ab")
    safetensors("dtype_unknown", ["unsupported element type", "Q7"], tensor('"Q7"'), b"ab")
    safetensors("dtype_sub_byte", ["unsupported element type", "F4"], tensor('"F4"', "[4]"), b"ab")
    safetensors("dtype_number", ["wrong type of value"], tensor("8"), b"ab")
    safetensors("key_unknown", ["unknown key"], '{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}', b"ab")
    safetensors("metadata_not_text", ["__metadata__.a"], '{"__metadata__":{"a":1}}')
    safetensors("metadata_nested", ["__metadata__.a"], '{"__metadata__":{"a":{"b":"c"}}}')
    safetensors("name_long", ["tensor name is too long"], tensor(name=json.dumps("n" * 1025)), b"ab")
    safetensors("data_truncated", ["file truncated"], tensor(), b"a")
    safetensors("data_left_over", ["bytes after the last tensor"], tensor(), b"abc")
    safetensors("polyglot_zip", ["bytes after the last tensor"], "{}", b"PK\x05\x06" + b"\0" * 18)


CONFIG = {"model_type": "llama", "vocab_size": 50, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
          "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
          "hidden_act": "silu", "rope_theta": 10000.0, "tie_word_embeddings": True}


def config(name, words, text=None, **changes):
    values = {key: value for key, value in {**CONFIG, **changes}.items() if value is not ...}
    write(f"config/{name}/config.json", json.dumps(values) if text is None else text)
    case(f"config/{name}", "config", words)


def make_configs():
    config("not_json", ["invalid JSON"], text="import os")
    config("empty", ["invalid JSON"], text="")
    config("array", ["an object"], text="[]")
    config("deep", ["nested deeper than 64"], text="[" * DEEP)
    config("key_twice", ["appears twice"], text=json.dumps(CONFIG)[:-1] + ', "vocab_size": 51}')
    config("nan", ["invalid JSON"], text=json.dumps(CONFIG).replace("1e-05", "NaN"))
    config("layers_bomb", ["num_hidden_layers"], num_hidden_layers=10**9)
    config("layers_negative", ["num_hidden_layers", "-1"], num_hidden_layers=-1)
    config("layers_zero", ["num_hidden_layers", "0"], num_hidden_layers=0)
    config("layers_float", ["num_hidden_layers", "2.5"], num_hidden_layers=2.5)
    config("layers_text", ["num_hidden_layers"], num_hidden_layers="2")
    config("layers_list", ["num_hidden_layers"], num_hidden_layers=[2])
    config("vocab_bomb", ["vocab_size"], vocab_size=2**40)
    config("hidden_bomb", ["hidden_size"], hidden_size=2**40)
    config("intermediate_bomb", ["intermediate_size"], intermediate_size=2**62)
    config("head_dim_bomb", ["head_dim"], head_dim=2**31)
    config("position_bomb", ["max_position_embeddings"], max_position_embeddings=2**63)
    config("heads_do_not_divide", ["num_attention_heads"], num_attention_heads=3, num_key_value_heads=3)
    config("kv_heads_do_not_divide", ["num_key_value_heads"], num_key_value_heads=3)
    config("type_unknown", ["model_type", "evil"], model_type="evil")
    config("type_missing", ["model_type"], model_type=...)
    config("type_with_escape", ["model_type"], model_type="\x1b[2J")
    config("type_with_lines", ["model_type", "\\n"], model_type="llama2\n\nbt-eval: done")
    config("type_with_c1_control", ["model_type", "\\x9b"], model_type="\x9b2J")
    config("theta_infinite", ["invalid JSON"], text=json.dumps(CONFIG).replace("10000.0", "1e999"))
    config("theta_zero", ["rope_theta", "0"], rope_theta=0)
    config("theta_negative", ["rope_theta", "-1"], rope_theta=-1)
    config("eps_negative", ["rms_norm_eps"], rms_norm_eps=-1e-5)
    config("heads_zero", ["num_attention_heads"], num_attention_heads=0)
    config("kv_heads_zero", ["num_key_value_heads"], num_key_value_heads=0)
    config("head_dim_odd", ["head_dim"], head_dim=3)
    config("rope_factor_zero", ["factor"], rope_scaling={"rope_type": "linear", "factor": 0})
    config("layer_types_bomb", ["layer_types"], model_type="qwen3", layer_types=["full_attention"] * 3)
    config("tie_text", ["tie_word_embeddings"], tie_word_embeddings="yes")
    config("rope_unknown", ["rope", "warp"], rope_scaling={"rope_type": "warp", "factor": 2.0})
    config("rope_factor_text", ["factor"], rope_scaling={"rope_type": "linear", "factor": "2"})
    config("activation_unknown", ["hidden_act", "evil"], hidden_act="evil")
    config("quantised", ["quantization_config"], quantization_config={"quant_method": "gptq", "bits": 4})
    write("config/generation_not_json/config.json", json.dumps(CONFIG))
    write("config/generation_not_json/generation_config.json", "{")
    case("config/generation_not_json", "config", ["generation_config.json", "invalid JSON"])
    write("config/generation_eos_text/config.json", json.dumps(CONFIG))
    write("config/generation_eos_text/generation_config.json", '{"eos_token_id": "2"}')
    case("config/generation_eos_text", "config", ["generation_config.json", "eos_token_id"])
    write("config/generation_eos_beyond/config.json", json.dumps(CONFIG))
    write("config/generation_eos_beyond/generation_config.json", '{"eos_token_id": [2, 50]}')
    case("config/generation_eos_beyond", "config", ["generation_config.json", "eos_token_id"])


def index(name, words, text, shards=("1.safetensors",)):
    write(f"index/{name}/model.safetensors.index.json", text)
    for shard in shards:
        write(f"index/{name}/{shard}", safetensors_bytes(tensor(name='"a"'), b"ab"))
    case(f"index/{name}", "weights", words)


def make_indices():
    def placed(shard):
        return json.dumps({"weight_map": {"a": shard}})

    index("parent", ["plain file name"], placed("../x.safetensors"))
    index("absolute", ["plain file name"], placed("/etc/passwd"))
    index("subfolder", ["plain file name"], placed("sub/1.safetensors"))
    index("dot", ["plain file name"], placed("."))
    index("zero_byte", ["plain file name"], placed("1.safetensors\0.txt"))
    index("shard_missing", ["file not found", "2.safetensors"], placed("2.safetensors"))
    index("shard_number", ["weight_map.a"], placed(1))
    index("shard_disagrees", ["index does not place there"],
          json.dumps({"weight_map": {"b": "1.safetensors"}}))
    index("tensor_missing", ["not in its shard"],
          json.dumps({"weight_map": {"a": "1.safetensors", "b": "1.safetensors"}}))
    index("tensor_twice", ["appears twice"], '{"weight_map":{"a":"1.safetensors","a":"1.safetensors"}}')
    index("no_map", ["weight_map"], "{}")
    index("map_list", ["weight_map"], '{"weight_map":[]}')
    index("map_empty", ["bad number of shards"], '{"weight_map":{}}')
    index("deep", ["nested deeper than 64"], '{"weight_map":' + "[" * DEEP)
    write("index/pickle_only/pytorch_model.bin", b"\x80\x04N.")
    case("index/pickle_only", "weights", ["no weights", ".bin", "convert"])


def yaml(name, words, text):
    write(f"yaml/{name}.yaml", text)
    case(f"yaml/{name}.yaml", "yaml", words, code=2)


def make_yaml():
    run = "run: {out: x}\nmodel: {path: m}\ndata: {train: [a.jsonl]}\n"
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    yaml("alias_bomb", ["anchor"], bomb)
    yaml("merge_key", ["anchor"], "run: &r {out: x}\ntrain:\n  <<: *r\n")
    yaml("deep_flow", ["deep_flow.yaml:1"], "a: " + "[" * DEEP)
    yaml("deep_block", ["nest"], "".join(" " * i + "a:\n" for i in range(200)))
    yaml("tag", ["tag"], run + "train: {lr: !!python/object 1}\n")
    yaml("key_twice", ["twice"], run + "train: {lr: 1, lr: 2}\n")
    yaml("two_documents", ["second document"], run + "---\n" + run)
    yaml("key_unknown", ["train.stesp", "steps"], run + "train: {stesp: 3}\n")
    yaml("number_octal", ["train.steps", "010"], run + "train: {steps: 010}\n")
    yaml("number_underscore", ["train.steps"], run + "train: {steps: 1_000}\n")
    yaml("number_beyond", ["train.steps"], run + "train: {steps: 18446744073709551616}\n")
    yaml("number_negative", ["train.steps"], run + "train: {steps: -1}\n")
    yaml("number_fraction", ["train.steps"], run + "train: {steps: 1.5}\n")
    yaml("number_infinite", ["train.lr"], run + "train: {lr: .inf}\n")
    yaml("bool_yes", ["data.add_bos", "yes"], "run: {out: x}\nmodel: {path: m}\ndata: {train: [a], add_bos: yes}\n")
    yaml("not_utf8", ["UTF-8"], b"run: {out: \xff}\n")
    yaml("zero_byte", [".yaml"], b"run: {out: a\0b}\n")
    yaml("a_list", ["map"], "- 1\n")
    yaml("number_hex", ["train.steps", "0x10"], run + "train: {steps: 0x10}\n")
    yaml("number_not", ["train.lr"], run + "train: {lr: .nan}\n")
    yaml("key_is_a_list", ["key_is_a_list.yaml:4"], run + "? [a, b]\n: 1\n")
    yaml("group_is_a_number", ["train"], run + "train: 5\n")
    yaml("escape_in_a_key", ["\\x1b"], run + 'train: {"\\e[2J": 1}\n')


TOKENIZER = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [{"id": 0, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False,
                      "normalized": False, "special": True}],
    "normalizer": None, "pre_tokenizer": None, "post_processor": None,
    "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
    "model": {"type": "BPE", "unk_token": "<s>", "fuse_unk": True, "byte_fallback": True,
              "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3, "<0x61>": 4}, "merges": ["a b"]}}


def tokenizer(name, words, text=None, model=None, code=3, **changes):
    values = {**TOKENIZER, **changes, "model": {**TOKENIZER["model"], **(model or {})}}
    write(f"tokenizer/{name}/tokenizer.json", json.dumps(values) if text is None else text)
    case(f"tokenizer/{name}", "tokenizer", words, code)


def make_tokenizers():
    def split(pattern):
        return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}

    def vocab(**tokens):
        return {"vocab": {**TOKENIZER["model"]["vocab"], **tokens}}

    tokenizer("json_garbage", ["tokenizer.json", "invalid JSON"], text="\x80\x04N.")
    tokenizer("json_list", ["tokenizer.json", "an object"], text="[]")
    tokenizer("json_deep", ["nested deeper than 64"], text='{"model":' + "[" * DEEP)
    tokenizer("model_missing", ["model"], text="{}")
    tokenizer("model_type_unknown", ["not supported", "Evil"], model={"type": "Evil"})
    tokenizer("token_twice", ["appears twice"], text=json.dumps(TOKENIZER).replace('"b": 2', '"a": 2'))
    tokenizer("vocab_list", ["vocab"], model={"vocab": ["a"]})
    tokenizer("id_negative", ["token id out of range", "-1"], model=vocab(x=-1))
    tokenizer("id_bomb", ["token id out of range"], model=vocab(x=2**31 - 1))
    tokenizer("id_beyond_64_bits", ["token id out of range"], model=vocab(x=2**64))
    tokenizer("id_float", ["token id out of range"], model=vocab(x=5.0))
    tokenizer("id_text", ["token id out of range"], model=vocab(x="5"))
    tokenizer("id_twice", ["two tokens have the id 1"], model=vocab(x=1))
    tokenizer("byte_token_minus_one", [], model=vocab(**{"<0x-1>": 5, "<0x+1>": 6, "<0x100>": 7, "<0xGG>": 8}), code=0)
    tokenizer("merge_not_a_pair", ["not a merge of two tokens"], model={"merges": ["ab"]})
    tokenizer("merge_of_numbers", ["merges"], model={"merges": [[1, 2]]})
    tokenizer("merge_unknown_token", ["names a token that the vocabulary lacks"], model={"merges": ["a x"]})
    tokenizer("added_id_bomb", ["added_tokens"],
              added_tokens=[{**TOKENIZER["added_tokens"][0], "content": "<x>", "id": 2**40}])
    tokenizer("added_id_negative", ["added_tokens"],
              added_tokens=[{**TOKENIZER["added_tokens"][0], "content": "<x>", "id": -5}])
    tokenizer("normalizer_unknown", ["not supported", "Evil"], normalizer={"type": "Evil"})
    tokenizer("decoder_unknown", ["not supported", "Evil"], decoder={"type": "Evil"})
    tokenizer("pattern_broken", ["pattern"], pre_tokenizer=split("(a|b"))
    tokenizer("pattern_deep", ["pattern"], pre_tokenizer=split("(" * 5_000 + "a" + ")" * 5_000))
    tokenizer("pattern_bomb", ["pattern"], pre_tokenizer=split("((((a{60000}){60000}){60000}){60000})"))
    tokenizer("pattern_code", ["pattern"], pre_tokenizer=split("(?C1)a"))
    tokenizer("pattern_backtracks", ["cannot be matched"], pre_tokenizer=split("(a+)+$"))
    tokenizer("special_id_beyond", ["special token"], post_processor={
        "type": "TemplateProcessing", "pair": [],
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [2**31 - 1], "tokens": ["<s>"]}}})


def make_chat_templates():
    def template(name, words, text, code=2):
        write(f"chat_template/{name}/chat_template.jinja", text)
        case(f"chat_template/{name}", "chat_template", words, code)

    template("runs_code", ["chat template"],
             "{{ ''.__class__.__mro__[1].__subclasses__() }}{% for i in range(10**9) %}x{% endfor %}")
    template("is_deep", ["chat template"], "{% if a %}" * DEEP)
    template("claims_a_family", [], "{{ cycler.__init__.__globals__.os.popen('id') }}<|im_start|>", code=0)


def make_adapters():
    good = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}

    def adapter(name, words, text=None, **changes):
        write(f"adapter/{name}/adapter_config.json", json.dumps({**good, **changes}) if text is None else text)
        case(f"adapter/{name}", "adapter", words)

    adapter("garbage", ["adapter_config.json", "invalid JSON"], text="\0")
    adapter("list", ["an object"], text="[]")
    adapter("another_type", ["not a LoRA adapter"], peft_type="EVIL")
    adapter("rank_zero", [": r", "0"], r=0)
    adapter("rank_bomb", [": r"], r=2**40)
    adapter("rank_text", [": r"], r="4")
    adapter("alpha_infinite", ["invalid JSON"], text=json.dumps(good).replace("8", "1e999"))
    adapter("base_changed", ["init_lora_weights"], init_lora_weights="pissa")
    adapter("parts_unknown", ["modules_to_save"], modules_to_save=["lm_head"])


def other(path, reader, words, data):
    write(path, data)
    case(path if reader in ("json_lines",) else os.path.dirname(path), reader, words)


def make_others():
    other("tokenizer/sentencepiece_garbage/tokenizer.model", "tokenizer", ["tokenizer.model"], bytes(range(256)) * 4)
    other("tokenizer/sentencepiece_empty/tokenizer.model", "tokenizer", ["tokenizer.model"], b"")
    other("tokenizer/sentencepiece_cut/tokenizer.model", "tokenizer", ["tokenizer.model"],
          b"\x0a\xff\xff\xff\xff\x0f\x0a\x05<unk>")
    other("tokenizer/bytes_garbage/bytes.tokenizer.json", "tokenizer", ["bytes.tokenizer.json"], b"\xff\xfe")
    other("tokenizer/bytes_list/bytes.tokenizer.json", "tokenizer", ["bytes.tokenizer.json"], "[]")
    manifest = '{"format_version": 1, "step": 3, "files": [{"name": %s, "bytes": %s, "crc32": %s}]}'
    for name, words, text in (
            ("garbage", ["manifest.json", "invalid JSON"], "{"),
            ("newer", ["newer version"], '{"format_version": 99, "step": 3, "files": []}'),
            ("step_negative", ["step"], '{"format_version": 1, "step": -3, "files": []}'),
            ("name_escapes", ["plain file name"], manifest % ('"../state.json"', 2, 0)),
            ("file_missing", ["state.json"], manifest % ('"state.json"', 2, 0)),
            ("size_text", ["bytes"], manifest % ('"state.json"', '"2"', 0)),
            ("crc_beyond", ["crc32"], manifest % ('"state.json"', 2, 2**32))):
        other(f"checkpoint/{name}/manifest.json", "checkpoint", words, text)
    write("checkpoint/crc_differs/state.json", "{}")
    other("checkpoint/crc_differs/manifest.json", "checkpoint", ["state.json"], manifest % ('"state.json"', 2, 7))
    for name, words, text in (
            ("garbage", ["processor_config.json", "invalid JSON"], "\0"),
            ("list", ["processor_config.json"], "[]"),
            ("no_version", ["format_version"], "{}"),
            ("newer", ["format_version"], '{"format_version": 99}')):
        other(f"processor/{name}/processor_config.json", "processor", words, text)
    other("json_lines/not_utf8.jsonl", "json_lines", ["not_utf8.jsonl:2", "invalid JSON"], b'{"a": 1}\n{"a": "\xff"}\n')
    other("json_lines/zero_byte.jsonl", "json_lines", ["zero_byte.jsonl:1", "zero byte"], b'{"a": "\0"}\n')
    other("json_lines/deep.jsonl", "json_lines", ["nested deeper than 64"], '{"a":' + "[" * DEEP + "\n")
    other("json_lines/cut.jsonl", "json_lines", ["cut.jsonl:2", "invalid JSON"], '{"a": 1}\n{"a": ')
    other("json_lines/a_list.jsonl", "json_lines", ["no JSON object"], "[1]\n")
    other("json_lines/key_twice.jsonl", "json_lines", ["appears twice"], '{"a": 1, "a": 2}\n')
    other("json_lines/lone_surrogate.jsonl", "json_lines", ["invalid JSON"], '{"a": "\\ud800"}\n')


if __name__ == "__main__":
    for entry in os.listdir(HERE):
        if os.path.isdir(os.path.join(HERE, entry)):
            shutil.rmtree(os.path.join(HERE, entry))
    make_safetensors()
    make_configs()
    make_indices()
    make_yaml()
    make_tokenizers()
    make_chat_templates()
    make_adapters()
    make_others()
    with open(os.path.join(HERE, "manifest.jsonl"), "w", encoding="utf-8") as out:
        for row in CASES:
            out.write(json.dumps(row) + "\n")
