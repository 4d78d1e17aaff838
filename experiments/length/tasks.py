"""The tasks: what a model reads, and which of its tokens it has to predict.

Each task draws examples of one length n as whole sequences of token ids, question and answer together, and says which
of them are the answer. A decoder predicts each token from those before it, so nothing else is needed: there is no
padding within an example and no token that ends it. One token begins it, always the same: by it a model without a
positional encoding can count.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SYMBOLS = 48  # ids 0 to 47; the longest test shows them all
SEPARATOR, BEGIN = SYMBOLS, SYMBOLS + 1
EQUALS, BEGIN_SUM = 10, 11  # after the ten digits
QUERIES = 4


class Examples(NamedTuple):
    """Sequences and their answers."""

    tokens: Tensor  # (count, T) int64
    is_answer: Tensor  # (T,) bool, the same in all of them
    needs: Tensor  # (count, answers) int64: the length of the shortest example that asks for such an answer


class Task(NamedTuple):
    """How to draw examples, and how long those in training are."""

    draw: Callable[[int, int, torch.Generator], Examples]  # n, count, generator
    shortest: int
    longest: int  # L
    vocabulary: int


def copy(n: int, count: int, generator: torch.Generator) -> Examples:
    """^ x₁ … xₙ | x₁ … xₙ, with n different symbols."""
    symbols = _different(n, count, generator)
    return _asked(symbols, symbols)


def reverse(n: int, count: int, generator: torch.Generator) -> Examples:
    """^ x₁ … xₙ | xₙ … x₁, with n different symbols."""
    symbols = _different(n, count, generator)
    return _asked(symbols, symbols.flip(1))


def induction(n: int, count: int, generator: torch.Generator) -> Examples:
    """^ x₁ … xₙ | q r q r q r q r: r is the symbol that came after q, one of x₁ … xₙ₋₁, which are all different.

    Four questions an example, drawn one by one, rather than one: a lesson has four answers to learn from. The answer
    xₖ is asked for by examples of length k and more.
    """
    symbols = _different(n, count, generator)
    asked = torch.randint(n - 1, (count, QUERIES), generator=generator)
    pairs = torch.stack([symbols.gather(1, asked), symbols.gather(1, asked + 1)], dim=2).flatten(1)
    tokens = torch.cat([_one(BEGIN, count), symbols, _one(SEPARATOR, count), pairs], dim=1)
    is_answer = torch.zeros(tokens.shape[1], dtype=torch.bool)
    is_answer[n + 3 :: 2] = True
    return Examples(tokens, is_answer, needs=asked + 2)


def addition(n: int, count: int, generator: torch.Generator) -> Examples:
    """^ a₁ b₁ = c₁ a₂ b₂ = c₂ …: two numbers of n digits and their sum modulo 10ⁿ, the ones first.

    Each digit of the sum comes at once and needs its own column and the one before: whether there is something to
    carry follows from a, b and c there. With the largest digit first, the first one would need all the others. The
    columns 1 to k are an example of length k.
    """
    digits = torch.randint(10, (count, n, 2), generator=generator)
    carry = torch.zeros(count, dtype=torch.int64)
    total = []
    for column in digits.sum(dim=2).unbind(1):
        total.append((column + carry) % 10)
        carry = (column + carry) // 10
    equals = torch.full((count, n), EQUALS)
    columns = torch.stack([*digits.unbind(2), equals, torch.stack(total, dim=1)], dim=2).flatten(1)
    place = torch.arange(4 * n + 1)
    needs = torch.arange(1, n + 1).expand(count, n)
    return Examples(torch.cat([_one(BEGIN_SUM, count), columns], dim=1), (place > 0) & (place % 4 == 0), needs)


TASKS = {
    "copy": Task(copy, 1, 12, SYMBOLS + 2),
    "reverse": Task(reverse, 1, 12, SYMBOLS + 2),
    "addition": Task(addition, 1, 8, 12),
    "induction": Task(induction, 2, 12, SYMBOLS + 2),
}
RATIOS = (1.0, 1.25, 1.5, 2.0, 4.0)


def tested_lengths(task: str) -> list[int]:
    """The lengths at which a task is tested: multiples of the longest in training; for copies all up to the last."""
    lengths = [round(ratio * TASKS[task].longest) for ratio in RATIOS]
    return list(range(lengths[0], lengths[-1] + 1)) if task == "copy" else lengths


def tokens_at(task: str, n: int) -> int:
    """How many tokens an example of length n has."""
    return TASKS[task].draw(n, 1, torch.Generator().manual_seed(0)).tokens.shape[1]


def _different(n: int, count: int, generator: torch.Generator) -> Tensor:
    """n different symbols for each example: (count, n)."""
    return torch.rand(count, SYMBOLS, generator=generator).argsort(dim=1)[:, :n]


def _one(token: int, count: int) -> Tensor:
    return torch.full((count, 1), token)


def _asked(question: Tensor, answer: Tensor) -> Examples:
    count, n = question.shape
    tokens = torch.cat([_one(BEGIN, count), question, _one(SEPARATOR, count), answer], dim=1)
    return Examples(tokens, torch.arange(tokens.shape[1]) > n + 1, needs=torch.full((count, n), n))
