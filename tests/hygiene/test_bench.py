"""What the benchmark suite makes of its samples: which of them are compared, and when a figure decides something."""

import sys
import unittest

from project import ROOT

sys.path.insert(0, str(ROOT / "apps" / "bench" / "driver"))

import document  # noqa: E402
import rounds  # noqa: E402
import summary  # noqa: E402
import workloads  # noqa: E402
from candidates import named  # noqa: E402

ECHO = workloads.named("echo-64")


def sample(candidate, number, cpu, rate=1.0, load_slowed=0.0, contaminated=()):
    return {
        "workload": ECHO.name,
        "candidate": candidate,
        "round": number,
        "values": {"cpu_ns": cpu, "rate": rate},
        "load_slowed": load_slowed,
        "contaminated": dict.fromkeys(contaminated, 2.0),
    }


def pairs(number, ours=110.0, **more):
    """A round of the raw program and ours."""
    return [sample("uring", number, 100.0), sample("sennit-uring", number, ours, **more)]


def row(samples):
    return {row.candidate: row for row in summary.rows({"samples": samples}, ECHO)}["sennit-uring"]


class Ratios(unittest.TestCase):
    def test_are_of_samples_of_the_same_round(self):
        samples = [entry for number in range(4) for entry in pairs(number)]
        self.assertAlmostEqual(row(samples).to_raw.median, 1.1)
        self.assertTrue(row(samples).to_raw.decided)

    def test_leave_out_contaminated_samples(self):
        samples = [entry for number in range(4) for entry in pairs(number)]
        samples += [entry for number in (4, 5, 6) for entry in pairs(number, ours=500.0, contaminated=["slow"])]
        self.assertAlmostEqual(row(samples).to_raw.median, 1.1)

    def test_leave_out_samples_whose_load_was_slower(self):
        samples = [entry for number in range(4) for entry in pairs(number)]
        samples += [entry for number in range(4, 10) for entry in pairs(number, ours=300.0, load_slowed=0.4)]
        self.assertAlmostEqual(row(samples).to_raw.median, 1.1)

    def test_of_three_pairs_decide_nothing(self):
        samples = [entry for number in range(3) for entry in pairs(number)]
        self.assertFalse(row(samples).to_raw.decided)
        self.assertEqual(document.verdict(row(samples).to_raw, 1.02), "undecided")

    def test_of_rates_are_those_of_the_two_that_race(self):
        samples = [
            sample(name, number, 100.0, rate=rate)
            for number in range(4)
            for name, rate in (("sennit-uring", 3.0), ("asio-epoll", 2.0))
        ]
        race = workloads.Race("sennit-uring", "asio-epoll", 1.35)
        self.assertAlmostEqual(summary.rate_ratio({"samples": samples}, ECHO, race).median, 1.5)
        other = workloads.Race("sennit-uring", "asio-uring", 1.12)
        self.assertIsNone(summary.rate_ratio({"samples": samples}, ECHO, other))


class Verdicts(unittest.TestCase):
    def test_say_on_which_side_of_the_bound_a_figure_is(self):
        self.assertEqual(document.verdict(summary.Value(1.01, 0.001), 1.02), "yes")
        self.assertEqual(document.verdict(summary.Value(1.03, 0.001), 1.02), "no")
        self.assertEqual(document.verdict(summary.Value(1.40, 0.001), 1.35, at_least=True), "yes")
        self.assertEqual(document.verdict(summary.Value(1.30, 0.001), 1.35, at_least=True), "no")

    def test_say_when_the_noise_is_wider_than_the_distance(self):
        self.assertEqual(document.verdict(summary.Value(1.03, 0.05), 1.02), "no, by less than the noise")


class FurtherRounds(unittest.TestCase):
    TAKING_PART = [named(name) for name in ("uring", "epoll", "sennit-uring", "libuv")]

    def in_need(self, samples, asked=5):
        return [found.name for found in rounds.in_need(self.TAKING_PART, {"samples": samples}, ECHO, asked)]

    def test_are_for_those_with_too_few_clean_pairs_and_what_they_are_compared_with(self):
        samples = [sample(candidate.name, number, 100.0) for number in range(5) for candidate in self.TAKING_PART[:2]]
        samples += [sample("sennit-uring", number, 100.0) for number in range(5)]
        samples += [sample("libuv", number, 100.0, contaminated=["slow"] if number < 2 else []) for number in range(5)]
        self.assertEqual(self.in_need(samples), ["uring", "epoll", "libuv"])

    def test_are_not_made_when_all_is_clean(self):
        samples = [sample(candidate.name, number, 100.0) for number in range(5) for candidate in self.TAKING_PART]
        self.assertEqual(self.in_need(samples), [])

    def test_are_not_made_for_a_quick_look(self):
        samples = [sample(candidate.name, number, 100.0) for number in range(2) for candidate in self.TAKING_PART]
        self.assertEqual(self.in_need(samples, asked=2), [])


if __name__ == "__main__":
    unittest.main()
