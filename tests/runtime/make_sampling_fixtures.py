"""Makes tests/runtime/fixtures/sampling.json: what transformers' logits processors keep of tricky rows of logits.

    python -m venv hf && hf/bin/pip install torch transformers
    hf/bin/python tests/runtime/make_sampling_fixtures.py

{"rows": {name: logits}, "cases": [{"row", "seen", "penalty", "temperature", "top_k", "top_p", "min_p", "kept", "tied"}]}:
null stands for -infinity, kept is [[id, probability], ...]. Where top_p cuts among equal tokens transformers keeps any of
them; such cases are tied.
"""
import itertools
import json
import math
import pathlib

import torch
from transformers import (LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor,
                          TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)

INF = math.inf
ROWS = {
    "plain": [1.0, -0.5, 2.25, 0.125, -3.0, 1.75, 0.5, -1.25],
    "ties": [1.0, 2.0, 2.0, 1.0, 2.0, -1.0, 1.0, 0.0],
    "hidden": [-INF, 0.5, -INF, 2.0, -INF, 1.25, -2.0, -INF],
    "one": [-INF, -INF, 3.5, -INF, -INF, -INF, -INF, -INF],
    "equal": [0.25] * 8,
    "peaked": [0.0, 60.0, -40.0, 1.0, 2.0, -7.0, 59.0, 3.0],
    "wide": [math.sin(7.0 * i) * 3.0 for i in range(64)],
}
SETTINGS = [dict(top_k=k, top_p=p, min_p=m, penalty=r, temperature=t)
            for k, p, m, r, t in itertools.product((0, 1, 3, 5), (1.0, 0.62, 0.05), (0.0, 0.21), (1.0, 1.3), (1.0, 0.6))]
SEEN = [[1, 3, 3, 5], [2]]


def case(name, settings, seen):
    scores = torch.tensor([ROWS[name]], dtype=torch.float64)
    processors = LogitsProcessorList()
    if settings["penalty"] != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(settings["penalty"]))
    processors.append(TemperatureLogitsWarper(settings["temperature"]))
    if settings["top_k"]:
        processors.append(TopKLogitsWarper(settings["top_k"]))
    before_p = processors(torch.tensor([seen]), scores).softmax(-1)[0]
    if settings["top_p"] < 1:
        processors.append(TopPLogitsWarper(settings["top_p"]))
    if settings["min_p"]:
        processors.append(MinPLogitsWarper(settings["min_p"]))
    out = processors(torch.tensor([seen]), scores).softmax(-1)[0]
    kept, lost = before_p[out > 0], before_p[(out == 0) & (before_p > 0)]
    tied = len(lost) > 0 and bool((lost.max() - kept.min()).abs() < 1e-9)
    return settings | {"row": name, "seen": sorted(set(seen)), "tied": tied,
                       "kept": [[i, float(f"{p:.7g}")] for i, p in enumerate(out.tolist()) if p > 0]}


def main():
    cases = [case(name, settings, seen) for name, settings in itertools.product(ROWS, SETTINGS)
             for seen in (SEEN if settings["penalty"] != 1 else SEEN[:1])
             if name != "wide" or settings["temperature"] == 1]
    path = pathlib.Path(__file__).parent / "fixtures/sampling.json"
    path.parent.mkdir(exist_ok=True)
    rows = {name: [None if x == -INF else x for x in row] for name, row in ROWS.items()}
    path.write_text(json.dumps({"rows": rows, "cases": cases}, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    print(len(cases), "cases,", sum(one["tied"] for one in cases), "tied,", path.stat().st_size // 1024, "KiB")


if __name__ == "__main__":
    main()
