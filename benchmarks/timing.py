"""Candidates timed side by side: CPU time of the process, in rounds in which each has its turn."""

import statistics
import time
from collections.abc import Callable, Mapping


def medians(functions: Mapping[str, Callable[[], object]], *, rounds: int, times: int = 1) -> dict[str, float]:
    """Return the median over the rounds of the seconds that one call of each function takes.

    A call too short for the clock is made `times` times in each round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.process_time()
            for _ in range(times):
                function()
            seconds[name].append((time.process_time() - start) / times)
    return {name: statistics.median(values) for name, values in seconds.items()}
