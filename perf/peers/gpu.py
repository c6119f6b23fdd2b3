"""What PyTorch does on the GPU that aelle_perf --gpu measures, in rows of the same form.

    PYTHON gpu.py [--seconds 60] [--select REGEX] [--compile] [--tf32] [--device cuda] [--tiny]

Cases, with what our own rows of the same work are called:
    qr        R and Q of many matrices in double precision (gpu/qr): torch.linalg.qr on the whole batch, and Cholesky QR twice by bmm, cholesky_ex and
              solve_triangular, which is what users go to when the batch makes linalg.qr slow
    chains    spectra of the full state of LSTMs (gpu/chains): 15 sequences of many networks in one batch. A step is two batched products, gates
              scaled beforehand, and one of the factorisations above
    one       torch.nn.RNN, LSTM, GRU by cuDNN, one network (gpu/training with 1 in flight), one call after the other or as one CUDA graph
    many      LSTMs side by side (gpu/training with 132 and 264): baddbmm over networks and pointwise operations, as a CUDA graph; with
              --compile also under torch.compile, whose compiler takes most of a minute
Training: H 64, batch 128, 28 steps of 28 inputs, cross-entropy of the last step, dropout, Adam; single precision without TF32 unless asked for.
Readings are of the time between two synchronisations. `error`: against the same computation in double precision on the processor.

The share is left empty here, since PyTorch does not tell the clock. Without torch or a device it says "no device" and ends with status 0.
"""

import argparse
import math
import re
import signal
import statistics
import sys
import time

sys.dont_write_bytecode = True  # the script lies in a source tree

ROW = "{:<40} {:>8}  {:<31} {:>9} {:>6}  {:<31} {:<20} {}"
HIDDEN, BATCH, STEPS, INPUTS, CLASSES = 64, 128, 28, 28, 10
DROPOUT, RATE = 0.1, 1e-4


class TimeUp(Exception):
    pass


class Bench:
    """Time, and rows."""

    def __init__(self, torch, device, options):
        self.torch, self.device, self.tiny = torch, torch.device(device), options.tiny
        self.end = time.perf_counter() + options.seconds
        self.select = re.compile(options.select or "")
        self.rows = self.failed = self.late = 0

    def left(self):
        return self.end - time.perf_counter()

    def wait(self):
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def attempt(self, name, case, least=1.0):
        """Runs `case`, which returns a row, until the time is up."""
        if not self.select.search(name):
            return
        if self.left() < least:
            self.late += 1
            return
        try:
            signal.setitimer(signal.ITIMER_REAL, self.left())
            row = case()
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.row(name, **row)
        except TimeUp:
            self.late += 1
            print(f"{name:<40} cut: the time is up", flush=True)
        except Exception as error:  # of whatever kind: the other cases go on
            self.failed += 1
            text = str(error).strip().splitlines()
            print(f"{name:<40} FAILED: {type(error).__name__}: {text[0] if text else ''}"[:200], flush=True)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self.device.type == "cuda":
                self.torch.cuda.empty_cache()

    def row(self, name, seconds, error, flop, **details):
        self.rows += 1
        middle = statistics.median(seconds)
        span = f"{words(middle)} [{words(min(seconds))}, {words(max(seconds))}]"
        print(ROW.format(name, f"{error:.0e}", span, f"{1e-9 * flop / middle:.3g}", "", "", "", "").rstrip())
        print("    " + " ".join(f"{key}={value}" for key, value in sorted(details.items())), flush=True)

    def seconds(self, run, units=1, budget=0.8):
        """Of a unit, in up to three rounds; run() does `units` and has run before."""
        def once(times):
            self.wait()
            start = time.perf_counter()
            for _ in range(times):
                run()
            self.wait()
            return (time.perf_counter() - start) / (times * units)
        first = once(1)
        if self.tiny or first * units > budget:
            return [first]
        times = max(1, int(budget / 3 / (first * units)))
        return [once(times) for _ in range(3)]


def words(seconds):
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


# Factorisations -------------------------------------------------------------------------------------------------------


def by_linalg_qr(torch, z):
    q, r = torch.linalg.qr(z)
    return q, r.diagonal(dim1=-2, dim2=-1).abs().log()


def by_cholesky_twice(torch, z):
    logs = 0
    for _ in range(2):
        factor, _ = torch.linalg.cholesky_ex(torch.bmm(z.mT, z))
        z = torch.linalg.solve_triangular(factor.mT, z, upper=True, left=False)
        logs = logs + factor.diagonal(dim1=-2, dim2=-1).log()
    return z, logs


FACTORISATIONS = {"linalg.qr": by_linalg_qr, "cholesky-twice": by_cholesky_twice}


def factor_case(bench, n, count, form):
    torch = bench.torch
    generator = torch.Generator().manual_seed(3)
    few = torch.randn(min(16, count), n, n, generator=generator, dtype=torch.float64)
    z = few.to(bench.device).repeat((count + len(few) - 1) // len(few), 1, 1)[:count].contiguous()
    found = FACTORISATIONS[form](torch, z)
    expected = by_linalg_qr(torch, few[:3])[1]
    defect = (found[0][0].mT @ found[0][0] - torch.eye(n, dtype=torch.float64, device=bench.device)).abs().max().item()
    error = ((found[1][:3].cpu() - expected).abs().max() / expected.abs().max()).item()
    del found
    return {"seconds": bench.seconds(lambda: FACTORISATIONS[form](torch, z), units=count), "error": error, "flop": 8 / 3 * n**3,
            "n": n, "matrices": count, "orthogonality": f"{defect:.2g}"}


# Spectra --------------------------------------------------------------------------------------------------------------


class Chains:
    """LSTMs without biases, weights U(-width, width); inputs of all steps first, then two products and a factorisation a step."""

    def __init__(self, torch, device, networks, sequences, hidden, steps, inputs):
        generator = torch.Generator().manual_seed(1)
        def draw(*shape):
            return (torch.rand(*shape, generator=generator, dtype=torch.float64) * 0.4 - 0.2).to(device)
        self.torch, self.networks, self.sequences, self.hidden, self.steps = torch, networks, sequences, hidden, steps
        self.u, self.w = draw(networks, 4 * hidden, hidden), draw(networks, 4 * hidden, inputs)
        self.x = torch.rand(steps, sequences, inputs, generator=generator, dtype=torch.float64).to(device)
        self.inputs = torch.einsum("mgi,tsi->tmsg", self.w, self.x)
        self.gates = [g[:, None] for g in self.u.view(networks, 4, hidden, hidden).unbind(1)]

    def spectra(self, factor, steps):
        """Sums of the logarithms after so many steps, (networks * sequences, 2 H)."""
        torch, size = self.torch, 2 * self.hidden
        batch = self.networks * self.sequences
        h = c = torch.zeros(self.networks, self.sequences, self.hidden, dtype=torch.float64, device=self.u.device)
        q = torch.eye(size, dtype=torch.float64, device=self.u.device).expand(batch, size, size).contiguous()
        logs = torch.zeros(batch, size, dtype=torch.float64, device=self.u.device)
        for t in range(steps):
            a = torch.baddbmm(self.inputs[t], h, self.u.mT)
            s, g = torch.sigmoid(a), torch.tanh(a[..., 2 * self.hidden:3 * self.hidden])
            i, f, _, o = s.chunk(4, 2)
            new = torch.addcmul(f * c, i, g)
            tanh = torch.tanh(new)
            e = o * (1 - tanh * tanh)
            k = [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), tanh * o * (1 - o)]
            to_c = k[0][..., None] * self.gates[0] + k[1][..., None] * self.gates[1] + k[2][..., None] * self.gates[2]
            both = torch.cat([to_c, k[3][..., None] * self.gates[3]], 2).view(batch, size, self.hidden)
            top, bottom = q[:, :self.hidden], q[:, self.hidden:]
            product = torch.bmm(both, top)
            flat = [x.reshape(batch, self.hidden, 1) for x in (f, e)]
            z_c = torch.addcmul(product[:, :self.hidden], flat[0], bottom)
            z_h = torch.addcmul(product[:, self.hidden:], flat[1], z_c)
            q, more = factor(torch, torch.cat([z_h, z_c], 1))
            logs += more
            h, c = o * tanh, new
        return logs


    def expected(self, steps):
        """Of the first chain, by automatic differentiation of PyTorch's own cell on the processor."""
        torch, hidden = self.torch, self.hidden
        cell = torch.nn.LSTMCell(self.w.shape[2], hidden, bias=False, dtype=torch.float64)
        with torch.no_grad():
            cell.weight_ih.copy_(self.w[0])
            cell.weight_hh.copy_(self.u[0])
        state, q, logs = torch.zeros(2 * hidden, dtype=torch.float64), torch.eye(2 * hidden, dtype=torch.float64), 0
        for x in self.x[:steps, 0].cpu():
            def step(s, x=x):
                return torch.cat(cell(x[None], (s[None, :hidden], s[None, hidden:])), 1)[0]
            q, more = by_linalg_qr(torch, torch.autograd.functional.jacobian(step, state) @ q)
            state, logs = step(state).detach(), logs + more
        return logs


def chains_case(bench, hidden, steps, networks, sequences, form):
    torch, factor = bench.torch, FACTORISATIONS[form]
    chains = Chains(torch, bench.device, networks, sequences, hidden, steps, INPUTS)
    wanted = chains.expected(3)
    with torch.inference_mode():
        start = time.perf_counter()
        logs = chains.spectra(factor, 3)
        bench.wait()
        step = (time.perf_counter() - start) / 3  # with what the first call loads: an upper bound
        timed = steps if bench.tiny else max(1, min(steps, int(5.0 / step)))
        seconds = bench.seconds(lambda: chains.spectra(factor, timed), budget=1.0)
    error = ((logs[0].cpu() - wanted).abs().max() / wanted.abs().max()).item()
    count = networks * sequences
    return {"seconds": [s * steps / timed / count for s in seconds], "error": error, "flop": 10 / 3 * (2 * hidden)**3 * steps, "hidden": hidden,
            "chains": count, "steps": steps, "timed_steps": timed}


# Training -------------------------------------------------------------------------------------------------------------


def update_flop(gates, hidden, batch):
    return 2 * hidden * gates * (3 * hidden + 2 * INPUTS) * STEPS * batch + 6 * hidden * CLASSES * batch


def adam(torch, parameters, graph):
    """Fused where there is such a thing; in a graph its counters must lie on the device."""
    for kind in ({"fused": True}, {"foreach": True}, {}):
        try:
            return torch.optim.Adam(parameters, lr=RATE, capturable=graph, **kind)
        except (RuntimeError, TypeError, ValueError):
            continue
    raise RuntimeError("no Adam")


class Update:
    """forward(dense) -> (networks, batch, hidden) of the last step, then readout, loss, backward, Adam; eager, or replayed from a CUDA graph."""

    def __init__(self, bench, networks, hidden, batch, parameters, forward, graph):
        torch = self.torch = bench.torch
        self.graph, self.forward = None, forward
        generator = torch.Generator().manual_seed(2)
        self.dense = torch.rand(STEPS, batch, INPUTS, generator=generator).to(bench.device)
        self.labels = torch.randint(CLASSES, (batch,), generator=generator).to(bench.device).repeat(networks)
        bound = 1 / math.sqrt(hidden)
        self.weight = torch.empty(networks, hidden, CLASSES).uniform_(-bound, bound).to(bench.device).requires_grad_()
        self.bias = torch.zeros(networks, 1, CLASSES, device=bench.device).requires_grad_()
        self.parameters = [*parameters, self.weight, self.bias]
        self.networks = networks
        self.adam = adam(torch, self.parameters, graph)
        if graph:
            self.record(bench)

    def plain(self):
        functional = self.torch.nn.functional
        self.adam.zero_grad(set_to_none=True)
        seen = functional.dropout(self.forward(self.dense), DROPOUT)
        logits = self.torch.baddbmm(self.bias, seen, self.weight)
        # The mean of each network's loss, added up: gradients are those of each alone.
        loss = functional.cross_entropy(logits.flatten(0, 1), self.labels) * self.networks
        loss.backward()
        self.adam.step()
        self.loss = loss

    def record(self, bench):
        torch = self.torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.plain()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        self.adam.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.plain()

    def __call__(self):
        self.graph.replay() if self.graph else self.plain()


def one_case(bench, kind, graph, hidden, batch):
    torch = bench.torch
    torch.manual_seed(1)
    library = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind]
    net = library(INPUTS, hidden, bias=False)
    wide = library(INPUTS, hidden, bias=False).double()
    wide.load_state_dict(net.state_dict())
    net = net.to(bench.device)

    def forward(dense):
        return net(dense)[0][-1][None]
    x = torch.rand(STEPS, 2, INPUTS, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        error = (forward(x.to(bench.device)).cpu().double() - wide(x.double())[0][-1]).abs().max().item()
    update = Update(bench, 1, hidden, batch, list(net.parameters()), forward, graph)
    return training_row(bench, update, error, 1, {"rnn": 1, "lstm": 4, "gru": 3}[kind], hidden, batch)


def training_row(bench, update, error, networks, gates, hidden, batch):
    for _ in range(3):
        update()
    seconds = bench.seconds(update)
    if not bool(bench.torch.isfinite(update.loss).all()):
        raise RuntimeError("the loss is not finite")
    middle = statistics.median(seconds)
    return {"seconds": seconds, "error": error, "flop": networks * update_flop(gates, hidden, batch), "hidden": hidden, "batch": batch,
            "networks": networks, "sequences_per_second": f"{networks * batch / middle:.4g}"}


def lstm_steps(torch, x, u, h):
    """x (T, networks, batch, 4 H) with the input's part, gates i, f, o, g; u (networks, H, 4 H)."""
    hidden = h.shape[2]
    c = h
    for a in x.unbind(0):
        s, g = torch.baddbmm(a, h, u).split([3 * hidden, hidden], 2)
        i, f, o = torch.sigmoid(s).chunk(3, 2)
        c = torch.addcmul(f * c, i, torch.tanh(g))
        h = o * torch.tanh(c)
    return h


def many_case(bench, networks, form, hidden, batch):
    torch = bench.torch
    generator = torch.Generator().manual_seed(1)
    bound = 1 / math.sqrt(hidden)
    def draw(*shape):
        return (torch.rand(*shape, generator=generator) * 2 * bound - bound).to(bench.device).requires_grad_()
    w, u = draw(networks, INPUTS, 4 * hidden), draw(networks, hidden, 4 * hidden)
    steps = torch.compile(lstm_steps, dynamic=False) if form == "compile" else lstm_steps

    def forward(dense, w=w, u=u, steps=steps):
        width = dense.shape[1]
        x = torch.matmul(dense.reshape(1, -1, INPUTS), w).view(len(w), STEPS, width, -1).transpose(0, 1)
        return steps(torch, x, u, torch.zeros(len(w), width, u.shape[1], dtype=u.dtype, device=u.device))
    x = torch.rand(STEPS, 2, INPUTS, generator=generator)
    with torch.no_grad():
        few = [p[:2].detach().cpu().double() for p in (w, u)]
        found = forward(x.to(bench.device), steps=lstm_steps)[:2].cpu().double()
        error = (found - forward(x.double(), *few, lstm_steps)).abs().max().item()
    update = Update(bench, networks, hidden, batch, [w, u], forward, form != "eager")
    return training_row(bench, update, error, networks, 4, hidden, batch)


# The whole ------------------------------------------------------------------------------------------------------------


def cases(bench, compiling):
    on_gpu, tiny = bench.device.type == "cuda", bench.tiny
    processors = bench.torch.cuda.get_device_properties(0).multi_processor_count if on_gpu else 2
    hidden, batch = (8, 4) if tiny else (HIDDEN, BATCH)
    forms = ["graph"] if on_gpu else ["eager"]
    for kind in ("lstm", "gru", "rnn"):
        for graph in ([False, True] if on_gpu else [False]):
            yield f"peer/one/{kind}/{hidden}/{'graph' if graph else 'eager'}", lambda k=kind, g=graph: one_case(bench, k, g, hidden, batch), 1
    for networks in ((2, 3) if tiny else (132, 264)):
        for form in forms:
            yield f"peer/many/lstm/{hidden}/{networks}/{form}", lambda m=networks, f=form: many_case(bench, m, f, hidden, batch), 2
    for n in ((8,) if tiny else (64, 128, 256, 512)):
        count = 3 if tiny else max(1, 32 * processors * 64 * 64 // n**2)
        for form in FACTORISATIONS:
            yield f"peer/qr/{n}/{form}", lambda n=n, m=count, f=form: factor_case(bench, n, m, f), 1
    for form in FACTORISATIONS:
        networks, sequences, steps = (2, 3, 4) if tiny else (max(1, processors * 8 // 15), 15, STEPS)
        yield f"peer/chains/lstm/full/{hidden}/{steps}/{form}", lambda m=networks, s=sequences, t=steps, f=form: chains_case(bench, hidden, t, m, s, f), 3
    if compiling and on_gpu:
        yield f"peer/many/lstm/{hidden}/132/compile", lambda: many_case(bench, 132, "compile", hidden, batch), 20


def set_precision(torch, tf32):
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="the whole run; what does not fit is left out (60)")
    parser.add_argument("--select", help="only cases whose name contains a match")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, last")
    parser.add_argument("--tf32", action="store_true", help="products by tensor units at less precision")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: to try this script where there is no GPU")
    parser.add_argument("--tiny", action="store_true", help="small sizes, whose times mean nothing")
    options = parser.parse_args()
    start = time.perf_counter()
    try:
        import torch
    except ImportError as error:
        print(f"no device: torch cannot be imported: {error}")
        return 0
    if options.device == "cuda" and not torch.cuda.is_available():
        print(f"no device: torch {torch.__version__} finds none that it can use")
        return 0

    def up(*_):
        raise TimeUp
    signal.signal(signal.SIGALRM, up)
    options.seconds -= time.perf_counter() - start  # importing torch takes seconds
    set_precision(torch, options.tf32)
    bench = Bench(torch, options.device, options)
    where = torch.cuda.get_device_name(0) if options.device == "cuda" else "processor"
    print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, {where}, "
          f"{'TF32' if options.tf32 else 'no TF32'}")
    print(ROW.format("case", "error", "time", "GFLOP/s", "share", "opponent", "its time", "ratio").rstrip(), flush=True)
    for name, case, least in cases(bench, options.compile):
        bench.attempt(name, case, least)
    print(f"\ntorch {torch.__version__.split('+')[0]} on {where}: {bench.rows} rows, {bench.failed} failed, {bench.late} left out, "
          f"{time.perf_counter() - start:.0f} s")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
