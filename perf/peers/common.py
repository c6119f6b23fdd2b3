"""What the opponents share: the description of a prepared piece of work, and the choice of its fastest form.

A form is one of several ways to write the same work. Which is fastest differs between versions of a library and between problem sizes,
so a fair opponent tries them all and keeps the best, as a careful user would.
"""

import os
import time
from dataclasses import dataclass
from typing import Callable, Optional


class Misuse(Exception):
    """A request that makes no sense; the message tells the user why."""


@dataclass
class Work:
    peer: str                     # library and version
    form: str                     # how it is written
    unit: str                     # what one unit is, in the plural
    error: Optional[float]        # of the self-check
    run: Callable[[], object]     # does one unit
    warm_up: Callable[[], object] # touches the same code and memory; a whole unit unless that takes too long


def fastest(forms, patience=5.0):
    """Name of the fastest of {name: function}. The forms take turns, for `patience` seconds but at least twice and at most 100 times, and
    their least times count, because the machine is shared. With one thread the processor's time is compared, which others disturb less."""
    if len(forms) == 1:
        return next(iter(forms))
    clock = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter
    for function in forms.values():  # warms up
        function()
    least = dict.fromkeys(forms, float("inf"))
    end = time.perf_counter() + patience
    for turn in range(100):
        if turn >= 2 and time.perf_counter() > end:
            break
        for name, function in forms.items():
            start = clock()
            function()
            least[name] = min(least[name], clock() - start)
    return min(least, key=least.get)


def pick(form, known, extra=()):
    """Names of the forms to try: all known ones for `best`, else the one asked for. Forms in `extra` run only when asked for."""
    if form == "best":
        return list(known)
    if form not in known and form not in extra:
        raise Misuse(f"form={form} is unknown here; there are best, {', '.join([*known, *extra])}")
    return [form]
