"""Writes tests/text/fixtures/grading_*.jsonl: tricky completions with what lm-evaluation-harness extracts and scores.

  pip install lm_eval==0.4.13 sympy==1.14.0 antlr4-python3-runtime==4.11.0 math-verify==0.9.0
  python make_grading_fixtures.py gsm8k_cot gsm8k hendrycks_math minerva_math
With lm_eval==0.4.11 the older rules of minerva_math (version 3.0):
  python make_grading_fixtures.py minerva_math_v3_0

Every line holds completion, gold (the data set's own answer field) and, per filter, `extracted` and `score`. The
harness's own filters, metrics and normalisation are called; nothing is re-implemented here.
"""

import itertools
import json
import pathlib
import random
import sys

import lm_eval
import yaml
from lm_eval import utils
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import RegexFilter

TASKS = pathlib.Path(lm_eval.__file__).parent / "tasks"
FIXTURES = pathlib.Path(__file__).parent / "fixtures"

NUMBERS = ["18", "7", "1,234", "1234", "-5", "$29", "$29.00", "18.0", "0.5", ".5", "5.", "29...", "1,23", "10-5", "٣",
           "1e5", "12%", "3/4", "- 5", "−5", "1 234", "$1,000,000.", "007", "", "twelve", "[invalid]", "1.2.3", "--3"]
FRAMES = ["The answer is {}.", "The answer is {}", "The answer is {}\n", "the answer is {}.", "The answer is: {}.",
          "#### {}", "####{}", "so\n#### {}\n", "#### {} apples.", "#### 3\n#### {}", "It is {} dollars... ", "{}",
          " {}. ", "The answer is {}é", "The answer is {}. The answer is 4.", "A: {}\n\nQ: next", "a ##### {}",
          "x = <<1+1={}>>{} so {}.\r\n"]
GSM8K_GOLDS = ["so it is <<3+4=7>>7\n#### 7", "#### 18", "a\n#### 1,234", "#### -5", "#### 29", "#### 0.5", "#### 29.",
               "#### 29\n", "####29", "no mark 12", "##### 7", "#### 1 #### 18", "#### $29", "#### [invalid]", "#### "]

MATH_ANSWERS = [
    "5", "-5", "0.5", ".5", "\\frac{1}{2}", "\\frac12", "\\frac1{72}", "\\dfrac{3}{4}", "\\tfrac34", "3/4", "-3/4", "03/4",
    "x/y", "\\sqrt2", "\\sqrt{2}", "\\sqrt[3]{8}", "\\sqrt[3]8", "2\\sqrt3", "x=5", "x = 5", "abc=5", "a=b=5", "[2,5)",
    "\\left[2,5\\right)", "(1, 2)", "0,1", "1,000", "100,000", "1,000,000", "12,34", "10\\%", "10%", "\\$5", "$5", "90^\\circ",
    "90^{\\circ}", "5\\text{ cm}", "5 \\text{ cm}^2", "5\\text{cm}", "\\text{even}", "\\mbox{odd}", "5 cm", "5\\!000", "5,\\!000",
    "{,}5", "\\pi", "2\\pi cm", "2\\pi\\text{ units}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\text{(A)}", "(A)", "\\textbf{B}",
    "\\overline{AB}", "an apple", "a 5", "5 degrees", "5 hours and 3 minutes", "12 square feet", "x^2+2x+1", "(x+1)^2", "1 .5",
    "{.5}", "\\boxed{5}", "5.", "\\frac{a}{b}c", "\\frac ab", "\\frac", "\\sqrt", "\\frac{1}", "é", "\\text{ a }\\text{ b}", "\n5\n",
    "1\\ 000", "\\mathrm{th}5", "5\\mathrm{th}", "\\infty", "-\\infty", "(-\\infty, 3]", "\\{1,2\\}", "2^{10}", "1.50", "1.5", "\"5\"",
    "left 5", "\\left(5\\right)", "softmph", "5ft", "5 ft", "square root", "\\ldots", "1,2,3", "1, 2, 3", "x\\in[1,2]", "5\\;", "5;",
    "", " ", "$", "$$", "\\", "{", "}", "11\\text{ and }5", "\\frac{\\sqrt3}{2}", "\\frac\\sqrt32", "0.50", "٣/٤", "١,٢٣٤", "x y", "1/2/3",
    "\\text{\ns}5", "5\\dots", "points", "9\\text{m}^2", "4^\\circ C", "\\cot x", "\\%", "a=", "=", "k=.5"]
BOXED_FRAMES = ["so $\\boxed{{{}}}$.", "\\boxed {}", "$x$ then \\fbox{{{}}}", "$\\boxed{{1}}$ and \\boxed{{{}}}", "\\boxed{{ {} }} "]
HENDRYCKS_FRAMES = ["{}", "${}$", "it is ${}$.", "with $x$ we get ${}$", "only one $ {}", "\\boxed{{{}}}", "$${}$$", " ${}$\n"]
MINERVA_FRAMES = ["Final Answer: The final answer is {}. I hope it is correct.", "Final Answer: The final answer is ${}$. I hope it is correct.",
                  "so\nFinal Answer: The final answer is ${}$. I hope it is correct.\nMore", "Final Answer: The final answer is {}.",
                  "Final Answer: The final answer is {}. ", "The final answer is {}. I hope it is correct.", "\\boxed{{{}}}",
                  "Final Answer: The final answer is {}! I hope it is correct? ",
                  "Final Answer: The final answer is 1. Final Answer: The final answer is ${}$. I hope it is correct."]


def pairs(completions, golds, count, seed):
    everything = sorted(set(itertools.product(completions, golds)))
    return random.Random(seed).sample(everything, min(count, len(everything)))


def fill(frame, value):
    return frame.replace("{}", value) if "{{" not in frame else frame.format(value)


def gsm8k(file):
    class Loader(yaml.SafeLoader):
        pass
    config = yaml.load((TASKS / "gsm8k" / file).read_text(), Loader)
    metric = config["metric_list"][0]
    options = {k: metric[k] for k in ("regexes_to_ignore", "ignore_case", "ignore_punctuation")}
    completions = [fill(f, n) for f in FRAMES for n in NUMBERS]
    for completion, gold in pairs(completions, GSM8K_GOLDS, 300, 1):
        target = utils.apply_template(config["doc_to_target"], {"answer": gold})
        graded = {}
        for chain in config["filter_list"]:
            arguments = {k: v for k, v in chain["filter"][0].items() if k != "function"}
            extracted = RegexFilter(**arguments).apply([[completion]], [{}])[0][0]
            score = exact_match_hf_evaluate(predictions=[extracted], references=[target], **options)["exact_match"]
            graded[chain["name"]] = {"extracted": extracted, "score": int(score)}
        yield {"completion": completion, "gold": gold, "target": target, "graded": graded}


def near_pairs(frames, count, seed):
    """Half of the pairs have the same answer on both sides, half a random other one."""
    draw = random.Random(seed)
    for _ in range(count):
        answer = draw.choice(MATH_ANSWERS)
        other = answer if draw.random() < 0.5 else draw.choice(MATH_ANSWERS)
        yield fill(draw.choice(frames), answer), fill(draw.choice(BOXED_FRAMES), other)


def math_fixture(module, process_doc, frames):
    seen = set()
    for completion, gold in near_pairs(frames, 700, 2):
        if (completion, gold) in seen:
            continue
        seen.add((completion, gold))
        try:
            doc = process_doc(gold)
        except (AssertionError, TypeError, AttributeError, IndexError):
            continue  # the harness cannot load such a document
        yield module.process_math(doc, completion, gold)


class Hendrycks:
    @staticmethod
    def process_math(doc, completion, gold):
        from lm_eval.tasks.hendrycks_math import utils as rules
        score = rules.process_results(doc, [completion])["exact_match"]
        return {"completion": completion, "gold": gold, "target": doc["answer"], "graded": {"none": {"score": score}}}

    @staticmethod
    def document(gold):
        from lm_eval.tasks.hendrycks_math import utils as rules
        return {"solution": gold, "answer": rules.remove_boxed(rules.last_boxed_only_string(gold))}


class Minerva:
    @staticmethod
    def process_math(doc, completion, gold):
        from lm_eval.tasks.minerva_math import utils as rules
        extracted = rules.normalize_final_answer(rules.get_unnormalized_answer(completion))
        score = int(rules.is_equiv(extracted, doc["answer"]))
        return {"completion": completion, "gold": gold, "target": doc["answer"],
                "graded": {"none": {"extracted": extracted, "score": score}}}

    @staticmethod
    def document(gold):
        from lm_eval.tasks.minerva_math import utils as rules
        answer = rules.normalize_final_answer(rules.remove_boxed(rules.last_boxed_only_string(gold)))
        return {"solution": gold, "answer": answer}


MAKERS = {
    "gsm8k_cot": lambda: gsm8k("gsm8k-cot.yaml"),
    "gsm8k": lambda: gsm8k("gsm8k.yaml"),
    "hendrycks_math": lambda: math_fixture(Hendrycks, Hendrycks.document, HENDRYCKS_FRAMES),
    "minerva_math": lambda: math_fixture(Minerva, Minerva.document, MINERVA_FRAMES),
    "minerva_math_v3_0": lambda: math_fixture(Minerva, Minerva.document, MINERVA_FRAMES),
}

for name in sys.argv[1:]:
    with open(FIXTURES / f"grading_{name}.jsonl", "w", encoding="utf-8") as out:
        for row in MAKERS[name]():
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
