"""Makes tests/latent/fixtures/peft*: tiny adapters as PEFT writes them, with what it computes from them.

    python -m venv hf && hf/bin/pip install torch transformers safetensors peft
    hf/bin/python tests/latent/make_peft_fixtures.py

The backbone is tests/model/fixtures/llama_gqa. Each folder holds adapter_config.json, adapter_model.safetensors and
expected.safetensors: ids [N], logits [N, V] computed in fp64.
"""
import pathlib
import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

TESTS = pathlib.Path(__file__).parent.parent
BACKBONE = TESTS / "model/fixtures/llama_gqa"
CASES = {
    "peft": LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=12, target_modules=["q_proj", "down_proj"]),
    "peft_rslora": LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=6, use_rslora=True, target_modules="all-linear"),
}


@torch.no_grad()
def main():
    for seed, (name, config) in enumerate(CASES.items()):
        torch.manual_seed(seed)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(BACKBONE, attn_implementation="eager"), config).eval()
        for parameter_name, parameter in model.named_parameters():
            if "lora_" in parameter_name:
                parameter.normal_(0.0, 0.3)
        folder = pathlib.Path(__file__).parent / "fixtures" / name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        text = (folder / "adapter_config.json").read_text().replace(str(BACKBONE), "llama_gqa")
        (folder / "adapter_config.json").write_text(text)
        ids = torch.randint(3, 59, (23,))
        save_file({"ids": ids, "logits": model.double()(ids[None]).logits[0].float().contiguous()}, folder / "expected.safetensors")
        for file in folder.iterdir():
            file.chmod(0o644)


if __name__ == "__main__":
    main()
