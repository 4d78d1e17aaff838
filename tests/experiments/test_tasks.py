"""What the tasks ask is answered by solvers that know nothing of how the examples were drawn."""

import pytest
import torch
from length import tasks, training
from length.tasks import EQUALS, SEPARATOR, TASKS


def solve_copy(tokens):
    return tokens[: tokens.index(SEPARATOR)]


def solve_reverse(tokens):
    return tokens[: tokens.index(SEPARATOR)][::-1]


def solve_induction(tokens):
    text, asked = tokens[: tokens.index(SEPARATOR)], tokens[tokens.index(SEPARATOR) + 1 :: 2]
    return [text[text.index(each) + 1] for each in asked]


def solve_addition(tokens):
    a, b = (int("".join(map(str, reversed(tokens[start::4])))) for start in (0, 1))
    n = len(tokens) // 4
    assert tokens[2::4] == [EQUALS] * n
    return [int(digit) for digit in reversed(str(a + b).zfill(n)[-n:])]


SOLVERS = {"copy": solve_copy, "reverse": solve_reverse, "induction": solve_induction, "addition": solve_addition}


def lengths(task):
    return [TASKS[task].shortest, 5, *tasks.tested_lengths(task)]


@pytest.mark.parametrize("task", TASKS)
def test_the_answers_are_right(task):
    for n in lengths(task):
        tokens, is_answer = TASKS[task].draw(n, 20, torch.Generator().manual_seed(n))
        assert is_answer.any() and tokens.max() < TASKS[task].vocabulary
        for row in tokens:
            assert row[is_answer].tolist() == SOLVERS[task](row.tolist())


@pytest.mark.parametrize("task", ["copy", "reverse", "induction"])
def test_all_symbols_of_a_text_differ(task):
    """Else what comes after a symbol would not be one thing."""
    for n in lengths(task):
        text = TASKS[task].draw(n, 20, torch.Generator().manual_seed(n)).tokens[:, :n]
        assert all(len(set(row.tolist())) == n for row in text)


def test_sums_carry_along_and_drop_the_last_carry():
    tokens, is_answer = TASKS["addition"].draw(3, 3000, torch.Generator().manual_seed(0))
    of_999_and_1 = (tokens[:, [0, 1, 4, 5, 8, 9]] == torch.tensor([9, 1, 9, 0, 9, 0])).all(dim=1)
    a_carry_from_a_carry = (tokens[:, 0] + tokens[:, 1] > 9) & (tokens[:, 4] + tokens[:, 5] == 9)
    assert (tokens[:, is_answer][of_999_and_1] == 0).all()
    assert a_carry_from_a_carry.any() and (tokens[:, 7][a_carry_from_a_carry] == 0).all()


@pytest.mark.parametrize("task", TASKS)
def test_tested_lengths_begin_where_training_ends(task):
    longest = TASKS[task].longest
    assert tasks.tested_lengths(task) == [longest, longest * 5 // 4, longest * 3 // 2, 2 * longest, 4 * longest]


@pytest.mark.parametrize("task", TASKS)
def test_a_lesson_asks_for_answers_alone_and_for_all_lengths_up_to_the_longest(task):
    tokens, wanted = training.lesson(TASKS[task], 400, torch.Generator().manual_seed(0))
    seen = set()
    for row, want in zip(tokens, wanted, strict=True):
        count = int((want != -100).sum())
        n = {"induction": int((row == SEPARATOR).nonzero()[0]) if task == "induction" else 0}.get(task, count)
        example = row[: tasks.tokens_at(task, n)].tolist()
        assert want[want != -100].tolist() == SOLVERS[task](example)
        assert (want == row)[want != -100].all()
        seen.add(n)
    assert seen == set(range(TASKS[task].shortest, TASKS[task].longest + 1))
