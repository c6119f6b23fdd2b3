"""Epochs of training of the spectrum autoencoder with PyTorch in single precision: inputs-128-64-latent-64-128-inputs, tanh after each
hidden layer, dropout 0.1 after each tanh and after the output, a linear predictor on the latent vector, loss
mean |Z - Z'| + alpha mean (T - T')^2, Adam.

Why this is the best a user can write: the rows are put into the epoch's random order by one index_select, from which minibatches are
contiguous slices; dropout masks cost a fifth of PyTorch's (dropout.py); Adam is the fastest of its implementations. Forms, of which the
fastest is taken:
    plain     functional calls, one after the other
    script    the network and its loss under torch.jit.script
    library   torch.nn.functional.dropout instead of our masks
`error`: difference of the first loss, without dropout, from NumPy in double precision.
"""

from typing import List

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from common import Misuse, Work, fastest, pick
from dropout import Dropout
from training import make_adam

OPTIONS = {"rows": 1120, "inputs": 1024, "epochs": 10, "batch": 32, "latent": 32}

HIDDEN = (128, 64)
ALPHA = 5.0
DROPOUT = 0.1


def masked_loss(z, target, p: List[Tensor], masks: List[Tensor], alpha: float):
    """`p`: weight and bias of each layer, then of the predictor. `masks`: after the first two layers and the last three, or none."""
    dropped = len(masks) > 0
    a = z
    latent = z
    used = 0
    for layer in range(6):
        a = functional.linear(a, p[2 * layer], p[2 * layer + 1])
        if layer == 2:
            latent = a
            continue
        if layer < 5:
            a = torch.tanh(a)
        if dropped:
            a = a * masks[used]
            used += 1
    prediction = functional.linear(latent, p[12], p[13]).squeeze(1)
    return functional.l1_loss(a, z) + alpha * functional.mse_loss(prediction, target)


def library_loss(z, target, p, alpha):
    a = z
    for layer in range(6):
        a = functional.linear(a, p[2 * layer], p[2 * layer + 1])
        if layer == 2:
            latent = a
            continue
        a = functional.dropout(torch.tanh(a) if layer < 5 else a, DROPOUT)
    prediction = functional.linear(latent, p[12], p[13]).squeeze(1)
    return functional.l1_loss(a, z) + alpha * functional.mse_loss(prediction, target)


def reference_loss(z, target, p, alpha):
    a = z
    for layer in range(6):
        a = a @ p[2 * layer].T + p[2 * layer + 1]
        if layer == 2:
            latent = a
        elif layer < 5:
            a = np.tanh(a)
    return np.abs(a - z).mean() + alpha * ((latent @ p[12].T + p[13]).squeeze(1) - target).__pow__(2).mean()


class Trainer:
    def __init__(self, form, z, target, sizes, batch, seed):
        torch.manual_seed(seed)  # every form starts from the same weights
        layers = [torch.nn.Linear(*pair) for pair in zip(sizes, sizes[1:])] + [torch.nn.Linear(sizes[3], 1)]
        self.parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
        self.z, self.target, self.batch = z, target, batch
        self.widths = [sizes[i] for i in (1, 2, 4, 5, 6)]
        self.form, self.dropout, self.adam = form, Dropout(DROPOUT, seed), make_adam(self.parameters)
        self.masked_loss = torch.jit.script(masked_loss) if form == "script" else masked_loss

    def loss(self, z, target):
        if self.form == "library":
            return library_loss(z, target, self.parameters, ALPHA)
        return self.masked_loss(z, target, self.parameters, self.masks(len(z)), ALPHA)

    def masks(self, rows):
        """All layers' masks from one stretch of random numbers."""
        parts = self.dropout.mask(rows * sum(self.widths)).split([rows * width for width in self.widths])
        return [part.view(rows, width) for part, width in zip(parts, self.widths)]

    def epoch(self):
        order = torch.randperm(len(self.z))
        batches = zip(self.z.index_select(0, order).split(self.batch), self.target.index_select(0, order).split(self.batch))
        for z, target in batches:
            self.adam.zero_grad(set_to_none=True)
            self.loss(z, target).backward()
            self.adam.step()

    def check(self):
        z, target = self.z[:self.batch], self.target[:self.batch]
        wide = [p.detach().double().numpy() for p in self.parameters]
        found = self.masked_loss(z, target, self.parameters, [], ALPHA).item()
        return abs(found - reference_loss(z.double().numpy(), target.double().numpy(), wide, ALPHA))


def prepare(options):
    if min(options[key] for key in ("rows", "inputs", "batch", "latent")) < 1:
        raise Misuse("rows, inputs, batch and latent must be at least 1")
    torch.manual_seed(options["seed"])
    z, target = torch.randn(options["rows"], options["inputs"]), torch.rand(options["rows"])
    sizes = [options["inputs"], *HIDDEN, options["latent"], *reversed(HIDDEN), options["inputs"]]
    trainers = {form: Trainer(form, z, target, sizes, options["batch"], options["seed"])
                for form in pick(options["form"], ["plain", "script", "library"])}
    errors = {form: trainer.check() for form, trainer in trainers.items()}
    form = fastest({name: trainer.epoch for name, trainer in trainers.items()})
    trainer = trainers[form]

    def unit():
        for _ in range(options["epochs"]):
            trainer.epoch()

    return Work(peer=f"torch {torch.__version__.split('+')[0]}", form=form, unit=f"trainings of {options['epochs']} epochs",
                error=errors[form], run=unit, warm_up=trainer.epoch)
