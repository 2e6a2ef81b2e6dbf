"""The keys of a protocol, with their types; overrides of them; flags of programs made from them."""
from step_runner import fail
from study_yaml import FREE, as_text, parse

NUMBER = (int, float)
TEXT = (str, int, float, bool)
MAKE = {"problems": int, "split": {"all", "train", "validation", "test"}, "shift": {"id", "longer", "larger", "distractors"},
        "min_steps": int, "max_steps": int, "max_value": int, "max_operand": int, "two_operand_rate": NUMBER,
        "near": bool, "multiply": bool, "verbose_steps": bool, "distractors": int, "names": int}  # bt-data make
TOKENIZER = {"vocab_size": int, "text": str, "model_type": {"bpe", "unigram"}, "no_byte_fallback": bool, "word": [TEXT],
             "problem_words": bool, "seed": int}  # bt-data train-tokenizer
EVALUATION = {"tasks": [str], "limit": int, "batch_size": int, "max_new_tokens": int, "prompt_template": str, "chat": str,
              "system": str, "load": str, "device": str, "dtype": str, "threads": int, "plugins": [str],
              "allow_other_backbone": bool, "rewrite_control": {"none", "random", "swapped"}}  # bt-eval run
WEIGHTS = {"best", "final"}
ARM = {"config": str, "settings": FREE, "on": str, "weights": [WEIGHTS], "tune": FREE, "sweep": FREE,
       "match": {"arm": str, "by": {"samples", "flops", "wall"}}, "evaluates": str, "evaluation": EVALUATION}
OUTCOME = {"task": str, "filter": str, "split": str, "weights": WEIGHTS, "learned_above": NUMBER}
SCHEMA = {
    "name": str, "seeds": [int], "model": str, "settings": FREE, "weights": [WEIGHTS],
    "data": {"make": {"*": MAKE}, "seed_offset": int, "tokenizer": TOKENIZER,
             "files": {"train": [str], "validation": [str], "tuning_validation": [str], "test": {"*": str}}},
    "evaluation": EVALUATION, "arms": {"*": ARM},
    "tuning": {"seeds": [int], "by": {"validation_loss", "validation_accuracy"}, "unequal_trials": bool},
    "primary": {"outcome": OUTCOME, "contrasts": [[str]]},
    "secondary": {"outcomes": [OUTCOME], "contrasts": [[str]]}}


def override_key(values, override):
    """Sets one value. arms.bt.settings.train.lr=1e-3: the keys of settings hold dots themselves."""
    path, equals, text = override.partition("=")
    if not equals:
        fail(2, f"{override}: expected key=value")
    place, schema, keys = values, SCHEMA, path.split(".")
    while len(keys) > 1 and isinstance(schema, dict) and isinstance(place, dict):
        inner = schema.get(keys[0], schema.get("*"))
        if inner is None:
            break  # the check that follows names the unknown key
        place, schema = place.setdefault(keys.pop(0), {}), inner
    if not isinstance(place, dict):
        fail(2, f"{override}: {'.'.join(keys)} lies below a value that holds no keys")
    place[".".join(keys)] = parse(text, override)


def program_flags(options):
    """max_new_tokens: 40 -> --max-new-tokens 40"""
    words = []
    for key, value in options.items():
        flag = "--" + key.replace("_", "-")
        if isinstance(value, bool):
            words += [flag] if value else []
        elif key == "word":  # one flag each
            words += [word for item in value for word in (flag, as_text(item))]
        else:
            words += [flag, ",".join(map(str, value)) if isinstance(value, list) else as_text(value)]
    return words
