"""FORCE learning of one network with NumPy: training epochs with recursive least squares, and closed-loop tests after each of the last
`tests` epochs. NumPy because PyTorch has more overhead for each call, and a step consists of small calls.

    x' = (1 - dt) x + dt M r + dt w_f z,  r' = tanh x',  z' = w_o' r';  every `learn_every` steps, with f the target:
    v = P r',  k = v / (1 + r'' v),  P -= v k',  w_o -= (z' - f) k

Why this is the best a NumPy user can write: all arrays are allocated beforehand and written in place; the product with [dt M; w_o'] gives
the next step's input and z' at once; frozen weights are added to the recurrent matrix; M is dense because NumPy has no sparse product, and
gathers (25 to 40 us for 10 % of 512 x 512) do not beat BLAS (26 us). Forms are a pair, and the fastest of each side is taken:
    rank1     P -= v k' at once; the outer product is what costs
    deferred  P = P0 - K' V, with the last pairs (v, k) as rows: an update only reads P0, which changes once in 32 of them by one product
    single    test rollouts one after the other, at once
    batched   all rollouts together after the training, one product for a step of all
`error`: largest difference of z over 100 learning and 50 closed-loop steps, where chaos has not yet spread rounding, from the equations
written plainly in double precision.
"""

import numpy as np

from common import Misuse, Work, fastest, pick

OPTIONS = {"units": 512, "epochs": 15, "tests": 15, "test_epochs": 15, "steps": 1200, "learn_every": 2, "g": 1.5, "density": 0.1,
           "precision": "double"}

DT, ALPHA = 0.1, 1.0
DEFER = 32


def target(steps):
    """The fixed sum of four sines over one period of 120 time units, normalised as in the study."""
    t = np.arange(steps) * (120.0 / steps)
    f = sum(np.sin(q * np.pi * t / 60) / s for s, q in ((1, 1), (2, 2), (6, 3), (3, 4)))
    return f / ((f.max() - f.min()) / 2) - (f.max() + f.min()) / 2


class Problem:
    def __init__(self, options):
        random = np.random.default_rng(options["seed"])
        n, self.dtype = options["units"], np.float64 if options["precision"] == "double" else np.float32
        self.units, self.learn_every = n, options["learn_every"]
        nonzeros = round(options["density"] * n * n)
        m = np.zeros(n * n)
        scale = options["g"] / np.sqrt(options["density"] * n)
        m[random.choice(n * n, nonzeros, replace=False)] = scale * random.standard_normal(nonzeros)
        self.m = m.reshape(n, n).astype(self.dtype)
        self.feedback = random.uniform(-1, 1, n).astype(self.dtype)
        self.x, self.z = (0.5 * random.standard_normal(n)).astype(self.dtype), self.dtype(0.5 * random.standard_normal())
        self.target = target(options["steps"]).astype(self.dtype)


class Rank1:
    """P -= v k' by NumPy's outer product into a buffer."""

    def __init__(self, units, dtype):
        self.p, self.outer = np.eye(units, dtype=dtype) / dtype(ALPHA), np.empty((units, units), dtype)
        self.v, self.k = np.empty(units, dtype), np.empty(units, dtype)

    def gain(self, r):
        v, k = self.v, self.k
        self.p.dot(r, out=v)
        np.divide(v, 1 + r.dot(v), out=k)
        np.multiply(v[:, None], k, out=self.outer)
        self.p -= self.outer
        return k


class Deferred:
    """P = P0 - K' V with the rows of K and V in use; both start at zero, so that the products always take all rows."""

    def __init__(self, units, dtype):
        self.p, self.product = np.eye(units, dtype=dtype) / dtype(ALPHA), np.empty((units, units), dtype)
        self.v, self.k = np.zeros((DEFER, units), dtype), np.zeros((DEFER, units), dtype)
        self.inner, self.correction, self.used = np.empty(DEFER, dtype), np.empty(units, dtype), 0

    def gain(self, r):
        v, k = self.v[self.used], self.k[self.used]  # still zero
        self.v.dot(r, out=self.inner)
        self.inner.dot(self.k, out=self.correction)
        self.p.dot(r, out=v)
        v -= self.correction
        np.divide(v, 1 + r.dot(v), out=k)
        self.used += 1
        if self.used < DEFER:
            return k
        k = k.copy()
        np.dot(self.k.T, self.v, out=self.product)  # k and v differ: NumPy turns V' V into a slower syrk and a copy
        self.p -= self.product
        self.v.fill(0)
        self.k.fill(0)
        self.used = 0
        return k


class Training:
    def __init__(self, problem, rls):
        n, dtype = problem.units, problem.dtype
        self.problem, self.rls = problem, rls(n, dtype)
        self.x, self.z, self.r, self.step = problem.x.copy(), problem.z, np.tanh(problem.x), 0
        self.rows = np.empty((n + 1, n), dtype)   # [dt M; w_o']
        np.multiply(problem.m, dtype(DT), out=self.rows[:n])
        self.rows[n] = 0
        self.output = self.rows[n]
        self.product = self.rows.dot(self.r)
        self.feedback = problem.feedback * dtype(DT)

    def run(self, targets):
        """One step for each target; returns z of all."""
        n, learn_every = self.problem.units, self.problem.learn_every
        x, r, product, pull, rows, output = self.x, self.r, self.product, self.product[:n], self.rows, self.output
        term, decay, z = np.empty_like(x), self.problem.dtype(1 - DT), self.z
        seen = np.empty_like(targets)
        for i, f in enumerate(targets):
            np.multiply(x, decay, out=x)
            np.multiply(self.feedback, z, out=term)
            np.add(x, pull, out=x)
            np.add(x, term, out=x)
            np.tanh(x, out=r)
            rows.dot(r, out=product)   # the next step's M r needs no weight that is learnt now
            z = seen[i] = product[n]
            if self.step % learn_every == 0:
                np.multiply(self.rls.gain(r), z - f, out=term)
                np.subtract(output, term, out=output)
            self.step += 1
        self.z = z
        return seen

    def snapshot(self):
        return self.x.copy(), self.z, self.output.copy()


def rollout(problem, snapshot, steps):
    """z of a closed loop with frozen weights, (steps)."""
    dtype = problem.dtype
    x, z, output = snapshot[0].copy(), snapshot[1], snapshot[2]
    closed = (problem.m + np.outer(problem.feedback, output)) * dtype(DT)
    decay = dtype(1 - DT)
    states, pull = np.empty((steps, len(x)), dtype), np.empty_like(x)
    r = np.tanh(x)
    problem.m.dot(r, out=pull)         # the first z is not w_o' r: the weights have been learnt since
    pull += problem.feedback * z
    pull *= dtype(DT)
    for r in states:
        np.multiply(x, decay, out=x)
        np.add(x, pull, out=x)
        np.tanh(x, out=r)
        closed.dot(r, out=pull)
    return states.dot(output)


def rollouts(problem, snapshots, steps):
    """The same for all snapshots together, (steps, snapshots): states are rows, [r, z] times [dt M'; dt w_f']."""
    n, dtype, count = problem.units, problem.dtype, len(snapshots)
    x = np.stack([s[0] for s in snapshots])
    outputs = np.stack([s[2] for s in snapshots])
    columns = np.concatenate([problem.m.T, problem.feedback[None]]) * dtype(DT)   # copied: BLAS is slower by half on a transposed view
    r, pull, decay = np.empty((count, n + 1), dtype), np.empty_like(x), dtype(1 - DT)
    rates, z = r[:, :n], r[:, n]
    seen = np.empty((steps, count), dtype)
    np.tanh(x, out=rates)
    z[:] = [s[1] for s in snapshots]
    for i in range(steps):
        np.dot(r, columns, out=pull)
        np.multiply(x, decay, out=x)
        np.add(x, pull, out=x)
        np.tanh(x, out=rates)
        np.einsum("ij,ij->i", rates, outputs, out=z)
        seen[i] = z
    return seen


def network(problem, options, rls, batched):
    """Trains and tests one network; returns the test errors."""
    training = Training(problem, rls)
    tested_from, steps = options["epochs"] - options["tests"], options["test_epochs"] * len(problem.target)
    wanted, snapshots, errors = np.tile(problem.target, options["test_epochs"]), [], []
    for epoch in range(options["epochs"]):
        training.run(problem.target)
        if epoch < tested_from:
            continue
        if batched:
            snapshots.append(training.snapshot())
        else:
            errors.append(np.abs(rollout(problem, training.snapshot(), steps) - wanted).mean())
    if snapshots:
        errors = np.abs(rollouts(problem, snapshots, steps) - wanted[:, None]).mean(0)
    return errors


def plain(problem, targets, steps):
    """The equations as they stand: z of learning steps and then of closed-loop steps."""
    m, feedback, x, z = problem.m.astype(float), problem.feedback.astype(float), problem.x.astype(float), float(problem.z)
    output, p, seen = np.zeros(len(x)), np.eye(len(x)) / ALPHA, []
    for i in range(len(targets) + steps):
        x = (1 - DT) * x + DT * m @ np.tanh(x) + DT * feedback * z
        r = np.tanh(x)
        z = output @ r
        seen.append(z)
        if i < len(targets) and i % problem.learn_every == 0:
            v = p @ r
            k = v / (1 + r @ v)
            p -= np.outer(v, k)
            output = output - (z - targets[i]) * k
    return np.array(seen)


def self_check(problem, rls, batched):
    targets, steps = np.resize(problem.target, 100), 50
    training = Training(problem, rls)
    learnt = training.run(targets)
    snapshot = training.snapshot()
    tested = rollouts(problem, [snapshot, snapshot], steps)[:, 1] if batched else rollout(problem, snapshot, steps)
    return float(np.abs(np.concatenate([learnt, tested]) - plain(problem, targets, steps)).max())


RLS = {"rank1": Rank1, "deferred": Deferred}
ROLLOUTS = {"single": False, "batched": True}


def prepare(options):
    if options["precision"] not in ("single", "double"):
        raise Misuse("precision is single or double")
    if min(options[key] for key in ("units", "epochs", "steps", "learn_every")) < 1 or not 0 < options["density"] <= 1:
        raise Misuse("units, epochs, steps and learn_every must be at least 1, density above 0 and at most 1")
    if options["tests"] > options["epochs"]:
        raise Misuse("there cannot be more tests than epochs")
    problem = Problem(options)
    forms = [form.split("+") for form in pick(options["form"], [f"{a}+{b}" for a in RLS for b in ROLLOUTS])]
    training = {name: Training(problem, RLS[name]) for name, _ in forms}
    rls = fastest({name: lambda t=t: t.run(problem.target[:2 * DEFER * problem.learn_every]) for name, t in training.items()}, patience=2)
    snapshots = [training[rls].snapshot()] * max(1, options["tests"])
    few = min(100, len(problem.target))
    tests = {"single": lambda: [rollout(problem, s, few) for s in snapshots], "batched": lambda: rollouts(problem, snapshots, few)}
    tests = fastest({name: tests[name] for _, name in forms}, patience=2)

    def unit():
        return network(problem, options, RLS[rls], ROLLOUTS[tests])

    error = self_check(problem, RLS[rls], ROLLOUTS[tests])
    shortened = {**options, "epochs": 1, "tests": min(1, options["tests"]), "test_epochs": min(1, options["test_epochs"])}
    return Work(peer=f"numpy {np.__version__}", form=f"{rls}+{tests}", unit="networks", error=error, run=unit,
                warm_up=lambda: network(problem, shortened, RLS[rls], ROLLOUTS[tests]))  # a whole network takes seconds
