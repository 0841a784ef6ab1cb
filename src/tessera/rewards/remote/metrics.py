"""What a reward server counts, in the text that Prometheus reads (its exposition format 0.0.4)."""

from collections import Counter
from dataclasses import dataclass, field

from tessera.rewards.remote.limits import FAILURES, Failure

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "tessera_reward_"


@dataclass(slots=True)
class Meter:
    """Counts since the server began. One thread writes them: that of the event loop.

    Every request ends as answered or as one failure, so requests = answered + failures + in flight.
    """

    requests: int = 0
    in_flight: int = 0
    answered: int = 0
    pictures: int = 0  # of answered requests
    missing: int = 0  # of these pictures
    seconds: float = 0.0  # the reward took for them
    failures: Counter[Failure] = field(default_factory=Counter)

    def began(self) -> None:
        """Counts a request that has come."""
        self.requests += 1
        self.in_flight += 1

    def done(self, pictures: int, missing: int, seconds: float) -> None:
        """Counts it as answered."""
        self.in_flight -= 1
        self.answered += 1
        self.pictures += pictures
        self.missing += missing
        self.seconds += seconds

    def failed(self, kind: Failure) -> None:
        """Counts it as refused, or failed."""
        self.in_flight -= 1
        self.failures[kind] += 1

    def text(self) -> str:
        """Returns all counts."""
        rows = [
            *_metric("requests_total", "counter", "requests for scores", self.requests),
            *_metric("in_flight", "gauge", "of these, not finished", self.in_flight),
            *_metric("answered_total", "counter", "of these, answered with scores", self.answered),
            *_metric("pictures_total", "counter", "pictures of answered requests", self.pictures),
            *_metric("missing_total", "counter", "of these pictures, without a value", self.missing),
            *_metric("seconds_total", "counter", "that the reward took for them", self.seconds),
            *_head("failures_total", "counter", "requests that got no scores, by what was wrong"),
            *(f'{PREFIX}failures_total{{kind="{kind}"}} {self.failures[kind]}' for kind in FAILURES),
        ]
        return "\n".join(rows) + "\n"


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {what}", f"# TYPE {PREFIX}{name} {kind}"]


def _metric(name: str, kind: str, what: str, value: int | float) -> list[str]:
    return [*_head(name, kind, what), f"{PREFIX}{name} {value}"]
