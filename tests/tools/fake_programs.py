"""Stand-ins for bt-train and bt-eval: they note their calls in calls.txt and write what the real ones would leave behind.

FAKE_FAIL=TEXT: a call that contains TEXT ends with code 3. FAKE_STOP=TEXT: a training that contains TEXT ends early with
code 0. FAKE_WAIT=TEXT: a training that contains TEXT waits for SIGTERM, notes it, and ends with code 0.
"""
import json
import os
import signal
import sys
import time

# Shares right that the stand-in models reach, by name of the row; by seed where a list.
RIGHT = {"sft": [50, 60, 55], "base": 40, "bt": [53, 60, 55], "lora": [58, 72, 54], "worse": [10, 10, 10], "shift": 50}
ITEMS = 100


def right(folder):
    row = RIGHT[os.path.basename(folder)]
    return row[int(folder.split("seed_")[1].split("/")[0])] if isinstance(row, list) else row


def train(arguments):
    out = dict(a.split("=", 1) for a in arguments[1:])["run.out"]
    os.makedirs(out, exist_ok=True)
    if wanted("FAKE_STOP"):
        return
    if wanted("FAKE_WAIT"):
        signal.signal(signal.SIGTERM, lambda *_: open("got_sigterm", "w").close())
        open("waiting", "w").close()
        deadline = time.monotonic() + 20
        while not os.path.exists("got_sigterm") and time.monotonic() < deadline:
            time.sleep(0.01)
        return
    for name in ("best", "final"):
        os.makedirs(os.path.join(out, name), exist_ok=True)
    with open(os.path.join(out, "metrics.jsonl"), "w") as file:
        if "untrained.yaml" not in arguments:
            file.write(json.dumps({"step": 7, "loss": 1.0, "flops": 2.5e9}) + "\n")
        file.write(json.dumps({"step": 7, "validation_loss": 1.0}) + "\n")


def evaluate(arguments):
    out = arguments[arguments.index("--out") + 1]
    os.makedirs(out, exist_ok=True)
    filters = {"final-answer": {"right": right(out), "answers": ITEMS}}
    method = {"parameters": 29} if "--latent" in arguments else None
    with open(os.path.join(out, "results_1.json"), "w") as file:
        json.dump({"results": {"gsm8k_sft": {"bt": {"filters": filters}}}, "git_hash": "abc",
                   "bt": {"version": "0", "method": method},
                   "config": {"model_num_parameters": 1000, "device": "cpu", "model_dtype": "float32"}}, file)


def compare(a, b):
    difference = (right(b) - right(a)) / ITEMS
    print(json.dumps({"comparisons": [{"task": "gsm8k_sft", "filter": "final-answer", "difference": difference,
                                       "interval": [difference - 0.04, difference + 0.04]}]}))


def wanted(variable):
    return os.environ.get(variable, "never") in " ".join(sys.argv)


def main():
    program, *arguments = sys.argv[1:]
    if program == "bt-eval" and arguments[0] == "compare":
        return compare(arguments[1], arguments[2])
    with open("calls.txt", "a") as file:
        file.write(" ".join([program, *arguments]) + "\n")
    if wanted("FAKE_FAIL"):
        sys.exit(3)
    return train(arguments) if program == "bt-train" else evaluate(arguments)


main()
