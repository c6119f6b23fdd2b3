"""Opponents of our benchmarks: the same work as users can get it done today with PyTorch or NumPy.

    PYTHON peer.py WORK key=value ...

Works: spectrum, train, force, autoencoder; each module's OPTIONS lists its keys with their defaults. Keys of all works: threads=1, seed=1,
form=best (or the name of one form).

Prepares the work, warms up and prints one line of JSON: peer, form, unit, error (of a self-check, or null). Then for each line of
standard input with a number N it does N units and prints the seconds taken, until the input ends. So a driver can let us and the opponent
take turns on a machine whose speed drifts, without paying for the start of Python each time.

Misuse ends with exit status 2.
"""

import importlib
import json
import os
import sys
import time
import warnings

sys.dont_write_bytecode = True  # the scripts lie in a source tree

MODULES = {"spectrum": "spectra", "train": "training", "force": "force", "autoencoder": "autoencoder"}
SHARED_OPTIONS = {"threads": 1, "seed": 1, "form": "best"}


def fail(message):
    print(f"peer.py: {message}", file=sys.stderr)
    sys.exit(2)


def split_arguments(arguments):
    given = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not key or not equals:
            fail(f"expected key=value, not '{argument}'")
        given[key] = value
    return given


def converted(key, value, kind):
    try:
        return kind(value)
    except ValueError:
        fail(f"{key}={value} is not {'a whole number' if kind is int else 'a number'}")


def set_threads(threads):
    """The BLAS libraries read these when they are loaded, hence before any import of NumPy or PyTorch."""
    if threads < 1:
        fail("threads must be at least 1")
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[library + "_NUM_THREADS"] = str(threads)


def read_options(module, given):
    defaults = {**SHARED_OPTIONS, **module.OPTIONS}
    unknown = [key for key in given if key not in defaults]
    if unknown:
        fail(f"unknown key '{unknown[0]}'; there are {', '.join(defaults)}")
    options = {key: converted(key, given[key], type(default)) if key in given else default for key, default in defaults.items()}
    for key, value in options.items():
        if isinstance(value, (int, float)) and value < 0:
            fail(f"{key} must not be negative")
    return options


def serve(work):
    for line in sys.stdin:
        if not line.strip():
            continue
        units = converted("units", line.strip(), int)
        start = time.perf_counter()
        for _ in range(units):
            work.run()
        print(time.perf_counter() - start, flush=True)


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in MODULES:
        fail(f"usage: peer.py WORK key=value ..., where WORK is one of {', '.join(MODULES)}")
    given = split_arguments(sys.argv[2:])
    threads = converted("threads", given.get("threads", "1"), int)
    set_threads(threads)
    warnings.filterwarnings("ignore", message=".*(torch.jit.script|TF32).*")  # told at every call, and nothing to us

    import torch
    torch.set_num_threads(threads)
    module = importlib.import_module(MODULES[sys.argv[1]])
    from common import Misuse
    try:
        work = module.prepare(read_options(module, given))
    except Misuse as misuse:
        fail(str(misuse))
    work.warm_up()
    print(json.dumps({"peer": work.peer, "form": work.form, "unit": work.unit, "error": work.error}), flush=True)
    serve(work)


if __name__ == "__main__":
    main()
