"""The recurrent cells as a good PyTorch user writes them, and once more in plain NumPy, by the equations, to check them against.

Why this is the best a user can write:
- The input's linear map is one product for all steps (or one gather, for symbols), taken apart by `unbind`: indexing costs several
  times more in the backward pass.
- Effective matrices (U - U', M + (1 - 2 beta) M' and so on) are built once per update, already scaled and transposed.
- A step uses as few operations as it can: addmm with its two scalars, addcmul, add with alpha. At these sizes a large part of an
  operation's cost is that there is one. Gates that share an activation lie side by side.
- A loop takes a list of tensors and returns one, so that it runs as Python or by torch.jit.script.

Each cell is a class with
    tensors(H, I)                     names and shapes of its parameters
    arguments(p, x, noise)            what its loop takes: `x` float inputs (T, B, I) or symbols (T, B)
    loop                              the steps; returns what the readout sees after each
    reference(p, x, noise)            the same from float inputs in float64, (T, B, H)
"""

from typing import List, Optional

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def input_map(x, weight, bias: Optional[Tensor] = None):
    """W x + b of all steps, (T, B, rows of W)."""
    if x.dtype == torch.int64:
        table = weight.t().contiguous()
        return functional.embedding(x, table if bias is None else table + bias)
    return functional.linear(x.flatten(0, 1), weight, bias).view(*x.shape[:2], -1)


def zeros(x, hidden):
    return torch.zeros(x.shape[1], hidden)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class Cell:
    default_weights = {}   # of parameters that do not start as U(-1/sqrt(H), 1/sqrt(H))

    @staticmethod
    def draw_noise(shape, generator):
        return None


# Architectures of PyTorch, without biases as in the study -------------------------------------------------------------


def rnn_loop(x: List[Tensor], h: Tensor, u: Tensor) -> List[Tensor]:
    out: List[Tensor] = []
    for a in x:
        h = torch.tanh(torch.addmm(a, h, u))
        out.append(h)
    return out


class Rnn(Cell):
    library = torch.nn.RNN
    loop = staticmethod(rnn_loop)

    @staticmethod
    def tensors(H, I):
        return {"weight_ih_l0": (H, I), "weight_hh_l0": (H, H)}

    @staticmethod
    def arguments(p, x, noise):
        u = p["weight_hh_l0"]
        return list(input_map(x, p["weight_ih_l0"]).unbind(0)), zeros(x, len(u)), u.t()

    @staticmethod
    def reference(p, x, noise):
        h, out = np.zeros((x.shape[1], len(p["weight_hh_l0"]))), []
        for v in x:
            h = np.tanh(v @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T)
            out.append(h)
        return np.stack(out)


def lstm_loop(x: List[Tensor], h: Tensor, u: Tensor) -> List[Tensor]:
    out: List[Tensor] = []
    hidden = h.shape[1]
    c = h
    for a in x:
        a = torch.addmm(a, h, u)
        s, g = a.split([3 * hidden, hidden], 1)
        i, f, o = torch.sigmoid(s).chunk(3, 1)
        c = torch.addcmul(f * c, i, torch.tanh(g))
        h = o * torch.tanh(c)
        out.append(h)
    return out


class Lstm(Cell):
    library = torch.nn.LSTM
    loop = staticmethod(lstm_loop)

    @staticmethod
    def tensors(H, I):
        return {"weight_ih_l0": (4 * H, I), "weight_hh_l0": (4 * H, H)}

    @staticmethod
    def arguments(p, x, noise):
        def sigmoids_first(w):
            i, f, g, o = w.chunk(4, 0)
            return torch.cat([i, f, o, g])
        w, u = sigmoids_first(p["weight_ih_l0"]), sigmoids_first(p["weight_hh_l0"])
        return list(input_map(x, w).unbind(0)), zeros(x, u.shape[1]), u.t()

    @staticmethod
    def reference(p, x, noise):
        w, u = p["weight_ih_l0"], p["weight_hh_l0"]
        h = c = np.zeros((x.shape[1], u.shape[1]))
        out = []
        for v in x:
            i, f, g, o = np.split(v @ w.T + h @ u.T, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            out.append(h)
        return np.stack(out)


def gru_loop(x: List[Tensor], x_n: List[Tensor], h: Tensor, u: Tensor, u_n: Tensor) -> List[Tensor]:
    out: List[Tensor] = []
    for a, b in zip(x, x_n):
        r, z = torch.sigmoid(torch.addmm(a, h, u)).chunk(2, 1)
        n = torch.tanh(torch.addcmul(b, r, torch.mm(h, u_n)))
        h = torch.addcmul(n, z, h - n)
        out.append(h)
    return out


class Gru(Cell):
    library = torch.nn.GRU
    loop = staticmethod(gru_loop)

    @staticmethod
    def tensors(H, I):
        return {"weight_ih_l0": (3 * H, I), "weight_hh_l0": (3 * H, H)}

    @staticmethod
    def arguments(p, x, noise):
        hidden = p["weight_hh_l0"].shape[1]
        sizes = [2 * hidden, hidden]
        a, b = input_map(x, p["weight_ih_l0"]).split(sizes, 2)
        u, u_n = p["weight_hh_l0"].split(sizes, 0)
        return list(a.unbind(0)), list(b.unbind(0)), zeros(x, hidden), u.t(), u_n.t()

    @staticmethod
    def reference(p, x, noise):
        w, u = p["weight_ih_l0"], p["weight_hh_l0"]
        h, out = np.zeros((x.shape[1], u.shape[1])), []
        for v in x:
            x_r, x_z, x_n = np.split(v @ w.T, 3, axis=1)
            h_r, h_z, m = np.split(h @ u.T, 3, axis=1)
            z = sigmoid(x_z + h_z)
            h = (1 - z) * np.tanh(x_n + sigmoid(x_r + h_r) * m) + z * h
            out.append(h)
        return np.stack(out)


# Antisymmetric --------------------------------------------------------------------------------------------------------

ASRNN_EPS, ASRNN_GAMMA = 0.01, 0.01


def asrnn_loop(x: List[Tensor], h: Tensor, a: Tensor, eps: float) -> List[Tensor]:
    out: List[Tensor] = []
    for v in x:
        h = torch.add(h, torch.tanh(torch.addmm(v, h, a)), alpha=eps)
        out.append(h)
    return out


class Asrnn(Cell):
    library = None
    loop = staticmethod(asrnn_loop)

    @staticmethod
    def tensors(H, I):
        return {"weight_ih_l0": (H, I), "weight_hh_l0": (H, H), "bias_ih_l0": (H,)}

    @staticmethod
    def arguments(p, x, noise):
        u = p["weight_hh_l0"]
        a = u.t() - u - ASRNN_GAMMA * torch.eye(len(u))  # transposed
        return list(input_map(x, p["weight_ih_l0"], p["bias_ih_l0"]).unbind(0)), zeros(x, len(u)), a, ASRNN_EPS

    @staticmethod
    def reference(p, x, noise):
        u = p["weight_hh_l0"]
        a, h, out = u - u.T - ASRNN_GAMMA * np.eye(len(u)), np.zeros((x.shape[1], len(u))), []
        for v in x:
            h = h + ASRNN_EPS * np.tanh(h @ a.T + v @ p["weight_ih_l0"].T + p["bias_ih_l0"])
            out.append(h)
        return np.stack(out)


def asrnn_gated_loop(x: List[Tensor], x_z: List[Tensor], h: Tensor, a: Tensor, eps: float) -> List[Tensor]:
    out: List[Tensor] = []
    for v, w in zip(x, x_z):
        m = torch.mm(h, a)
        h = torch.addcmul(h, torch.sigmoid(m + w), torch.tanh(m + v), value=eps)
        out.append(h)
    return out


class AsrnnGated(Cell):
    library = None
    default_weights = {"bias_iz_l0": 1.0}
    loop = staticmethod(asrnn_gated_loop)

    @staticmethod
    def tensors(H, I):
        return {**Asrnn.tensors(H, I), "weight_iz_l0": (H, I), "bias_iz_l0": (H,)}

    @staticmethod
    def arguments(p, x, noise):
        v, h, a, eps = Asrnn.arguments(p, x, noise)
        return v, list(input_map(x, p["weight_iz_l0"], p["bias_iz_l0"]).unbind(0)), h, a, eps

    @staticmethod
    def reference(p, x, noise):
        u = p["weight_hh_l0"]
        a, h, out = u - u.T - ASRNN_GAMMA * np.eye(len(u)), np.zeros((x.shape[1], len(u))), []
        for v in x:
            m = h @ a.T
            z = sigmoid(m + v @ p["weight_iz_l0"].T + p["bias_iz_l0"])
            h = h + ASRNN_EPS * z * np.tanh(m + v @ p["weight_ih_l0"].T + p["bias_ih_l0"])
            out.append(h)
        return np.stack(out)


# coRNN ----------------------------------------------------------------------------------------------------------------

CORNN_DT, CORNN_GAMMA, CORNN_EPSILON = 0.042, 2.7, 4.7


def cornn_loop(x: List[Tensor], y: Tensor, w_y: Tensor, w_z: Tensor, dt: float, gamma: float, epsilon: float) -> List[Tensor]:
    out: List[Tensor] = []
    z = y
    for a in x:
        force = torch.add(torch.tanh(torch.addmm(torch.addmm(a, y, w_y), z, w_z)), y, alpha=-gamma)
        z = torch.add(z, torch.add(force, z, alpha=-epsilon), alpha=dt)
        y = torch.add(y, z, alpha=dt)
        out.append(y)
    return out


class Cornn(Cell):
    library = None
    loop = staticmethod(cornn_loop)

    @staticmethod
    def tensors(H, I):
        return {"weight_ih_l0": (H, I), "weight_hy_l0": (H, H), "weight_hz_l0": (H, H), "bias_l0": (H,)}

    @staticmethod
    def arguments(p, x, noise):
        w_y, w_z = p["weight_hy_l0"], p["weight_hz_l0"]
        inputs = list(input_map(x, p["weight_ih_l0"], p["bias_l0"]).unbind(0))
        return inputs, zeros(x, len(w_y)), w_y.t(), w_z.t(), CORNN_DT, CORNN_GAMMA, CORNN_EPSILON

    @staticmethod
    def reference(p, x, noise):
        y = z = np.zeros((x.shape[1], len(p["bias_l0"])))
        out = []
        for v in x:
            t = np.tanh(y @ p["weight_hy_l0"].T + z @ p["weight_hz_l0"].T + v @ p["weight_ih_l0"].T + p["bias_l0"])
            z = z + CORNN_DT * (t - CORNN_GAMMA * y - CORNN_EPSILON * z)
            y = y + CORNN_DT * z
            out.append(y)
        return np.stack(out)


# Lipschitz and noisy --------------------------------------------------------------------------------------------------

LIPSCHITZ_EPS, NOISY_EPS, BETA, GAMMA = 0.03, 0.01, 0.75, 0.001
SIGMA_ADD, SIGMA_MULT = 0.02, 0.02


def effective(m, identity):
    return m + (1 - 2 * BETA) * m.T - GAMMA * identity


def lipschitz_loop(x: List[Tensor], h: Tensor, a: Tensor, w: Tensor, eps: float) -> List[Tensor]:
    """h' = h + eps (A h + t) = (I + eps A) h + eps t, so that `a` = (I + eps A)' leaves three operations."""
    out: List[Tensor] = []
    for v in x:
        h = torch.addmm(torch.tanh(torch.addmm(v, h, w)), h, a, beta=eps)
        out.append(h)
    return out


class Lipschitz(Cell):
    library = None
    loop = staticmethod(lipschitz_loop)

    @staticmethod
    def tensors(H, I):
        return {"weight_ih_l0": (H, I), "bias_ih_l0": (H,), "weight_hh_l0": (H, H), "weight_a_l0": (H, H)}

    @staticmethod
    def arguments(p, x, noise):
        identity = torch.eye(len(p["weight_hh_l0"]))
        a, w = effective(p["weight_a_l0"], identity), effective(p["weight_hh_l0"], identity)
        inputs = list(input_map(x, p["weight_ih_l0"], p["bias_ih_l0"]).unbind(0))
        return inputs, zeros(x, len(w)), (identity + LIPSCHITZ_EPS * a).t(), w.t(), LIPSCHITZ_EPS

    @staticmethod
    def reference(p, x, noise):
        identity = np.eye(len(p["weight_hh_l0"]))
        a, w = effective(p["weight_a_l0"], identity), effective(p["weight_hh_l0"], identity)
        h, out = np.zeros((x.shape[1], len(w))), []
        for v in x:
            h = h + LIPSCHITZ_EPS * (h @ a.T + np.tanh(h @ w.T + v @ p["weight_ih_l0"].T + p["bias_ih_l0"]))
            out.append(h)
        return np.stack(out)


def noisy_loop(x: List[Tensor], step: List[Tensor], xi: List[Tensor], h: Tensor, a: Tensor, w: Tensor) -> List[Tensor]:
    out: List[Tensor] = []
    for v, d, n in zip(x, step, xi):
        h = torch.addcmul(h + n, d, torch.addmm(torch.tanh(torch.addmm(v, h, w)), h, a))
        out.append(h)
    return out


class Noisy(Cell):
    library = None
    default_weights = {"step_l0": NOISY_EPS}
    loop = staticmethod(noisy_loop)

    @staticmethod
    def draw_noise(shape, generator):
        """u and sigma_add xi of all steps at once; each from the library that is faster at it."""
        return torch.from_numpy(generator.random(shape, dtype=np.float32)), torch.empty(shape).normal_(0, SIGMA_ADD)

    @staticmethod
    def tensors(H, I):
        return {**Lipschitz.tensors(H, I), "step_l0": (H,)}

    @staticmethod
    def arguments(p, x, noise):
        identity = torch.eye(len(p["weight_hh_l0"]))
        a, w = effective(p["weight_a_l0"], identity), effective(p["weight_hh_l0"], identity)
        inputs = list(input_map(x, p["weight_ih_l0"], p["bias_ih_l0"]).unbind(0))
        u, xi = noise
        step = p["step_l0"] * u.mul(SIGMA_MULT).add_(1 - SIGMA_MULT)
        return inputs, list(step.unbind(0)), list(xi.unbind(0)), zeros(x, len(w)), a.t(), w.t()

    @staticmethod
    def reference(p, x, noise):
        identity = np.eye(len(p["weight_hh_l0"]))
        a, w = effective(p["weight_a_l0"], identity), effective(p["weight_hh_l0"], identity)
        h, out = np.zeros((x.shape[1], len(w))), []
        for v, u, xi in zip(x, *noise):
            t = np.tanh(h @ w.T + v @ p["weight_ih_l0"].T + p["bias_ih_l0"])
            h = h + p["step_l0"] * (1 - SIGMA_MULT * (1 - u)) * (h @ a.T + t) + xi
            out.append(h)
        return np.stack(out)


# LEM ------------------------------------------------------------------------------------------------------------------

LEM_DT = 0.21


def lem_loop(x: List[Tensor], x_q: List[Tensor], y: Tensor, u: Tensor, u_q: Tensor, dt: float) -> List[Tensor]:
    out: List[Tensor] = []
    hidden = y.shape[1]
    z = y
    for v, w in zip(x, x_q):
        s, g = torch.addmm(v, y, u).split([2 * hidden, hidden], 1)
        tau_y, tau_z = torch.sigmoid(s).chunk(2, 1)
        z = torch.addcmul(z, tau_z, torch.tanh(g) - z, value=dt)
        y = torch.addcmul(y, tau_y, torch.tanh(torch.addmm(w, z, u_q)) - y, value=dt)
        out.append(y)
    return out


class Lem(Cell):
    library = None
    loop = staticmethod(lem_loop)

    @staticmethod
    def tensors(H, I):
        return {"weight_ih_l0": (4 * H, I), "bias_ih_l0": (4 * H,), "weight_hh_l0": (3 * H, H), "bias_hh_l0": (3 * H,),
                "weight_hz_l0": (H, H), "bias_hz_l0": (H,)}

    @staticmethod
    def arguments(p, x, noise):
        hidden = len(p["bias_hz_l0"])
        tau_y, tau_z, q, g = p["weight_ih_l0"].chunk(4, 0)
        bias_y, bias_z, bias_q, bias_g = p["bias_ih_l0"].chunk(4, 0)
        bias = torch.cat([bias_y, bias_z, bias_g]) + p["bias_hh_l0"]
        a = input_map(x, torch.cat([tau_y, tau_z, g]), bias)
        b = input_map(x, q, bias_q + p["bias_hz_l0"])
        return list(a.unbind(0)), list(b.unbind(0)), zeros(x, hidden), p["weight_hh_l0"].t(), p["weight_hz_l0"].t(), LEM_DT

    @staticmethod
    def reference(p, x, noise):
        y = z = np.zeros((x.shape[1], len(p["bias_hz_l0"])))
        out = []
        for v in x:
            in_y, in_z, in_q, in_g = np.split(v @ p["weight_ih_l0"].T + p["bias_ih_l0"], 4, axis=1)
            a_y, a_z, a_g = np.split(y @ p["weight_hh_l0"].T + p["bias_hh_l0"], 3, axis=1)
            tau_y, tau_z = LEM_DT * sigmoid(in_y + a_y), LEM_DT * sigmoid(in_z + a_z)
            z = (1 - tau_z) * z + tau_z * np.tanh(in_g + a_g)
            y = (1 - tau_y) * y + tau_y * np.tanh(z @ p["weight_hz_l0"].T + p["bias_hz_l0"] + in_q)
            out.append(y)
        return np.stack(out)


CELLS = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "asrnn": Asrnn, "asrnn-gated": AsrnnGated, "cornn": Cornn, "lipschitz": Lipschitz,
         "noisy": Noisy, "lem": Lem}
