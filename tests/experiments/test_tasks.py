"""What the tasks ask is answered by solvers that know nothing of how the examples were drawn."""

import pytest
import torch
from length import tasks, training
from length.tasks import BEGIN, BEGIN_SUM, EQUALS, SEPARATOR, TASKS


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


def solved(task, tokens):
    begin, *rest = tokens
    assert begin == {"addition": BEGIN_SUM}.get(task, BEGIN) and begin not in rest
    return SOLVERS[task](rest)


def lengths(task):
    return [TASKS[task].shortest, 5, *multiples(TASKS[task].longest)]


def multiples(longest):
    return [longest, longest * 5 // 4, longest * 3 // 2, 2 * longest, 4 * longest]


@pytest.mark.parametrize("task", TASKS)
def test_the_answers_are_right(task):
    for n in lengths(task):
        tokens, is_answer, needs = TASKS[task].draw(n, 20, torch.Generator().manual_seed(n))
        assert is_answer.any() and tokens.max() < TASKS[task].vocabulary
        for row in tokens:
            assert row[is_answer].tolist() == solved(task, row.tolist())
        assert needs.shape == (20, is_answer.sum()) and needs.min() >= TASKS[task].shortest and needs.max() <= n


def test_what_an_answer_needs():
    """The shortest example with the same answer in the same place: the sum's column, the symbol's place, the whole."""
    draw = torch.Generator().manual_seed(0)
    assert TASKS["addition"].draw(3, 2, draw).needs.tolist() == [[1, 2, 3]] * 2
    assert (TASKS["copy"].draw(4, 2, draw).needs == 4).all() and (TASKS["reverse"].draw(4, 2, draw).needs == 4).all()
    tokens, is_answer, needs = TASKS["induction"].draw(9, 30, draw)
    for row, found in zip(tokens, needs, strict=True):
        assert [row[1:10].tolist().index(each) + 1 for each in row[is_answer].tolist()] == found.tolist()
    assert set(needs.flatten().tolist()) == set(range(2, 10))


@pytest.mark.parametrize("task", ["copy", "reverse", "induction"])
def test_all_symbols_of_a_text_differ(task):
    """Else what comes after a symbol would not be one thing."""
    for n in lengths(task):
        text = TASKS[task].draw(n, 20, torch.Generator().manual_seed(n)).tokens[:, 1 : n + 1]
        assert all(len(set(row.tolist())) == n for row in text)


def test_sums_carry_along_and_drop_the_last_carry():
    tokens, is_answer, _ = TASKS["addition"].draw(3, 3000, torch.Generator().manual_seed(0))
    is_answer, tokens = is_answer[1:], tokens[:, 1:]
    of_999_and_1 = (tokens[:, [0, 1, 4, 5, 8, 9]] == torch.tensor([9, 1, 9, 0, 9, 0])).all(dim=1)
    a_carry_from_a_carry = (tokens[:, 0] + tokens[:, 1] > 9) & (tokens[:, 4] + tokens[:, 5] == 9)
    assert (tokens[:, is_answer][of_999_and_1] == 0).all()
    assert a_carry_from_a_carry.any() and (tokens[:, 7][a_carry_from_a_carry] == 0).all()


@pytest.mark.parametrize("task", TASKS)
def test_tested_lengths_begin_where_training_ends(task):
    longest = TASKS[task].longest
    wanted = list(range(longest, 4 * longest + 1)) if task == "copy" else multiples(longest)
    assert tasks.tested_lengths(task) == wanted


@pytest.mark.parametrize("task", TASKS)
def test_a_lesson_asks_for_answers_alone_and_for_all_lengths_up_to_the_longest(task):
    tokens, wanted = training.lesson(TASKS[task], 400, torch.Generator().manual_seed(0))
    seen = set()
    for row, want in zip(tokens, wanted, strict=True):
        count = int((want != -100).sum())
        n = int((row == SEPARATOR).nonzero()[0]) - 1 if task == "induction" else count
        example = row[: tasks.tokens_at(task, n)].tolist()
        assert want[want != -100].tolist() == solved(task, example)
        assert (want == row)[want != -100].all()
        seen.add(n)
    assert seen == set(range(TASKS[task].shortest, TASKS[task].longest + 1))
