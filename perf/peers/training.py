"""One parameter update of a minibatch with PyTorch in single precision: zero_grad, forward, cross entropy, backward, Adam.

Tasks: smnist, 28 rows of 28 pixels, a loss at the last step; charrnn, 100 one-hot symbols of 82, a loss at every step. Dropout 0.1 before
the linear readout. Inputs are random, since only the time matters, and drawn beforehand.

Forms, of which the fastest is taken:
    nn         torch.nn.RNN, LSTM, GRU
    nn-native  the same by PyTorch's own kernels instead of oneDNN's (LSTM only: PyTorch uses oneDNN for no other here)
    loop       the cell by hand over the steps (cells.py); for symbols the input's product becomes a gather
    script     that loop under torch.jit.script
    compile    that loop under torch.compile, only when asked for: it needs a C++ compiler and a minute
A hand-written backward pass (tried for asrnn) saved 2 to 15 % of a loop's update, too little to ask of a user, and is left out.
Adam is the fastest of its implementations in the version at hand; dropout is ours (dropout.py), faster than PyTorch's.

`error`: largest difference of the cell's outputs from NumPy in double precision, by the equations, on two sequences.
"""

import math

import numpy as np
import torch
from torch.nn import functional

from cells import CELLS
from common import Misuse, Work, fastest, pick
from dropout import Dropout

OPTIONS = {"cell": "lstm", "hidden": 64, "batch": 0, "task": "smnist"}  # batch 0: 128 for smnist, 32 for charrnn

TASKS = {  # steps, inputs, classes, batch, whether there is a loss at every step
    "smnist": (28, 28, 10, 128, False),
    "charrnn": (100, 82, 82, 32, True),
}
POOL = 8
LEARNING_RATE = 2e-3


class Data:
    """A pool of minibatches, steps first. Symbols are kept both as numbers and one-hot."""

    def __init__(self, task, batch, generator):
        steps, inputs, classes, _, self.every = TASKS[task]
        self.batches = []
        for _ in range(POOL):
            if self.every:
                symbols = torch.randint(inputs, (steps, batch), generator=generator)
                dense = functional.one_hot(symbols, inputs).float()
                labels = torch.randint(classes, (steps * batch,), generator=generator)
            else:
                dense = torch.rand(steps, batch, inputs, generator=generator)
                symbols = dense
                labels = torch.randint(classes, (batch,), generator=generator)
            self.batches.append((dense, symbols, labels))


class LibraryCell:
    """torch.nn.RNN, LSTM or GRU with the given parameters."""

    def __init__(self, cell, parameters):
        hidden, inputs = parameters["weight_hh_l0"].shape[1], parameters["weight_ih_l0"].shape[1]
        self.net = cell.library(inputs, hidden, bias=False)
        with torch.no_grad():
            for name, value in parameters.items():
                getattr(self.net, name).copy_(value)
        self.parameters = list(self.net.parameters())

    def last_step(self, dense, symbols, noise):
        state = self.net(dense)[1]
        return (state[0] if isinstance(state, tuple) else state)[0]

    def all_steps(self, dense, symbols, noise):
        return self.net(dense)[0]


class HandCell:
    def __init__(self, cell, parameters, wrap):
        self.cell, self.loop = cell, wrap(cell.loop)
        self.named = {name: value.clone().requires_grad_() for name, value in parameters.items()}
        self.parameters = list(self.named.values())

    def steps(self, symbols, noise):
        return self.loop(*self.cell.arguments(self.named, symbols, noise))

    def last_step(self, dense, symbols, noise):
        return self.steps(symbols, noise)[-1]

    def all_steps(self, dense, symbols, noise):
        return torch.stack(self.steps(symbols, noise))


def draw_parameters(cell, hidden, inputs, generator):
    bound = 1 / math.sqrt(hidden)
    return {name: torch.full(shape, cell.default_weights[name]) if name in cell.default_weights
            else torch.empty(shape).uniform_(-bound, bound, generator=generator)
            for name, shape in cell.tensors(hidden, inputs).items()}


def make_adam(parameters):
    """The fastest implementation; what an older version lacks is left out."""
    made = {}
    for kind in ({"fused": True}, {"foreach": True}, {}):
        copies = [p.detach().clone().requires_grad_() for p in parameters]
        for p in copies:
            p.grad = torch.full_like(p, 1e-3)
        try:
            step = torch.optim.Adam(copies, **kind).step
            step()
        except (RuntimeError, TypeError, ValueError):
            continue
        made[str(kind)] = (kind, step)
    best = fastest({name: step for name, (_, step) in made.items()}, patience=0.2)
    return torch.optim.Adam(parameters, lr=LEARNING_RATE, **made[best][0])


class Trainer:
    def __init__(self, form, net, hidden, task, data, seed, noise_source):
        self.net, self.data, self.noise_source, self.count = net, data, noise_source, 0
        readout = torch.nn.Linear(hidden, TASKS[task][2])
        self.weight, self.bias = readout.weight, readout.bias
        self.dropout = Dropout(0.1, seed)
        self.adam = make_adam([*net.parameters, self.weight, self.bias])
        self.without_one_dnn = form == "nn-native"

    def update(self):
        if self.without_one_dnn:
            with torch.backends.mkldnn.flags(enabled=False):
                self.plain_update()
        else:
            self.plain_update()

    def plain_update(self):
        dense, symbols, labels = self.data.batches[self.count % POOL]
        self.count += 1
        self.adam.zero_grad(set_to_none=True)
        noise = self.noise_source()
        if self.data.every:
            seen = self.net.all_steps(dense, symbols, noise).flatten(0, 1)
        else:
            seen = self.net.last_step(dense, symbols, noise)
        functional.cross_entropy(functional.linear(self.dropout(seen), self.weight, self.bias), labels).backward()
        self.adam.step()


def check(cell, parameters, net, data, hidden, generator):
    dense, symbols, _ = data.batches[0]
    dense, symbols = dense[:, :2].contiguous(), symbols[:, :2].contiguous()
    noise = cell.draw_noise((*dense.shape[:2], hidden), generator)
    with torch.no_grad():
        found, last = (f(dense, symbols, noise).double().numpy() for f in (net.all_steps, net.last_step))
    wide = {name: value.double().numpy() for name, value in parameters.items()}
    expected = cell.reference(wide, dense.double().numpy(), noise and [n.double().numpy() for n in noise])
    return float(max(np.abs(found - expected).max(), np.abs(last - expected[-1]).max()))


def prepare(options):
    if options["cell"] not in CELLS:
        raise Misuse(f"cell={options['cell']} is unknown; there are {', '.join(CELLS)}")
    if options["task"] not in TASKS:
        raise Misuse(f"task={options['task']} is unknown; there are {', '.join(TASKS)}")
    cell, task, hidden = CELLS[options["cell"]], options["task"], options["hidden"]
    steps, inputs, _, batch, _ = TASKS[task]
    batch = options["batch"] or batch
    if hidden < 1 or batch < 2:
        raise Misuse("hidden must be at least 1, batch at least 2")
    torch.manual_seed(options["seed"])
    generator = torch.Generator().manual_seed(options["seed"])
    numpy_generator = np.random.Generator(np.random.SFC64(options["seed"]))
    data = Data(task, batch, generator)
    parameters = draw_parameters(cell, hidden, inputs, generator)

    library = [] if cell.library is None else ["nn", "nn-native"] if cell.library is torch.nn.LSTM else ["nn"]
    hand = {"loop": lambda f: f, "script": torch.jit.script}
    extra = {"compile": torch.compile} if hasattr(torch, "compile") else {}
    trainers, errors = {}, {}
    for form in pick(options["form"], [*library, *hand], extra):
        if form in library:
            net = LibraryCell(cell, parameters)
        else:
            net = HandCell(cell, parameters, {**hand, **extra}[form])
        trainers[form] = Trainer(form, net, hidden, task, data, options["seed"],
                                 lambda: cell.draw_noise((steps, batch, hidden), numpy_generator))
        errors[form] = check(cell, parameters, net, data, hidden, numpy_generator)
    form = fastest({name: trainer.update for name, trainer in trainers.items()})
    trainer = trainers[form]
    return Work(peer=f"torch {torch.__version__.split('+')[0]}", form=form, unit="updates", error=errors[form], run=trainer.update,
                warm_up=lambda: [trainer.update() for _ in range(3)])
