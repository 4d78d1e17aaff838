"""Each method's model reads positions as its method does, and no model reads ahead."""

import numpy as np
import pytest
import torch
from length import model, tasks, training
from length.model import SCALED, TRAINED, Transformer

ABSOLUTE, RELATIVE = ("sinusoidal", "learned"), ("t5", "alibi", "rope")
VOCABULARY, ROWS = 11, 60


def built(method, blocks=None):
    torch.manual_seed(0)
    made = Transformer(method, VOCABULARY, ROWS).double().eval()
    if method == "t5":
        torch.nn.init.normal_(made.bias.weight)  # it begins as zeros, which is no bias
    if blocks:
        made.blocks = made.blocks[:blocks]
    return made


def tokens(count=20):
    return torch.randint(VOCABULARY, (2, count), generator=torch.Generator().manual_seed(1))


def off(made, ids, others, first=0, at=-1):
    """How far the logits at one token differ between two inputs."""
    return (made(ids)[:, at] - made(others, first)[:, at]).abs().max().item()


@pytest.mark.parametrize("method", TRAINED)
def test_no_token_sees_a_later_one(method):
    made, ids = built(method), tokens()
    others = ids.clone()
    others[:, 12] = (ids[:, 12] + 1) % VOCABULARY
    apart = (made(ids) - made(others)).abs().amax(dim=(0, 2))
    assert apart[:12].max() < 1e-12 and apart[12:].min() > 1e-6


@pytest.mark.parametrize("method", TRAINED)
def test_absolute_methods_alone_notice_a_shift(method):
    apart = off(built(method), tokens(), tokens(), first=7)
    assert apart > 1e-3 if method in ABSOLUTE else apart < 1e-12


@pytest.mark.parametrize("method", TRAINED)
def test_one_block_notices_the_order_of_the_past_unless_it_has_no_position(method):
    ids = tokens()
    others = torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], dim=1)
    apart = off(built(method, blocks=1), ids, others)
    assert apart < 1e-12 if method == "nope" else apart > 1e-4


def test_more_blocks_notice_it_without_position():
    """The causal mask lets it in."""
    ids = tokens()
    assert off(built("nope"), ids, torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], dim=1)) > 1e-4


@pytest.mark.parametrize("method", TRAINED)
def test_on_equal_tokens_only_absolute_positions_tell_tokens_apart(method):
    out = built(method)(torch.full((1, 12), 3))
    spread = (out - out[:, :1]).abs().max()
    assert spread > 1e-3 if method in ABSOLUTE else spread < 1e-12


@pytest.mark.parametrize("method", SCALED)
def test_scaling_by_1_is_rope_and_by_2_is_not(method):
    made, ids = built("rope"), tokens()
    plain = made(ids)
    made.set_rope(*model.scaled_rope(method, 25, 25))
    torch.testing.assert_close(made(ids), plain, rtol=0, atol=1e-12)
    made.set_rope(*model.scaled_rope(method, 25, 50))
    assert (made(ids) - plain).abs().max() > 1e-4


def test_interpolated_positions_are_positions_divided():
    """Twice as long an input turns by half the angle at each position."""
    theta, factor = model.scaled_rope("rope-linear", 30, 60)
    assert factor == 1
    np.testing.assert_allclose(theta, 10000.0 ** (-np.arange(0, 16, 2) / 16) / 2)


def test_the_ramps_of_yarn():
    """26 tokens, 52 asked for: the paper divides pairs of less than a turn; the code's ramp ends there, rounded up."""
    theta = 10000.0 ** (-np.arange(0, 16, 2) / 16)
    turns = 26 * theta / (2 * np.pi)
    kept = {"rope-yarn-paper": np.clip((turns - 1) / 31, 0, 1)}
    end = np.ceil(16 * np.log(26 / (2 * np.pi)) / (2 * np.log(10000)))  # its other end would lie before the first pair
    kept["rope-yarn"] = np.clip(1 - np.arange(8) / end, 0, 1)
    for method, share in kept.items():
        found, factor = model.scaled_rope(method, 26, 52)
        np.testing.assert_allclose(found, theta * share + theta / 2 * (1 - share))
        assert factor == pytest.approx(0.1 * np.log(2) + 1)


def test_rows_that_training_does_not_reach_stay_as_they_began():
    settings = training.Settings(steps=5, warmup=2, weight_decay=0.0)
    torch.manual_seed(0)
    longest = tasks.tokens_at("copy", 48)
    begun = Transformer("learned", tasks.TASKS["copy"].vocabulary, longest).table
    table = training.train("learned", "copy", 0, settings).table
    read = tasks.tokens_at("copy", 12) - 1  # the last token is predicted, not read
    assert torch.equal(table[read:], begun[read:]) and (table[:read] != begun[:read]).any(dim=1).all()


def test_methods_begin_with_the_same_weights_where_they_share_them():
    states = []
    for method in TRAINED:
        torch.manual_seed(3)
        states.append(Transformer(method, VOCABULARY, ROWS).state_dict())
    for name, value in states[TRAINED.index("nope")].items():
        assert all(torch.equal(state[name], value) for state in states)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError) as error:
        Transformer("rotary", VOCABULARY, ROWS)
    assert "sinusoidal, learned, t5, alibi, rope, nope; got 'rotary'" in str(error.value)
    with pytest.raises(ValueError) as error:
        built("alibi").set_rope([1.0])
    assert "built with 'alibi'" in str(error.value)
    with pytest.raises(ValueError) as error:
        model.scaled_rope("yarn", 8, 16)
    assert "rope-linear, rope-ntk, rope-yarn, rope-yarn-paper; got 'yarn'" in str(error.value)


def one_hot(ids, vocabulary):
    return torch.nn.functional.one_hot(ids, vocabulary).double()


@pytest.mark.parametrize("task", ["copy", "reverse", "induction"])
def test_the_score_is_of_the_next_token_and_not_of_the_one_just_read(task):
    settings = training.Settings(trials=40)
    vocabulary = tasks.TASKS[task].vocabulary
    parrot = training.evaluate(lambda ids: one_hot(ids, vocabulary), task, 8, settings)
    assert parrot == {"token_accuracy": 0.0, "exact_match": 0.0}  # no symbol follows itself in the answers


def test_the_score_counts_tokens_and_whole_answers():
    """A model that knows all sums but for the second digit: right in all other digits, and in few whole answers."""

    def without_second_digit(ids):
        total = sums(ids)
        total[:, 7] = 0
        return one_hot(total, 12)

    found = training.evaluate(without_second_digit, "addition", 5, training.Settings(trials=2000))
    assert found["exact_match"] == pytest.approx(0.1, abs=0.03)
    assert found["token_accuracy"] == pytest.approx((4 + found["exact_match"]) / 5, abs=1e-12)


def sums(ids):
    """What to say after each token of an addition where a digit of the sum follows."""
    a, b = ids[:, 1::4], ids[:, 2::4]
    total, carry = torch.zeros_like(ids), 0
    for i in range(b.shape[1]):
        total[:, 4 * i + 3] = (a[:, i] + b[:, i] + carry) % 10
        carry = (a[:, i] + b[:, i] + carry) // 10
    return total


def test_beyond_the_training_length_what_a_short_example_asks_for_is_no_merit():
    """Knowing the first eight columns alone is worth chance in a sum of ten, and knowing the last two alone all."""
    settings, longest = training.Settings(trials=2000), tasks.TASKS["addition"].longest

    def knows(first, last):
        def model(ids):
            total = sums(ids)
            known = torch.zeros_like(total[0], dtype=torch.bool)
            known[4 * first + 3 : 4 * last : 4] = True
            return one_hot(total.where(known, 0), 12)

        return training.evaluate(model, "addition", 10, settings)

    assert knows(0, longest)["token_accuracy"] == pytest.approx(0.1, abs=0.02)
    assert knows(longest, 10)["token_accuracy"] == 1 > knows(longest, 10)["exact_match"]
    assert knows(0, 10) == {"token_accuracy": 1.0, "exact_match": 1.0}
