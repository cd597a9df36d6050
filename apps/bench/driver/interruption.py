"""Signals that end the program early, yet not before it has kept and shown what it has measured."""

import signal
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_REQUEST = 0.5  # seconds


class Interrupted(BaseException):
    """Like KeyboardInterrupt: not an error that anything in between may handle."""

    def __init__(self, number):
        self.name = signal.Signals(number).name
        self.status = 128 + number  # as a shell has it
        super().__init__(self.name)


def catch():
    for number in SIGNALS:
        # What nohup or a shell without job control ignores for this program stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def interrupt(number, _):
    """Once. A later signal ends the program as if there were no handler; not one that belongs to the same request, since
    timeout(1) sends two at once, to the program and to its process group."""
    first = time.monotonic()

    def again(number, _):
        if time.monotonic() - first > SAME_REQUEST:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for other in SIGNALS:
        signal.signal(other, again)
    raise Interrupted(number)
