"""From samples to figures: medians, their uncertainty, and medians of ratios between samples of the same round."""

from dataclasses import dataclass

import candidates
import pace
import workloads
from noise import combine, median, uncertainty

LEAST_PAIRS = 4  # clean ones, that a ratio needs


@dataclass(frozen=True)
class Value:
    median: float
    uncertainty: float | None  # None: too few samples to tell
    decided: bool = True  # a ratio of too few clean pairs is not

    @staticmethod
    def of(values, decided=True):
        return Value(median(values), uncertainty(values), decided) if values else None

    def relative(self):
        known = self.decided and self.uncertainty is not None and self.median != 0
        return self.uncertainty / abs(self.median) if known else None


@dataclass(frozen=True)
class Row:
    candidate: str
    figure: Value  # in the unit of the workload's figure
    to_limit: Value | None  # the ratio to the tuned io_uring peer
    to_raw: Value | None  # the ratio to the best raw peer on the same backend
    others: dict  # medians of all else that was measured
    samples: int
    contaminated: int


def rows(result, workload):
    """The rows of a workload's table, in the order of the candidates."""
    all_of = samples_of(result, workload)
    limit = all_of.get(candidates.LIMIT, {})
    found = []
    for candidate in candidates.CANDIDATES:
        rounds = all_of.get(candidate.name)
        if not rounds:
            continue
        samples = list(trustworthy(rounds).values())
        key, scale = workload.figure.key, workload.figure.scale
        raw = best_raw(all_of, candidate.backend, key)
        found.append(
            Row(
                candidate=candidate.name,
                figure=Value.of([sample["values"][key] * scale for sample in samples]),
                to_limit=paired_ratio(rounds, limit, key),
                to_raw=paired_ratio(rounds, raw, key),
                others=medians([sample["values"] for sample in samples]),
                samples=len(rounds),
                contaminated=sum(bool(sample["contaminated"]) for sample in rounds.values()),
            )
        )
    return found


def rate_ratio(result, workload, race):
    """Messages a second for each one of the other's; None when one of the two was not measured."""
    all_of = samples_of(result, workload)
    if race.ours not in all_of or race.theirs not in all_of:
        return None
    return paired_ratio(all_of[race.ours], all_of[race.theirs], "rate")


def samples_of(result, workload):
    """By candidate and round."""
    found = {}
    for sample in result["samples"]:
        if sample["workload"] == workload.name:
            found.setdefault(sample["candidate"], {})[sample["round"]] = sample
    return found


def trustworthy(rounds):
    """Those that are not contaminated, where they are the majority; otherwise all, with a mark in the table."""
    clean = clean_of(rounds)
    return clean if 2 * len(clean) > len(rounds) else rounds


def clean_of(rounds):
    return {number: sample for number, sample in rounds.items() if not sample["contaminated"]}


def best_raw(all_of, backend, key):
    measured = [all_of[name] for name in candidates.RAW[backend] if name in all_of]
    return min(measured, default={}, key=lambda rounds: typical(rounds, key))


def typical(rounds, key):
    return median([sample["values"][key] for sample in trustworthy(rounds).values()])


def paired_ratio(rounds, others, key):
    """Samples of one round were taken within moments, so what slows the whole machine cancels out. Of pairs of clean
    samples where there are enough; otherwise of all, and undecided."""
    if rounds is others:
        return Value(1.0, None)
    clean = ratios_of(*clean_pairs(rounds, others), key)
    decided = len(clean) >= LEAST_PAIRS
    return Value.of(clean if decided else ratios_of(rounds, others, key), decided)


def ratios_of(rounds, others, key):
    return [
        rounds[number]["values"][key] / others[number]["values"][key]
        for number in sorted(rounds.keys() & others.keys())
        if others[number]["values"][key] > 0
    ]


def clean_pairs(rounds, others):
    """Of two candidates, what is clean in rounds in which it can be compared."""
    ours, theirs = clean_of(rounds), clean_of(others)
    numbers = [
        number
        for number in ours.keys() & theirs.keys()
        if pace.alike(ours[number].get("load_slowed", 0), theirs[number].get("load_slowed", 0))
    ]
    return {number: ours[number] for number in numbers}, {number: theirs[number] for number in numbers}


def fewest_clean_pairs(result, workload):
    """Of each candidate with a raw program that it is compared with; of none that has nothing to be compared with."""
    all_of = samples_of(result, workload)
    key = workload.figure.key
    counts = {}
    for name, rounds in all_of.items():
        others = [best_raw(all_of, candidates.named(name).backend, key), all_of.get(candidates.LIMIT, {})]
        pairs = [len(ratios_of(*clean_pairs(rounds, other), key)) for other in others if other]
        if pairs:
            counts[name] = min(pairs)
    return counts


def medians(values):
    keys = {key for sample in values for key in sample}
    return {key: median([sample[key] for sample in values if key in sample]) for key in keys}


def measured_workloads(result):
    names = {sample["workload"] for sample in result["samples"]}
    return [workload for workload in workloads.WORKLOADS if workload.name in names]


OTHER_FIGURES = (
    ("micro", "ns", "ns"),
    ("micro", "instructions", "instructions"),
    ("compile", "seconds", "s"),
    ("compile", "bytes", "B"),
)


@dataclass(frozen=True)
class Change:
    group: str
    name: str
    unit: str
    old: float
    new: float
    ratio: float  # new to old; of the paired ratios where there are some
    uncertainty: float | None  # of that ratio

    def verdict(self):
        if self.uncertainty is None:
            return "too few samples to tell"
        if abs(self.ratio - 1) <= self.uncertainty:
            return "no change beyond the noise"
        return "worse" if self.ratio > 1 else "better"


def changes(old, new):
    """What can be compared between two results. Where both have the tuned peer, the ratio to it is, because that is as
    slow as everything else on a slow day."""
    found = []
    for workload in measured_workloads(new):
        before = {row.candidate: row for row in rows(old, workload)}
        for row in rows(new, workload):
            if row.candidate not in before:
                continue
            then = before[row.candidate]
            pair = (then.figure, row.figure)
            drifts = row.candidate != candidates.LIMIT and workload.figure.key != "bytes_each"
            if drifts and then.to_limit and row.to_limit:
                pair = (then.to_limit, row.to_limit)
            title = candidates.named(row.candidate).title
            found.append(change(workload.title, title, workload.figure.unit, (then.figure, row.figure), pair))
    for group, key, unit in OTHER_FIGURES:
        for name, values in new.get(group, {}).items():
            before = old.get(group, {}).get(name, {})
            if values.get(key) is None or before.get(key) is None:
                continue
            exact = 0.0 if key == "bytes" else None
            pair = tuple(Value(entry[key], entry.get(f"{key}_uncertainty", exact)) for entry in (before, values))
            found.append(change(group, name, unit, pair, pair))
    return found


def change(group, name, unit, shown, compared):
    (then, now), (old, new) = shown, compared
    ratio = new.median / old.median if old.median else float("inf")
    noise = combine(old.relative(), new.relative())
    return Change(group, name, unit, then.median, now.median, ratio, None if noise is None else noise * ratio)
