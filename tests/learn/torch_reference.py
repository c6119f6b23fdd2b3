#!/usr/bin/env python3
"""Repeats runs of `aelle train --task smnist --order sequential --dropout 0` with PyTorch's autograd and optimisers.

    torch_reference.py --data DIR INIT.h5 TRAINED.h5 [INIT.h5 TRAINED.h5]...

INIT.h5 is what --init-weights was given, TRAINED.h5 what `aelle train` wrote; cell, scalars, optimiser and sizes are its attributes. Prints, for
each tensor, |aelle - PyTorch| / |PyTorch - INIT| (Frobenius norms) and ends with 1 where that exceeds the tolerance or a tensor is missing.
rnn, lstm and gru are PyTorch's own modules; the other cells are written here from their papers. Single precision, as PyTorch's default is: updates
much smaller than a weight are rounded to its last place there as here. --double shows how much that rounding is.
Ends with 77 when torch, numpy or h5py cannot be imported.
"""
import argparse
import gzip
import os
import sys

try:
    import h5py
    import numpy as np
    import torch
except ImportError as error:
    print(f"{sys.executable}: {error}")
    sys.exit(77)


def read_idx(folder, name, header):
    for path, opener in ((os.path.join(folder, name), open), (os.path.join(folder, name + ".gz"), gzip.open)):
        if os.path.exists(path):
            with opener(path, "rb") as stream:
                return np.frombuffer(stream.read(), np.uint8, offset=header)
    raise FileNotFoundError(os.path.join(folder, name))


def mnist(data, count, dtype):
    folder = os.path.join(data, "mnist")
    images = read_idx(folder, "train-images-idx3-ubyte", 16).reshape(-1, 28, 28)[:count]
    labels = read_idx(folder, "train-labels-idx1-ubyte", 8)[:count]
    pixels = torch.from_numpy(images.astype(np.float32) / np.float32(255)).to(dtype)
    return pixels, torch.from_numpy(labels.astype(np.int64))


def torch_module(name, w):
    """PyTorch's own rnn, lstm or gru on the tensors w."""
    weight = w["weight_ih_l0"]
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[name]
    hidden = weight.shape[0] // gates
    module = getattr(torch.nn, name)(weight.shape[1], hidden, bias="bias_ih_l0" in w, batch_first=True).to(weight.dtype)
    module.load_state_dict({key: value for key, value in w.items() if not key.startswith("fc.")})
    return module


def skew(m, beta, gamma):
    """Erichson et al. 2021, equation 4: (1 - beta) (M + M^T) + beta (M - M^T) - gamma I."""
    return (1 - beta) * (m + m.T) + beta * (m - m.T) - gamma * torch.eye(m.shape[0], dtype=m.dtype)


def asrnn(w, s, x):
    u = w["weight_hh_l0"]
    a = u - u.T - s["gamma"] * torch.eye(u.shape[0], dtype=u.dtype)
    h = x.new_zeros(x.shape[0], u.shape[0])
    for t in range(x.shape[1]):
        ah = h @ a.T
        step = torch.tanh(ah + x[:, t] @ w["weight_ih_l0"].T + w["bias_ih_l0"])
        if "weight_iz_l0" in w:
            step = step * torch.sigmoid(ah + x[:, t] @ w["weight_iz_l0"].T + w["bias_iz_l0"])
        h = h + s["eps"] * step
    return h


def cornn(w, s, x):
    hidden = w["weight_hy_l0"].shape[0]
    y, z = x.new_zeros(x.shape[0], hidden), x.new_zeros(x.shape[0], hidden)
    for t in range(x.shape[1]):
        drive = torch.tanh(y @ w["weight_hy_l0"].T + z @ w["weight_hz_l0"].T + x[:, t] @ w["weight_ih_l0"].T + w["bias_l0"])
        z = z + s["dt"] * (drive - s["gamma"] * y - s["epsilon"] * z)
        y = y + s["dt"] * z
    return y


def lipschitz(w, s, x):
    a = skew(w["weight_a_l0"], s["beta_a"], s["gamma_a"])
    m = skew(w["weight_hh_l0"], s["beta_w"], s["gamma_w"])
    step = w["step_l0"] if "step_l0" in w else s["eps"]
    h = x.new_zeros(x.shape[0], a.shape[0])
    for t in range(x.shape[1]):
        h = h + step * (h @ a.T + torch.tanh(h @ m.T + x[:, t] @ w["weight_ih_l0"].T + w["bias_ih_l0"]))
    return h


def lem(w, s, x):
    hidden = w["weight_hz_l0"].shape[0]
    y, z = x.new_zeros(x.shape[0], hidden), x.new_zeros(x.shape[0], hidden)
    for t in range(x.shape[1]):
        bar_x, tau_x, q_x, g_x = (x[:, t] @ w["weight_ih_l0"].T + w["bias_ih_l0"]).chunk(4, 1)
        bar_y, tau_y, g_y = (y @ w["weight_hh_l0"].T + w["bias_hh_l0"]).chunk(3, 1)
        tau_bar, tau = s["dt"] * torch.sigmoid(bar_x + bar_y), s["dt"] * torch.sigmoid(tau_x + tau_y)
        z = (1 - tau) * z + tau * torch.tanh(g_x + g_y)
        y = (1 - tau_bar) * y + tau_bar * torch.tanh(z @ w["weight_hz_l0"].T + w["bias_hz_l0"] + q_x)
    return y


WRITTEN_HERE = {"asrnn": asrnn, "cornn": cornn, "lipschitz": lipschitz, "noisy": lipschitz, "lem": lem}


def train(cell, initial, attributes, pixels, labels):
    """The tensors after the run that `attributes` describe."""
    w = {name: value.clone() for name, value in initial.items()}
    if cell in WRITTEN_HERE:
        trained = w
        forward = lambda x: WRITTEN_HERE[cell](w, attributes, x)
    else:
        module = torch_module(cell.upper(), w)
        trained = dict(module.named_parameters(), **{name: w[name] for name in w if name.startswith("fc.")})
        forward = lambda x: module(x)[0][:, -1]
    for value in trained.values():
        value.requires_grad_(True)
    values, lr = list(trained.values()), attributes["lr"]
    optimizer = torch.optim.Adam(values, lr=lr) if attributes["optimizer"] == "adam" else torch.optim.SGD(values, lr=lr, momentum=attributes["momentum"])
    updates = 0
    for _ in range(attributes["epochs"]):
        for x, target in zip(pixels.split(attributes["batch"]), labels.split(attributes["batch"])):
            optimizer.zero_grad()
            logits = forward(x) @ trained["fc.weight"].T + trained["fc.bias"]
            torch.nn.functional.cross_entropy(logits, target).backward()
            if attributes["clip"] > 0:
                torch.nn.utils.clip_grad_norm_(values, attributes["clip"])
            optimizer.step()
            updates += 1
    return {name: value.detach() for name, value in trained.items()}, updates


def read(path, dtype):
    with h5py.File(path) as file:
        names = [name for name in file if name not in ("train_loss", "loss", "accuracy")]
        tensors = {name: torch.from_numpy(np.asarray(file[name], np.float64)).to(dtype) for name in names}
        attributes = {name: value.decode() if isinstance(value, bytes) else np.asarray(value).tolist() for name, value in file.attrs.items()}
    return tensors, attributes


def compare(initial_path, trained_path, data, dtype, tolerance):
    initial, _ = read(initial_path, dtype)
    ours, attributes = read(trained_path, dtype)
    if attributes["order"] != "sequential" or attributes["dropout"] != 0:
        raise ValueError(f"{trained_path}: expected --order sequential --dropout 0")
    pixels, labels = mnist(data, attributes["limit_train"], dtype)
    expected, updates = train(attributes["cell"], initial, attributes, pixels, labels)
    passed = True
    for name, value in expected.items():
        moved = torch.linalg.norm(value - initial[name]).item()
        error = torch.linalg.norm(ours[name] - value).item() / moved if name in ours and moved > 0 else float("inf")
        passed = passed and error <= tolerance
        print(f"{attributes['cell']}{'-gated' if attributes['gated'] else ''} {attributes['optimizer']} {updates} updates, {name}: moved {moved:.4g}, "
              f"off by {error:.2e} of that{'' if error <= tolerance else '  TOO FAR'}")
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tolerance", type=float, default=2e-3)
    parser.add_argument("--double", action="store_true", help="PyTorch in double precision")
    parser.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dtype = torch.float64 if options.double else torch.float32
    pairs = zip(options.files[::2], options.files[1::2])
    results = [compare(initial, trained, options.data, dtype, options.tolerance) for initial, trained in pairs]
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
