"""Compares a file of `aelle spectrum` for an nn.LSTM with Jacobians by automatic differentiation in double precision: every step's QR, h and c zero at first.

    torch_spectrum.py net.safetensors inputs.h5 spectrum.h5

Prints the largest difference of an exponent of the first sequence; ends with 1 where it is above 1e-9.
"""
import sys

import h5py
import torch
from safetensors.torch import load_file

weights, inputs, result = sys.argv[1:]
tensors = {name.rsplit(".", 1)[-1]: value.double() for name, value in load_file(weights).items()}
hidden = tensors["weight_hh_l0"].shape[1]
cell = torch.nn.LSTMCell(tensors["weight_ih_l0"].shape[1], hidden).double()
cell.load_state_dict({name[: -len("_l0")]: value for name, value in tensors.items()})
with h5py.File(inputs) as file:
    sequence = torch.from_numpy(file["inputs"][0]).double()
with h5py.File(result) as file:
    found, mean, all_found = torch.from_numpy(file["exponents"][0]), file["spectrum"][:], file["exponents"][:]

state = torch.zeros(2 * hidden, dtype=torch.float64)
q = torch.eye(2 * hidden, dtype=torch.float64)
total = torch.zeros(2 * hidden, dtype=torch.float64)
for x in sequence:

    def step(s):
        return torch.cat(cell(x[None], (s[None, :hidden], s[None, hidden:])), dim=1)[0]

    jacobian = torch.autograd.functional.jacobian(step, state, vectorize=True)
    q, r = torch.linalg.qr(jacobian @ q)
    total += r.diagonal().abs().log()
    state = step(state).detach()
expected = (total / len(sequence)).sort(descending=True).values

largest = max((found - expected).abs().max().item(), abs(all_found.mean(axis=0) - mean).max())
print(f"{len(expected)} exponents, largest difference {largest:.3g}")
sys.exit(0 if largest < 1e-9 else 1)
