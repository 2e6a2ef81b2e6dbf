"""Checks that transformers loads what save_backbone wrote and computes the same logits.

    build/cpu/bin/model_tests --gtest_filter='*SavedAgain*'    # writes build/cpu/saved_models from the fixtures
    hf/bin/python tests/model/check_hf_loads.py build/cpu/saved_models

The environment is that of make_hf_fixtures.py.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
TOLERANCE = 1e-5  # where the weights lie in memory changes the order of a sum


@torch.no_grad()
def main(saved):
    for folder in sorted(FIXTURES.iterdir()):
        expected = load_file(folder / "expected.safetensors")
        model, report = AutoModelForCausalLM.from_pretrained(saved / folder.name, attn_implementation="eager",
                                                             output_loading_info=True)
        problems = {key: value for key, value in report.items() if value}
        worst = max((model(expected[f"ids_{n}"][None]).logits[0] - expected[f"logits_{n}"]).abs().max().item()
                    for n in (1, 37))
        print(f"{folder.name}: {type(model).__name__} {model.dtype}, logits differ by at most {worst:.1e}")
        if problems or worst > TOLERANCE:
            sys.exit(f"{folder.name}: {problems or 'logits differ'}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
