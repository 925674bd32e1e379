"""How far a run is and how long it will take, counted in tokens: steps differ in length."""

import time
from dataclasses import dataclass

from trainer.rundir import Metrics

# The backward pass takes about two forward passes.
FORWARD_SHARE = 1 / 3


@dataclass
class Pace:
    """How fast a run goes through the tokens that it has planned.

    Attributes:
        planned: tokens of the whole run.
        done: tokens so far, those of earlier attempts included.
        only_read: tokens that are forwarded after the last step, of which no progress is reported.
    """

    planned: int
    done: int = 0
    only_read: int = 0

    def __post_init__(self) -> None:
        self._done_before, self._started = self.done, time.monotonic()

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0..1."""
        return self.done / max(1, self.planned)

    def advance(self, tokens: int) -> Metrics:
        """Count tokens that were trained on and return what is reported of the pace."""
        self.done += tokens
        elapsed = max(1e-9, time.monotonic() - self._started)
        rate = (self.done - self._done_before) / elapsed
        left = max(0, self.planned - self.done) + FORWARD_SHARE * self.only_read
        return {
            "tokens": self.done,
            "tokens_per_second": round(rate, 1),
            "seconds_left": round(left / max(rate, 1e-9), 1),
        }
