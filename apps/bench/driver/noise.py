"""Medians, and how far they can be trusted."""

import math
import statistics


def median(values):
    return statistics.median(values)


def uncertainty(values):
    """Half the width of the interval that holds the true median in about 95 of 100 cases: the notch of a box plot,
    1.57 interquartile ranges over the root of the number. None for fewer than three values."""
    if len(values) < 3:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return 1.57 * (high - low) / math.sqrt(len(values))


def merge(histograms):
    """Histograms are lists of [largest value, count]."""
    merged = {}
    for histogram in histograms:
        for value, count in histogram:
            merged[value] = merged.get(value, 0) + count
    return sorted(merged.items())


def percentile(histogram, share):
    wanted = share * sum(count for _, count in histogram)
    seen = 0
    for value, count in histogram:
        seen += count
        if seen >= wanted:
            return value
    return histogram[-1][0]


def combine(*uncertainties):
    """Of a difference or, relative ones, of a ratio. None when one is not known."""
    if None in uncertainties:
        return None
    return math.hypot(*uncertainties)
