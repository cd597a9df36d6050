"""Signals that end the program early, yet not before it has kept and shown what it has measured."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
    """Once; a second signal ends the program as if there were no handler."""
    for other in SIGNALS:
        signal.signal(other, signal.SIG_DFL)
    raise Interrupted(number)
