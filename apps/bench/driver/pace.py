"""Whether the cores are as fast as they can be. Those of a virtual machine are slower while a neighbour uses the same
physical core, for seconds at a time, and no counter tells. So a fixed piece of work is timed on each of them before and
after a sample, and compared with the fastest time of this run."""

import os
import subprocess
import time

MOST_SLOWED = 0.10  # beyond that a sample is contaminated
LOOKS = 20  # at each core to begin with
PATIENCE = 2.0  # seconds to wait for fast cores before a sample
PAUSE = 0.05


class Pace:
    def __init__(self, program, cores):
        self.program = str(program)
        self.fastest = dict.fromkeys(sorted(cores), float("inf"))
        for _ in range(LOOKS):
            self.slowed()
            time.sleep(PAUSE)

    def slowed(self):
        """How much slower than at its best the slowest of the cores is: 0.2 for a fifth more time."""
        worst = 0.0
        for core, took in self.look().items():
            self.fastest[core] = min(self.fastest[core], took)
            worst = max(worst, took / self.fastest[core] - 1)
        return worst

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
        """Until the cores are fast, or for so long that they are not going to be."""
        deadline = time.monotonic() + PATIENCE
        while self.slowed() > MOST_SLOWED and time.monotonic() < deadline:
            time.sleep(PAUSE)
