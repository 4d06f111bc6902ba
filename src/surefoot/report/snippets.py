"""Snippets: a recipe as code to paste, for plain PyTorch, Lightning and the Hugging Face Trainer.

The code trains as Surefoot did: the same optimizer and options, the same rate at every update, the same clipping and
accumulation. What a record says is only ever written as a number, a quoted string or a checked name.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from surefoot.errors import RecordError
from surefoot.records import Recipe
from surefoot.schedules import make

__all__ = ["Snippet", "huggingface", "lightning", "pytorch", "snippets"]

CLASSES = {
    "adadelta": "Adadelta", "adafactor": "Adafactor", "adagrad": "Adagrad", "adam": "Adam", "adamax": "Adamax",
    "adamw": "AdamW", "asgd": "ASGD", "nadam": "NAdam", "radam": "RAdam", "rmsprop": "RMSprop", "rprop": "Rprop",
    "sgd": "SGD",
}  # fmt: skip
"""Surefoot's names of optimizers and the classes in torch.optim."""

_BETAS = {"adam", "adamw", "adamax", "nadam", "radam"}
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclasses.dataclass(frozen=True)
class Snippet:
    """Code for one framework."""

    name: str
    code: str


def snippets(recipe: Recipe) -> list[Snippet]:
    """The recipe for every framework; empty when it has no rate.

    Raises:
        RecordError: the recipe holds a name or value that cannot be written as code.
    """
    if recipe.lr is None:
        return []
    return [
        Snippet("PyTorch", pytorch(recipe)),
        Snippet("Lightning", lightning(recipe)),
        Snippet("Hugging Face", huggingface(recipe)),
    ]


def pytorch(recipe: Recipe) -> str:
    """A plain loop. It expects `make_model`, `loss_fn` and the dataset `train_set`."""
    clip = [] if recipe.clip is None else [
        f"    torch.nn.utils.clip_grad_norm_(model.parameters(), {_number(recipe.clip)})"
    ]  # fmt: skip
    batches = recipe.accumulate
    share = f" / {batches}" if batches > 1 else ""
    forward = [f"loss = loss_fn(model(x), y){share}"]
    if recipe.precision == "bf16":
        forward = ['with torch.autocast("cuda", dtype=torch.bfloat16):', f"    {forward[0]}"]
    body = ["x, y = next(batches)", *forward, "loss.backward()"]
    if batches > 1:
        body = [f"for _ in range({batches}):  # batches averaged into one update", *_indented(body)]
    lines = [
        "import itertools",
        "",
        "import torch",
        *_imports(recipe),
        *_changes(recipe),
        "",
        f"torch.manual_seed({int(recipe.seed)})",
        "model = make_model()",
        f"loader = torch.utils.data.DataLoader(train_set, batch_size={_batch(recipe)}, shuffle=True)",
        f"steps = {_steps(recipe, 'len(loader)')}",
        "",
        f"optimizer = {_optimizer(recipe, 'model.parameters()')}",
        f"scheduler = {_scheduler(recipe)}",
        "",
        "batches = itertools.chain.from_iterable(itertools.repeat(loader))",
        "model.train()",
        "for step in range(steps):",
        "    optimizer.zero_grad()",
        *_indented(body),
        *clip,
        "    optimizer.step()",
        f"    {_step(recipe)}",
    ]
    return "\n".join(lines) + "\n"


def lightning(recipe: Recipe) -> str:
    """A LightningModule and its Trainer. It expects `make_model`, `loss_fn` and the dataset `train_set`."""
    given = ["max_steps=steps", "max_epochs=-1"]
    if recipe.clip is not None:
        given.append(f"gradient_clip_val={_number(recipe.clip)}")
    if recipe.accumulate > 1:
        given.append(f"accumulate_grad_batches={recipe.accumulate}")
    if recipe.precision == "bf16":
        given.append('precision="bf16-mixed"')
    lines = [
        "import pytorch_lightning as pl",
        "import torch",
        *_imports(recipe),
        *_changes(recipe),
        "",
        f"pl.seed_everything({int(recipe.seed)})",
        f"loader = torch.utils.data.DataLoader(train_set, batch_size={_batch(recipe)}, shuffle=True)",
        f"steps = {_steps(recipe, 'len(loader)')}",
        "",
        "",
        "class Training(pl.LightningModule):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.model = make_model()",
        "",
        "    def training_step(self, batch, batch_idx):",
        "        x, y = batch",
        "        loss = loss_fn(self.model(x), y)",
        '        self.log("train_loss", loss)',
        "        return loss",
        "",
        "    def configure_optimizers(self):",
        f"        optimizer = {_optimizer(recipe, 'self.parameters()')}",
        f"        scheduler = {_scheduler(recipe)}",
        '        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}',
        "",
        "",
        f"trainer = pl.Trainer({', '.join(given)})",
        "trainer.fit(Training(), loader)",
    ]
    return "\n".join(lines) + "\n"


def huggingface(recipe: Recipe) -> str:
    """A Trainer with this optimizer and schedule. It expects `make_model` and the dataset `train_set`."""
    per_epoch = f"math.ceil(len(train_set) / {_batch(recipe)})"
    given = [
        'output_dir="out"',
        f"per_device_train_batch_size={_batch(recipe)}",
        f"gradient_accumulation_steps={recipe.accumulate}",
        "max_steps=steps",
        f"max_grad_norm={'0.0,  # no clipping; its default is 1.0' if recipe.clip is None else _number(recipe.clip)}",
        f"seed={int(recipe.seed)}",
        'lr_scheduler_type="constant",  # overridden by the scheduler below',
    ]
    if recipe.precision == "bf16":
        given.append("bf16=True")
    lines = [
        "import math",
        "",
        "import torch",
        *_imports(recipe),
        "from transformers import Trainer, TrainingArguments",
        *_changes(recipe),
        "",
        f"torch.manual_seed({int(recipe.seed)})",
        "model = make_model()  # returns the loss when it is given labels",
        f"steps = {_steps(recipe, per_epoch)}",
        "",
        f"optimizer = {_optimizer(recipe, 'model.parameters()')}",
        f"scheduler = {_scheduler(recipe)}",
        "arguments = TrainingArguments(",
        *(f"    {one}" if "#" in one else f"    {one}," for one in given),
        ")",
        "trainer = Trainer(model=model, args=arguments, train_dataset=train_set, optimizers=(optimizer, scheduler))",
        "trainer.train()",
    ]
    return "\n".join(lines) + "\n"


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _batch(recipe: Recipe) -> str:
    return "len(train_set)" if recipe.batch_size == "full" else str(int(recipe.batch_size))


def _steps(recipe: Recipe, per_epoch: str) -> str:
    epochs = _number(float(recipe.epochs)).removesuffix(".0")
    if recipe.accumulate > 1:
        return f"max(1, round({epochs} * {per_epoch} / {recipe.accumulate}))"
    return f"max(1, round({epochs} * {per_epoch}))"


def _imports(recipe: Recipe) -> list[str]:
    lines = []
    if recipe.optimizer not in CLASSES:
        module, _, name = recipe.optimizer.partition(":")
        if not _DOTTED.fullmatch(module) or not _DOTTED.fullmatch(name):
            raise RecordError(f"`optimizer` is {recipe.optimizer!r}, which is no name that code could hold")
        lines.append(f"from {module} import {name.partition('.')[0]}")
    if not _torch_has(recipe):
        lines.append("from surefoot.schedules import make")
    return lines


def _changes(recipe: Recipe) -> list[str]:
    """What the code below does not do by itself: changes that the recipe makes to data, model or loss."""
    said = [f"#   {one}" for one in _keywords(recipe.changes)]
    return ["", "# Surefoot also changed the task; do the same to your data, model and loss:", *said] if said else []


def _optimizer(recipe: Recipe, parameters: str) -> str:
    name = recipe.optimizer
    call = f"torch.optim.{CLASSES[name]}" if name in CLASSES else name.partition(":")[2]
    return f"{call}({', '.join([parameters, f'lr={_number(recipe.lr or 0.0)}', *_keywords(recipe.options)])})"


def _torch_has(recipe: Recipe) -> bool:
    """Whether torch has a scheduler with the same rates."""
    return recipe.schedule in _SCHEDULERS and set(recipe.schedule_options) <= _TAKEN[recipe.schedule]


def _scheduler(recipe: Recipe) -> str:
    if _torch_has(recipe):
        return _SCHEDULERS[recipe.schedule](recipe)
    given = [ascii(recipe.schedule), _number(recipe.lr or 0.0), "steps", *_keywords(recipe.schedule_options)]
    return f"make({', '.join(given)}).torch(optimizer)"


def _step(recipe: Recipe) -> str:
    follows = make(recipe.schedule, 1.0, 1000, **recipe.schedule_options).follows_metric
    return "scheduler.step()" + ("  # and scheduler.step(val_loss) after every validation" if follows else "")


def _constant(recipe: Recipe) -> str:  # noqa: ARG001
    return "torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)"


def _linear(recipe: Recipe) -> str:
    end = _number(float(recipe.schedule_options.get("end_factor", 0.0)))
    return f"torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor={end}, total_iters=steps)"


def _cosine(recipe: Recipe) -> str:
    lowest = _number(float(recipe.schedule_options.get("end_factor", 0.0)) * (recipe.lr or 0.0))
    return f"torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min={lowest})"


def _one_cycle(recipe: Recipe) -> str:
    given = {"pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4} | recipe.schedule_options
    lowest, highest = given.pop("base_momentum", 0.85), given.pop("max_momentum", 0.95)
    # Momentum only moves where the optimizer has some.
    moves = bool(recipe.options.get("momentum")) or recipe.optimizer in _BETAS or "betas" in recipe.options
    if lowest is not None and moves:
        given |= {"base_momentum": lowest, "max_momentum": highest}
    else:
        given["cycle_momentum"] = False
    keywords = ", ".join([f"max_lr={_number(recipe.lr or 0.0)}", "total_steps=steps", *_keywords(given)])
    return f"torch.optim.lr_scheduler.OneCycleLR(optimizer, {keywords})"


_TAKEN = {
    "constant": set[str](),
    "linear": {"end_factor"},
    "cosine": {"end_factor"},
    "one-cycle": {"pct_start", "div_factor", "final_div_factor", "base_momentum", "max_momentum"},
}
"""Options of a schedule that torch's scheduler has too."""

_SCHEDULERS = {"constant": _constant, "linear": _linear, "cosine": _cosine, "one-cycle": _one_cycle}


def _keywords(options: dict[str, Any]) -> list[str]:
    written = []
    for name, value in options.items():
        if not name.isidentifier():
            raise RecordError(f"the recipe has an option {name!r}, which is no name that code could hold")
        written.append(f"{name}={_value(value)}")
    return written


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        inside = ", ".join(_value(item) for item in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, float):
        return _number(value)
    if value is None or isinstance(value, bool | int | str):
        return ascii(value)
    raise RecordError(f"the recipe holds {value!r}, which cannot be written as code")


def _number(value: float) -> str:
    written = repr(float(value))
    return f'float("{written}")' if written in ("nan", "inf", "-inf") else written
