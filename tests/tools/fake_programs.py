"""Stand-ins for the programs: they note their calls in calls.txt and write what the real ones would leave behind.

FAKE_FAIL=TEXT: a call that contains TEXT ends with code 3, FAKE_NAN=TEXT: with code 4. FAKE_STOP=TEXT: a training that
contains TEXT ends early with code 0. FAKE_WAIT=TEXT: a training that contains TEXT waits for SIGTERM, notes it, and ends
with code 0. FAKE_SLOW=TEXT: a call that contains TEXT lasts until another call has been noted.
"""
import json
import os
import signal
import sys
import time

# Right answers of the stand-in models to 100 questions, the first ones; by seed.
RIGHT = {"sft": [50, 60, 55], "bt": [53, 60, 55], "lora": [58, 72, 54], "worse": [10, 10, 10]}
QUESTIONS = 100
FLOPS_OF_A_STEP = {"sft.yaml": 100, "bt.yaml": 700, "joint.yaml": None}
SECONDS_OF_A_STEP = {"sft.yaml": 0.25, "bt.yaml": 1.5, "joint.yaml": 2.0}


def train(arguments):
    settings = dict(a.split("=", 1) for a in arguments[1:])
    out = settings["run.out"]
    os.makedirs(out, exist_ok=True)
    if wanted("FAKE_STOP"):
        return
    if wanted("FAKE_WAIT"):
        signal.signal(signal.SIGTERM, lambda *_: open("got_sigterm", "w").close())
        open("waiting", "w").close()
        wait_for(lambda: os.path.exists("got_sigterm"))
        return
    for name in ("best", "final"):
        os.makedirs(os.path.join(out, name), exist_ok=True)
    steps, every = int(settings.get("train.steps", 7)), int(settings.get("log.every", 1))
    flops, seconds = FLOPS_OF_A_STEP[arguments[0]], SECONDS_OF_A_STEP[arguments[0]]
    loss = 1 + abs(float(settings.get("train.lr", 1)) - 3)  # tuning should choose 3
    with open(os.path.join(out, "metrics.jsonl"), "w") as file:
        for step in [*range(every, steps, every), steps]:
            line = {"step": step, "loss": 0.5, "training_s": 5 + seconds * step}  # the first step is slow
            file.write(json.dumps({**line, **({"flops": flops * step} if flops else {})}) + "\n")
        for step, more in ((steps - 1, 0.0), (steps, 0.125)):
            file.write(json.dumps({"step": step, "validation_loss": loss + more, "validation_accuracy": 1 / loss}) + "\n")


def evaluate(arguments):
    out = arguments[arguments.index("--out") + 1]
    os.makedirs(out, exist_ok=True)
    seed, arm = int(out.split("seed_")[1].split("/")[0]), os.path.basename(out).split(".")[0]
    right = RIGHT[arm.split("_")[0]][seed] if arm != "base" else 40
    data = arguments[arguments.index("--data") + 1]
    filters = {"final-answer": {"right": right, "answers": QUESTIONS}}
    method = {"parameters": 29} if "--latent" in arguments else None
    with open(os.path.join(out, "results_1.json"), "w") as file:
        json.dump({"results": {"gsm8k_sft": {"bt": {"filters": filters}}}, "bt": {"method": method},
                   "config": {"model_num_parameters": 1000}}, file)
    with open(os.path.join(out, "samples_gsm8k_sft_1.jsonl"), "w") as file:
        for question in range(QUESTIONS):
            file.write(json.dumps({"doc_id": question, "doc_hash": f"{data} {question}", "filter": "final-answer",
                                   "metrics": ["exact_match"], "exact_match": float(question < right)}) + "\n")


def make_data(arguments):
    out = arguments[arguments.index("--out") + 1]
    if arguments[0] == "train-tokenizer":
        os.makedirs(out, exist_ok=True)
        out = os.path.join(out, "tokenizer.model")
    open(out, "w").close()


def wanted(variable):
    return os.environ.get(variable, "never") in " ".join(sys.argv)


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def main():
    program, *arguments = sys.argv[1:]
    with open("calls.txt", "a") as file:
        file.write(" ".join([program, *arguments]) + "\n")
    if wanted("FAKE_SLOW"):
        count = len(open("calls.txt").readlines())
        wait_for(lambda: len(open("calls.txt").readlines()) > count)
    if wanted("FAKE_FAIL"):
        sys.exit(3)
    if wanted("FAKE_NAN"):
        sys.exit(4)
    if program == "bt-eval":
        return evaluate(arguments[1:])
    return train(arguments) if program == "bt-train" else make_data(arguments)


main()
