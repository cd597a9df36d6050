"""What --soak adds: tests/kernel/soak_test.cpp for so many seconds on each backend, with its lines shown as they come."""

import threading

from suites import BUILDS, GoogleTest

BACKENDS = 2
SPARE_TIME = 300  # seconds


class Soak(GoogleTest):
    def __init__(self, seconds):
        variables = {"SENNIT_SOAK_SECONDS": str(seconds)}
        super().__init__("soak/kernel", BUILDS["test"], "kernel", test_filter="*Soak*", variables=variables)
        self.time_limit = BACKENDS * seconds + SPARE_TIME

    def known_green(self):
        return None  # it is about what happens in the long run

    def run(self, parts=()):
        ended = threading.Event()
        self.log.unlink(missing_ok=True)
        follower = threading.Thread(target=self.follow, args=(ended,))
        follower.start()
        try:
            return super().run(parts)
        finally:
            ended.set()
            follower.join()

    def follow(self, ended):
        """Prints the lines of the log that begin with `soak:`, until the program has ended."""
        shown = 0
        while not ended.wait(1):
            if self.log.exists():
                lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.startswith("soak:")]
                for line in lines[shown:]:
                    print(line, flush=True)
                shown = len(lines)


def soaks(seconds):
    return [Soak(seconds)]
