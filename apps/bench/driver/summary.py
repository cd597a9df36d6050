"""From samples to figures: medians, their uncertainty, and medians of ratios between samples of the same round."""

from dataclasses import dataclass

import candidates
import workloads
from noise import combine, median, uncertainty


@dataclass(frozen=True)
class Value:
    median: float
    uncertainty: float | None  # None: too few samples to tell

    @staticmethod
    def of(values):
        return Value(median(values), uncertainty(values)) if values else None

    def relative(self):
        return None if self.uncertainty is None or self.median == 0 else self.uncertainty / abs(self.median)


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
    all_of = {}
    for sample in result["samples"]:
        if sample["workload"] == workload.name:
            all_of.setdefault(sample["candidate"], {})[sample["round"]] = sample
    by_candidate = {name: trustworthy(rounds) for name, rounds in all_of.items()}
    limit = by_candidate.get(candidates.LIMIT, {})
    found = []
    for candidate in candidates.CANDIDATES:
        rounds = by_candidate.get(candidate.name)
        if not rounds:
            continue
        samples = list(rounds.values())
        key, scale = workload.figure.key, workload.figure.scale
        raw = best_raw(by_candidate, candidate.backend, key)
        found.append(
            Row(
                candidate=candidate.name,
                figure=Value.of([sample["values"][key] * scale for sample in samples]),
                to_limit=paired_ratio(rounds, limit, key),
                to_raw=paired_ratio(rounds, raw, key),
                others=medians([sample["values"] for sample in samples]),
                samples=len(all_of[candidate.name]),
                contaminated=sum(bool(sample["contaminated"]) for sample in all_of[candidate.name].values()),
            )
        )
    return found


def trustworthy(rounds):
    """Those that are not contaminated, where they are the majority; otherwise all, with a mark in the table."""
    clean = {number: sample for number, sample in rounds.items() if not sample["contaminated"]}
    return clean if 2 * len(clean) > len(rounds) else rounds


def best_raw(by_candidate, backend, key):
    measured = [by_candidate[name] for name in candidates.RAW[backend] if name in by_candidate]
    return min(measured, default={}, key=lambda rounds: median([each["values"][key] for each in rounds.values()]))


def paired_ratio(rounds, others, key):
    """Samples of one round were taken within moments, so what slows the whole machine cancels out."""
    ratios = [
        rounds[number]["values"][key] / others[number]["values"][key]
        for number in sorted(rounds.keys() & others.keys())
        if others[number]["values"][key] > 0
    ]
    return Value.of(ratios)


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
