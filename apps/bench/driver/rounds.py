"""The order of the samples of a workload: rounds in which each candidate has its turn, and more of them until enough
samples are clean."""

import candidates
import measuring
from summary import LEAST_PAIRS, fewest_clean_pairs

ATTEMPTS = 3  # at a sample, until one is not contaminated
MOST_ROUNDS = 2  # times those asked for; on a machine that is never quiet the rest stays undecided
DESCRIPTORS = 256  # that a server needs beside its connections


def take_part(workload, chosen, settings, result, limit):
    """The candidates that a workload can be measured with; why not goes to the result."""
    if workload.connections + DESCRIPTORS > limit:
        result["skipped"][workload.title] = f"{limit} descriptors are allowed (ulimit -n)"
        return []
    found = []
    for candidate in chosen:
        if workload.mode in candidate.without:
            continue
        try:
            candidates.command(candidate, settings.programs, workload.mode)
            found.append(candidate)
        except candidates.Absent as reason:
            result["skipped"][candidate.title] = str(reason)
    return found


def measure_workload(workload, taking_part, settings, rounds, result, progress):
    """Appends the samples to the result as they are taken, so that what there is outlives an interruption."""
    taking_part = list(taking_part)
    for number in range(MOST_ROUNDS * rounds):
        if number >= rounds:
            taking_part = in_need(taking_part, result, workload, rounds)
            if not taking_part:
                return
        # Each round begins with another, so that none always comes after the same one.
        turn = number % max(1, len(taking_part))
        for candidate in [*taking_part[turn:], *taking_part[:turn]]:
            extra = "" if number < rounds else ", since too few samples were clean"
            progress(f"{workload.name}, round {number + 1} of {max(rounds, number + 1)}{extra}: {candidate.title}")
            try:
                sample = best_sample(workload, candidate, settings)
            except (measuring.Failed, candidates.Absent) as failure:
                result["skipped"][f"{candidate.title}, {workload.name}"] = str(failure)
                progress.say(f"{candidate.title} left out of {workload.name}: {failure}")
                taking_part.remove(candidate)
                continue
            finally:
                if number < rounds:
                    progress.step()
            result["backends"][candidate.name] = sample.pop("backend")
            if engine := sample.pop("engine", None):
                result["engines"][workload.name] = engine
            result["samples"].append(
                {"workload": workload.name, "candidate": candidate.name, "round": number, **sample}
            )


def in_need(taking_part, result, workload, rounds):
    """Those of whom too few samples were clean, and whom they are compared with. Whoever asks for fewer rounds than a
    ratio needs wants a quick look."""
    pairs = fewest_clean_pairs(result, workload)
    lacking = {name for name, count in pairs.items() if count < min(LEAST_PAIRS, rounds)}
    if not lacking:
        return []
    raw = {name for names in candidates.RAW.values() for name in names}
    return [candidate for candidate in taking_part if candidate.name in lacking | raw]


def best_sample(workload, candidate, settings):
    """The first that is not contaminated; otherwise the one that is least."""
    tried = []
    for attempt in range(1, ATTEMPTS + 1):
        sample = measuring.take_sample(workload, candidate, settings)
        sample["attempts"] = attempt
        tried.append(sample)
        if not sample["contaminated"]:
            break
    return min(tried, key=lambda sample: sum(sample["contaminated"].values()))
