"""Paired differences over seeds and questions: a two-way bootstrap, and Holm's correction."""
import bisect
import itertools
import operator
import random


def sum_distribution(minus, zero, plus):
    """(least sum, [probability of each sum from there on]) of as many draws, with replacement, from `minus` times -1, `zero`
    times 0 and `plus` times +1. By squaring; tails below 1e-13 are cut, so that it stays short however many questions."""
    count = minus + zero + plus
    one = (-1, [minus / count, zero / count, plus / count])
    total = (0, [1.0])
    for bit in bin(count)[2:]:
        total = convolved(total, total)
        if bit == "1":
            total = convolved(total, one)
    return total


def convolved(a, b):
    width, flipped = len(b[1]) - 1, b[1][::-1]
    padded = [0.0] * width + a[1] + [0.0] * width
    values = [sum(map(operator.mul, padded[at:at + width + 1], flipped)) for at in range(len(a[1]) + width)]
    kept = [at for at, probability in enumerate(values) if probability > 1e-13]
    return a[0] + b[0] + kept[0], values[kept[0]:kept[-1] + 1]


def bootstrap(counts, resamples=10000, seed=0):
    """Sorted means of resampled studies. counts: for each seed (questions that a alone gets right, that both or neither,
    that b alone). A resample draws as many seeds, with replacement, and of each drawn seed's questions as many, with
    replacement; what a draw of a seed gives is one mixture of the seeds' distributions, so it is drawn from that."""
    weight = {}
    for a_alone, same, b_alone in counts:
        least, probabilities = sum_distribution(b_alone, same, a_alone)
        for total, probability in enumerate(probabilities, least):
            mean = total / (a_alone + same + b_alone)
            weight[mean] = weight.get(mean, 0.0) + probability
    values, draws = list(weight), len(counts)
    cumulative = list(itertools.accumulate(weight.values()))
    drawn = random.Random(seed).choices(values, cum_weights=cumulative, k=resamples * draws)
    return sorted(sum(drawn[at:at + draws]) / draws for at in range(0, len(drawn), draws))


def bootstrap_shared(differences, resamples=10000, seed=0):
    """The same where all seeds have the same questions, which are then drawn once for all drawn seeds. differences[seed]
    [question]: -1, 0 or 1. The mean over drawn questions is drawn from the normal distribution of its variance, which
    hundreds of questions warrant."""
    chance, seeds, questions = random.Random(seed), len(differences), len(differences[0])
    means = [sum(of_seed) / questions for of_seed in differences]
    covariance = [[sum(map(operator.mul, a, b)) / questions - x * y for b, y in zip(differences, means)]
                  for a, x in zip(differences, means)]
    found = []
    for _ in range(resamples):
        drawn = chance.choices(range(seeds), k=seeds)
        variance = sum(covariance[a][b] for a in drawn for b in drawn) / questions
        found.append((sum(means[one] for one in drawn) + chance.gauss(0, 1) * max(0.0, variance) ** 0.5) / seeds)
    return sorted(found)


def interval(means, confidence=0.95):
    """Percentiles of the sorted means."""
    tail = (1 - confidence) / 2
    last = len(means) - 1
    return [means[round(tail * last)], means[round((1 - tail) * last)]]


def p_value(means):
    """Two-sided: twice the share of resamples on the rarer side of 0, those at 0 counted on both, and one counted in."""
    at_or_below = bisect.bisect_right(means, 1e-12)
    at_or_above = len(means) - bisect.bisect_left(means, -1e-12)
    return min(1.0, 2 * (min(at_or_below, at_or_above) + 1) / (len(means) + 1))


def holm(p_values):
    """In the order given."""
    adjusted, greatest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = greatest
    return adjusted
