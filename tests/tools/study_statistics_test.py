"""Statistics of a study: against brute force, known variances and numbers by hand."""
import random
import statistics
import sys
import unittest

from tool_support import TOOLS, main

sys.path.insert(0, str(TOOLS))
from study_statistics import bootstrap, bootstrap_shared, holm, interval, p_value, sum_distribution  # noqa: E402


class Statistics(unittest.TestCase):
    def test_sums_of_draws_by_hand(self):
        least, probabilities = sum_distribution(1, 1, 2)  # four draws of -1, 0, 1 with probabilities 1/4, 1/4, 1/2
        self.assertEqual((least, len(probabilities)), (-4, 9))
        self.assertAlmostEqual(probabilities[0], 0.25 ** 4)
        self.assertAlmostEqual(probabilities[-1], 0.5 ** 4)
        self.assertAlmostEqual(probabilities[1], 4 * 0.25 ** 4)
        self.assertAlmostEqual(sum(probabilities), 1)

    def test_sums_of_many_draws_have_their_mean_and_variance(self):
        for minus, zero, plus in ((0, 5, 0), (0, 3000, 7), (300, 1500, 201), (2000, 0, 0)):
            count = minus + zero + plus
            mean = plus - minus
            least, probabilities = sum_distribution(minus, zero, plus)
            self.assertAlmostEqual(sum(probabilities), 1, 9)
            found = sum(p * value for value, p in enumerate(probabilities, least))
            variance = sum(p * (value - found) ** 2 for value, p in enumerate(probabilities, least))
            self.assertAlmostEqual(found, mean, 6)
            self.assertAlmostEqual(variance, minus + plus - mean ** 2 / count, 4)

    def test_resamples_are_those_of_brute_force(self):
        differences = [[1, 1, 0, 0, -1, 0], [0, 1, 1, 1], [-1, 0, 0, 0, 0]]
        counts = [tuple(d.count(value) for value in (1, 0, -1)) for d in differences]
        chance = random.Random(3)

        def brute():
            seeds = [chance.choice(differences) for _ in differences]
            return statistics.fmean(statistics.fmean(chance.choices(d, k=len(d))) for d in seeds)
        expected, found = sorted(brute() for _ in range(20000)), bootstrap(counts, 20000)
        self.assertAlmostEqual(statistics.fmean(found), statistics.fmean(expected), delta=0.01)
        self.assertAlmostEqual(statistics.stdev(found), statistics.stdev(expected), delta=0.01)
        for share in (0.025, 0.1, 0.5, 0.9, 0.975):
            at = int(share * 20000)
            self.assertAlmostEqual(found[at], expected[at], delta=0.03)

    def test_seeds_and_questions_both_add_variance(self):
        same = bootstrap([(120, 800, 80)] * 4)  # seeds do not differ: variance of questions alone
        self.assertAlmostEqual(statistics.variance(same), (0.2 - 0.04 ** 2) / 1000 / 4, delta=4e-6)
        apart = bootstrap([(0, 1000, 0), (1000, 0, 0)])  # questions do not: of seeds alone
        self.assertAlmostEqual(statistics.variance(apart), 0.25 / 2, delta=0.005)

    def test_questions_that_all_seeds_share_are_drawn_together(self):
        differences = [[1] * 30 + [0] * 50 + [-1] * 20] * 5  # copies: five seeds say no more than one
        found = bootstrap_shared(differences)
        self.assertAlmostEqual(statistics.fmean(found), 0.1, delta=0.005)
        self.assertAlmostEqual(statistics.variance(found), (0.5 - 0.01) / 100, delta=3e-4)
        chance = random.Random(5)
        differences = [[chance.choice((-1, 0, 0, 1, 1)) for _ in range(200)] for _ in range(3)]

        def brute():
            seeds, questions = chance.choices(range(3), k=3), chance.choices(range(200), k=200)
            return sum(differences[s][q] for s in seeds for q in questions) / 600
        expected, found = [brute() for _ in range(2000)], bootstrap_shared(differences)
        self.assertAlmostEqual(statistics.stdev(found) / statistics.stdev(expected), 1, delta=0.05)
        self.assertAlmostEqual(statistics.fmean(found), statistics.fmean(expected), delta=0.005)

    def test_the_same_counts_give_the_same_resamples(self):
        self.assertEqual(bootstrap([(5, 9, 2), (1, 9, 6)], 500), bootstrap([(5, 9, 2), (1, 9, 6)], 500))

    def test_interval_and_p_value(self):
        means = [value / 1000 for value in range(-50, 951)]  # 50 below 0, one at 0, 950 above
        low, high = interval(means)
        self.assertAlmostEqual(low, -0.025)
        self.assertAlmostEqual(high, 0.925)
        self.assertAlmostEqual(p_value(means), 2 * 52 / 1002)
        self.assertEqual(p_value([0.0] * 100), 1.0)
        self.assertAlmostEqual(p_value([0.1] * 9999), 2 / 10000)
        self.assertAlmostEqual(p_value([-0.1] * 9999), 2 / 10000)

    def test_holm_by_hand(self):
        for found, expected in zip(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]):
            self.assertAlmostEqual(found, expected)
        self.assertEqual(holm([0.6, 0.9]), [1.0, 1.0])
        self.assertEqual(holm([]), [])


main()
