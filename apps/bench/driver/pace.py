"""Whether the cores are as fast as they can be. Those of a virtual machine are slower while a neighbour uses the same
physical core, for a moment or for minutes, and no counter tells. So a fixed piece of work is timed on each of them
before and after a sample, and compared with the fastest time of this run.

A slow core of the server's makes a sample useless for what the server costs. A slow core of the load generator's does
not, but it changes how much of the load comes at once: samples are compared with those in which it was as slow."""

import os
import subprocess
import time

MOST_SLOWED = 0.10  # beyond that a sample is contaminated
MOST_UNLIKE = 0.10  # beyond that two samples had different load generators
LOOKS = 20  # at each core to begin with
PATIENCE = 1.0  # seconds to wait for fast cores before a sample
PAUSE = 0.05


class Pace:
    def __init__(self, program, cores):
        self.program = str(program)
        self.fastest = dict.fromkeys(sorted(cores), float("inf"))
        for _ in range(LOOKS):
            self.slowed()
            time.sleep(PAUSE)

    def slowed(self):
        """How much slower than at its best each core is: 0.2 for a fifth more time."""
        found = {}
        for core, took in self.look().items():
            self.fastest[core] = min(self.fastest[core], took)
            found[core] = took / self.fastest[core] - 1
        return found

    def look(self):
        """The cores are looked at one by one: two that share a physical core would slow each other."""
        return {core: self.time_on(core) for core in self.fastest}

    def time_on(self, core):
        done = subprocess.run(
            [self.program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        return int(done.stdout)

    def wait(self):
        """Until the cores are fast, or for so long that they are not going to be. Returns how slow each one is."""
        deadline = time.monotonic() + PATIENCE
        while True:
            slowed = self.slowed()
            if max(slowed.values()) <= MOST_SLOWED or time.monotonic() >= deadline:
                return slowed
            time.sleep(PAUSE)


def alike(one, other):
    """Whether two load generators were as fast as each other, given by how much they were slowed."""
    return (1 + max(one, other)) / (1 + min(one, other)) - 1 <= MOST_UNLIKE
