"""How many steps an arm makes so that it costs as much as another: samples, FLOPs, or seconds of training."""
from run_files import metrics, trained
from step_runner import fail

PROBE_SETTINGS = {"train.steps": 40, "train.warmup_steps": 0, "train.validate_every": 0, "checkpoint.every": 0,
                  "checkpoint.keep_best": False, "log.every": 5, "log.tensorboard": False}


def require_flops(run, name):
    """Ends the program where bt-train counted none."""
    if "flops" not in trained(metrics(run)):
        fail(2, f"{name} cannot be matched by flops: there is no formula for its method (docs/flops.md)\n"
                f"  found: no flops in {run}/metrics.jsonl\n  next step: match by samples or by wall")


def matched_steps(by, target, batches, probes):
    """target: the finished run of the other arm; batches: sequences of a step, the other arm's and its own; probes: short
    runs of the two, none for samples."""
    aim = trained(metrics(target))
    if by == "samples":
        steps = aim["step"] * batches[0] / batches[1]
    elif by == "flops":
        own = trained(metrics(probes[1]))
        steps = aim["flops"] / (own["flops"] / own["step"])
    else:
        steps = aim["step"] * seconds_of_a_step(probes[0]) / seconds_of_a_step(probes[1])
    return max(1, round(steps))


def seconds_of_a_step(probe):
    """The least of its intervals, which other work on the machine disturbed least. The two probes run one after the other:
    the seconds of the long run may have been measured under another load."""
    lines = [{"training_s": 0.0, "step": 0}] + [row for row in metrics(probe) if "loss" in row]
    return min((after["training_s"] - before["training_s"]) / (after["step"] - before["step"])
               for before, after in zip(lines, lines[1:]))
