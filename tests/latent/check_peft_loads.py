"""Checks that PEFT opens the adapters of `latent.method: lora` and computes the same logits.

    build/cpu/bin/latent_tests --gtest_filter='Peft.*'    # writes build/cpu/saved_adapters
    hf/bin/python tests/latent/check_peft_loads.py build/cpu/saved_adapters

The environment is that of make_peft_fixtures.py.
"""
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

BACKBONE = pathlib.Path(__file__).parent.parent / "model/fixtures/llama_gqa"
TOLERANCE = 1e-4


@torch.no_grad()
def main(saved):
    expected = load_file(saved / "expected.safetensors")
    expected["ids"] = expected["ids"].long()
    base = AutoModelForCausalLM.from_pretrained(BACKBONE, attn_implementation="eager")
    plain = base(expected["ids"][None]).logits[0]
    model = PeftModel.from_pretrained(base, saved).eval()
    logits = model(expected["ids"][None]).logits[0]
    missing = [name for name, tensor in model.named_parameters() if "lora_B" in name and not tensor.any()]
    worst, moved = (logits - expected["logits"]).abs().max().item(), (logits - plain).abs().max().item()
    print(f"{type(model).__name__}: logits differ by at most {worst:.1e}; the adapters move them by up to {moved:.1e}")
    sys.exit(bool(missing) or worst > TOLERANCE or moved < 100 * TOLERANCE)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
