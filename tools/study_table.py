"""The Markdown table of a study."""
import statistics

NOTES = """
best: weights of the lowest validation loss; final: the last. Accuracy: mean over seeds, then each seed. FLOPs, seconds, steps:
of the arm's own training, mean over seeds; what its start was trained with before is not in them. FLOPs "-": no formula.
Loss gap: validation less training loss, natural log per token. Intervals: 95 %, two-way bootstrap over seeds and questions.
"""


def mean(values):
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def number(value, form):
    return "-" if value is None else form.format(value)


def percent(values):
    return ", ".join(number(None if v is None else 100 * v, "{:.1f}") for v in values)


def row_lines(results):
    lines = ["| arm | weights | split | task, filter | accuracy % | by seed | validation loss | loss gap | FLOPs | seconds | steps "
             "| trained | in inference |", "|---" * 13 + "|"]
    for row in results.rows:
        average = mean(row["accuracy"])
        gaps = [v - t for v, t in zip(row["validation_loss"], row["train_loss"]) if None not in (v, t)]
        failed = f", failed: {', '.join(map(str, row['failed']))}" if row["failed"] else ""
        cells = [row["arm"], row["weights"], row["split"], f"{row['task']}, {row['filter']}",
                 number(average and 100 * average, "{:.1f}"), percent(row["accuracy"]) + failed,
                 number(mean(row["validation_loss"]), "{:.4f}"), number(mean(gaps), "{:+.4f}"),
                 number(mean(row["flops"]), "{:.2e}"), number(mean(row["training_s"]), "{:.0f}"),
                 number(mean(row["steps"]), "{:.0f}"), number(row["trained_parameters"], "{}"),
                 number(row["inference_parameters"], "{}")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def verdict(low, high):
    return "null: 0 lies in the interval" if low <= 0 <= high else "higher" if low > 0 else "lower"


def contrast_lines(contrasts, corrected):
    lines = [f"| a − b | split | outcome | points [95 %] | by seed | p |{' p, Holm |' if corrected else ''} finding |",
             "|---" * (8 if corrected else 7) + "|"]
    for c in contrasts:
        if c["difference"] is None:
            lines.append(f"| {c['a']} − {c['b']} | {c['split']} | {c['outcome']} | - | every seed failed |" + " - |" * (2 + corrected))
            continue
        low, high = (100 * bound for bound in c["interval"])
        by_seed = ", ".join(number(None if v is None else 100 * v, "{:+.1f}") for v in c["per_seed"])
        holm = f" {c['p_holm']:.4f} |" if corrected else ""
        lines.append(f"| {c['a']} − {c['b']} | {c['split']} | {c['outcome']} | {100 * c['difference']:+.2f} [{low:+.2f}, {high:+.2f}] | "
                     f"{by_seed} | {c['p']:.4f} |{holm} {verdict(low, high)} |")
    return lines


def learned_lines(results):
    lines = []
    outcomes = [results.protocol.primary] if results.protocol.primary else []
    for outcome in outcomes + results.protocol.outcomes:
        threshold = outcome.get("learned_above")
        if threshold is None:
            continue
        lines += ["", f"Seeds that learned, {outcome['task']}, {outcome['filter']}, {outcome['split']}, {outcome['weights']} weights: "
                  f"accuracy above {100 * threshold:g} %", ""]
        for row in results.rows:
            if all(row[key] == outcome[key] for key in ("task", "filter", "split", "weights")):
                learned = sum(value is not None and value > threshold for value in row["accuracy"])
                lines.append(f"- {row['arm']}: {learned} of {len(row['accuracy'])}")
    return lines


def markdown(results, identity):
    protocol = results.protocol
    lines = [f"Protocol {identity['file']}, SHA-256 {identity['sha256']}"
             + (f", overrides {' '.join(identity['overrides'])}" if identity["overrides"] else "") + ".",
             f"Seeds finished: {', '.join(map(str, results.seeds)) or 'none'}, of {', '.join(map(str, protocol.seeds))}."]
    if not results.seeds:
        return "\n".join(lines) + "\n"
    lines += ["", *row_lines(results), *learned_lines(results)]
    primary = [c for c in results.contrasts if c["primary"]]
    others = [c for c in results.contrasts if not c["primary"]]
    if primary:
        lines += ["", "Primary contrasts, p values corrected together (Holm):", "", *contrast_lines(primary, True)]
    if others:
        lines += ["", "Secondary, not corrected for their number:", "", *contrast_lines(others, False)]
    return "\n".join(lines) + "\n" + NOTES
