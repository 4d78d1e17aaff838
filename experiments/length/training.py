"""One run: train a model on lengths up to L, then test it beyond.

The same seed gives the same numbers on the same machine. Another processor may round sums otherwise, and after a
thousand steps that makes another model, as another seed would.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from length import model as models
from length import tasks as tasks_
from torch import Tensor


@dataclass(frozen=True)
class Settings:
    """What all runs share."""

    steps: int = 1200
    batch: int = 32
    learning_rate: float = 3e-3
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    trials: int = 512


def train(
    method: str, task: str, seed: int, settings: Settings, device: str = "cpu", step_done: Callable[[int], None] = int
) -> models.Transformer:
    """Train from scratch. With one seed all methods see the same examples and begin with the same shared weights."""
    chosen = tasks_.TASKS[task]
    torch.manual_seed(seed)
    longest = tasks_.tokens_at(task, tasks_.tested_lengths(task)[-1])
    model = models.Transformer(method, chosen.vocabulary, longest).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings))
    generator = torch.Generator().manual_seed(seed)
    for step in range(settings.steps):
        tokens, wanted = lesson(chosen, settings.batch, generator)
        loss = torch.nn.functional.cross_entropy(
            model(tokens[:, :-1].to(device)).transpose(1, 2), wanted[:, 1:].to(device), ignore_index=-100
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        rate.step()
        step_done(step + 1)
    return model.eval()


def lesson(task: tasks_.Task, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw examples of lengths up to L, equally often: tokens, padded on the right, and what to predict, or else −100.

    The causal mask hides what is on the right, so padding changes nothing before it.
    """
    lengths = torch.randint(task.shortest, task.longest + 1, (batch,), generator=generator)
    rows, answers = [], []
    for n, count in zip(*(each.tolist() for each in lengths.unique(return_counts=True)), strict=True):
        tokens, is_answer, _ = task.draw(n, count, generator)
        rows += tokens
        answers += tokens.where(is_answer, -100)
    pad = torch.nn.utils.rnn.pad_sequence
    return pad(rows, batch_first=True), pad(answers, batch_first=True, padding_value=-100)


def evaluate(
    model: models.Transformer, task: str, n: int, settings: Settings, device: str = "cpu"
) -> dict[str, float]:
    """Return the share of right tokens of the answer, and of answers that are right in all tokens.

    Beyond the training length those tokens count that training never asked for: in a long sum its later columns, for
    the first ones are a short sum. Each token is predicted after the right ones. For whole answers that is the same as
    letting the model write: it leaves the right path at its first wrong token, or never. The examples depend on task
    and length alone.
    """
    generator = torch.Generator().manual_seed(1_000_000 + n)
    chosen = tasks_.TASKS[task]
    tokens, is_answer, needs = chosen.draw(n, settings.trials, generator)
    with torch.no_grad():
        guess = torch.cat([model(part[:, :-1].to(device)).argmax(dim=2).cpu() for part in tokens.split(128)])
    right = (guess == tokens[:, 1:])[:, is_answer[1:]]
    scored = right[needs > chosen.longest] if n > chosen.longest else right
    return {"token_accuracy": scored.double().mean().item(), "exact_match": right.all(dim=1).double().mean().item()}


def _rate(step: int, settings: Settings) -> float:
    """Up in a straight line, then down along half a cosine."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    return (1 + math.cos(math.pi * (step - settings.warmup) / (settings.steps - settings.warmup))) / 2
