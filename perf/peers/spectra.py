"""Lyapunov spectra of an LSTM with PyTorch: J = dh'/dh with c held fixed, a QR at every step, all sequences of one network at once.

Why this is the best a user can write:
- The trajectory is run first. The coefficients of all Jacobians, J = sum over the gates of diag(k_gate) U_gate, then take a handful of
  operations for all steps together, and the loop that follows holds nothing but Jacobian, product and factorisation.
- A step's Jacobians are formed by one scaled copy and three fused multiply-adds into one buffer, so that one product per sequence is left.
- The factorisation is written in every way PyTorch offers, and the fastest is taken:
    linalg.qr     Q and R from torch.linalg.qr, then J Q; what most users write
    geqrf+ormqr   Q stays a product of reflectors, which ormqr applies to the next Jacobian: 3.3 instead of 4.7 N^3 per step. Jacobians
                  are held transposed, as LAPACK wants columns
    loop          the same for one sequence after the other, whose matrices then stay in the near cache
    cholesky      R from the Cholesky factor of the Gram matrix, Q = Z R^-1, all products. Q need not be orthogonal: J Q = Q' R' holds
                  to rounding either way, and a QR of the last Q accounts for the rest. Loses small exponents when weights are large, and
                  takes part only while its exponents agree with those of linalg.qr
`error`: largest difference of an exponent from linalg.qr in double precision along the same trajectory. The Jacobians are compared with
automatic differentiation of torch.nn.LSTMCell besides; a difference ends the program.
"""

import torch
from torch import nn

from common import Misuse, Work, fastest, pick

OPTIONS = {"cell": "lstm", "hidden": 64, "steps": 100, "sequences": 15, "weights": 0.2, "precision": "double", "input": 82}

LARGE = 256            # hidden units from which on forms are compared on a few steps only
FEW_STEPS = 3
AGREEMENT = {torch.float64: 1e-8, torch.float32: 1e-4}  # of exponents of `cholesky` with those of linalg.qr


class Network:
    """An LSTM without biases and with weights U(-width, width), gates in PyTorch's order i, f, g, o."""

    def __init__(self, hidden, inputs, width, dtype, generator):
        def draw(*shape):
            return torch.empty(*shape, dtype=dtype).uniform_(-width, width, generator=generator)
        self.hidden, self.dtype = hidden, dtype
        self.input_weight, self.weight = draw(4 * hidden, inputs), draw(4 * hidden, hidden)
        self.rows = self.weight.view(4, hidden, hidden)      # U of each gate
        self.columns = self.rows.mT.contiguous()             # and its transpose


class Trajectory:
    """States of all steps for inputs (steps, sequences), and k (4, steps, sequences, hidden) such that J = sum_gate diag(k) U_gate."""

    def __init__(self, net, symbols):
        inputs = net.input_weight.t()[symbols]   # one-hot inputs pick columns
        weight, hidden = net.weight.t(), net.hidden
        h = c = torch.zeros(symbols.shape[1], hidden, dtype=net.dtype)
        states, cells, gates, candidates = [h], [c], [], []
        for x in inputs.unbind(0):
            a = torch.addmm(x, h, weight)
            s, g = torch.sigmoid(a), torch.tanh(a[:, 2 * hidden:3 * hidden])
            i, f, _, o = s.chunk(4, 1)
            c = torch.addcmul(f * c, i, g)
            h = o * torch.tanh(c)
            states.append(h), cells.append(c), gates.append(s), candidates.append(g)
        self.states, self.cells = states, cells
        c = torch.stack(cells)
        i, f, _, o = torch.stack(gates).chunk(4, 2)
        g, t = torch.stack(candidates), torch.tanh(c[1:])
        e = o * (1 - t * t)
        self.k = torch.stack([e * g * i * (1 - i), e * c[:-1] * f * (1 - f), e * i * (1 - g * g), t * o * (1 - o)])


def jacobians(k, blocks):
    """One step's Jacobians after the other, in one buffer. `k` broadcasts against `blocks`, the gates' matrices, from the proper side."""
    buffer = torch.empty(torch.broadcast_shapes(k[0, 0].shape, blocks[0].shape), dtype=k.dtype)
    gates = blocks.unbind(0)
    for step in k.unbind(1):
        torch.mul(step[0], gates[0], out=buffer)
        for gate in (1, 2, 3):
            buffer.addcmul_(step[gate], gates[gate])
        yield buffer


def exponents(diagonals, closing=None):
    """From the diagonals of R of all steps (stacked in front) and, where Q was not orthogonal, of the QR that closes the chain."""
    logs = torch.stack(diagonals).abs().log().sum(0)
    if closing is not None:
        logs += closing.abs().log()
    return logs / len(diagonals)


def diagonal(matrices):
    return matrices.diagonal(dim1=-2, dim2=-1).clone()


def by_linalg_qr(k, rows, columns):
    q, diagonals = None, []
    for j in jacobians(k[..., :, None], rows):
        q, r = torch.linalg.qr(j if q is None else torch.matmul(j, q))
        diagonals.append(diagonal(r))
    return exponents(diagonals)


def by_reflectors(k, rows, columns):
    factors, diagonals = None, []
    for j in jacobians(k[..., None, :], columns):
        factors = torch.geqrf(j.mT if factors is None else torch.ormqr(*factors, j.mT, left=False))
        diagonals.append(diagonal(factors[0]))
    return exponents(diagonals)


def by_reflectors_in_turn(k, rows, columns):
    return torch.stack([by_reflectors(one, rows, columns) for one in k.unbind(2)])


def by_cholesky(k, rows, columns):
    q, diagonals = None, []
    for j in jacobians(k[..., :, None], rows):
        z = j if q is None else torch.matmul(j, q)
        factor = torch.linalg.cholesky(torch.matmul(z.mT, z))
        q = torch.linalg.solve_triangular(factor.mT, z, upper=True, left=False)
        diagonals.append(diagonal(factor))
    return exponents(diagonals, closing=diagonal(torch.linalg.qr(q)[1]))


FORMS = {"linalg.qr": by_linalg_qr, "geqrf+ormqr": by_reflectors, "loop": by_reflectors_in_turn, "cholesky": by_cholesky}


def difference(found, expected):
    """Largest, of the exponents that are finite: a singular Jacobian has an exponent of -inf."""
    finite = torch.isfinite(expected)
    return (found.double() - expected)[finite].abs().max().item() if finite.any() else 0.0


def check_jacobian(net, trajectory, symbols):
    """Compares w' J of one step with automatic differentiation of PyTorch's own cell."""
    step = len(symbols) // 2
    cell = nn.LSTMCell(net.input_weight.shape[1], net.hidden, bias=False, dtype=net.dtype)
    with torch.no_grad():
        cell.weight_ih.copy_(net.input_weight)
        cell.weight_hh.copy_(net.weight)
    x = nn.functional.one_hot(symbols[step, :1], net.input_weight.shape[1]).to(net.dtype)
    h, c = trajectory.states[step][:1].clone().requires_grad_(), trajectory.cells[step][:1]
    w = torch.linspace(-1, 1, net.hidden, dtype=net.dtype)
    expected, = torch.autograd.grad(cell(x, (h, c))[0], h, w[None])
    k = trajectory.k[:, step:step + 1, 0]
    for found in (w @ next(jacobians(k[..., :, None], net.rows)), next(jacobians(k[..., None, :], net.columns)) @ w):
        if not torch.allclose(found, expected[0], rtol=1e-4, atol=1e-4 if net.dtype == torch.float32 else 1e-10):
            raise SystemExit("peer.py: the Jacobian disagrees with automatic differentiation")


def prepare(options):
    if options["cell"] != "lstm":
        raise Misuse(f"spectra of cell={options['cell']} are not written; there is lstm")
    if options["precision"] not in ("single", "double"):
        raise Misuse("precision is single or double")
    if min(options["hidden"], options["steps"], options["sequences"], options["input"]) < 1:
        raise Misuse("hidden, steps, sequences and input must be at least 1")
    dtype = torch.float64 if options["precision"] == "double" else torch.float32
    generator = torch.Generator().manual_seed(options["seed"])
    net = Network(options["hidden"], options["input"], options["weights"], dtype, generator)
    symbols = torch.randint(options["input"], (options["steps"], options["sequences"]), generator=generator)

    trajectory = Trajectory(net, symbols)
    check_jacobian(net, trajectory, symbols)
    k = trajectory.k if net.hidden < LARGE else trajectory.k[:, :FEW_STEPS]
    expected = by_linalg_qr(k.double(), net.rows.double(), net.columns.double())
    errors = {}
    for name in pick(options["form"], FORMS):
        try:
            errors[name] = difference(FORMS[name](k, net.rows, net.columns), expected)
        except RuntimeError:  # the Gram matrix was not positive definite
            if options["form"] == name:
                raise Misuse(f"form={name} fails for these weights") from None
    if options["form"] == "best" and not errors.get("cholesky", 0) <= AGREEMENT[dtype]:
        errors.pop("cholesky", None)
    with torch.inference_mode():
        form = fastest({name: lambda name=name: FORMS[name](k, net.rows, net.columns) for name in errors})

    @torch.inference_mode()   # an operation costs less without the bookkeeping of gradients
    def unit():
        return FORMS[form](Trajectory(net, symbols).k, net.rows, net.columns)

    return Work(peer=f"torch {torch.__version__.split('+')[0]}", form=form, unit="network spectra", error=errors[form], run=unit,
                warm_up=unit if net.hidden < LARGE else lambda: None)  # a large unit takes long, and choosing the form has warmed up
