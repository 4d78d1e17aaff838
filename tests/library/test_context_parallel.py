"""A sequence shared out over two processes: with global positions they compute what one process computes.

Each process holds half of the tokens, turns its own queries and keys, and sees the other's keys and values by
torch.distributed (gloo, on the CPU), in two ways: all gathered at once, or half by half, the partial softmaxes merged.
"""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from posenc_lib import frequencies
from posenc_lib.torch import attention, rope

HEADS, LENGTH, DIM, RANKS = 2, 12, 16, 2
THETA = frequencies.rope(DIM, base=100.0)

# Which tokens each rank holds. "zigzag" gives both as many pairs of a causal mask to compute: the first and the last
# quarter to one, the middle to the other.
SHARES = {
    "halves": ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]),
    "zigzag": ([0, 1, 2, 9, 10, 11], [3, 4, 5, 6, 7, 8]),
}


def tensors():
    """q, k and v of the whole sequence, (heads, tokens, dim), the same in every process."""
    return torch.randn(3, HEADS, LENGTH, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def everyones(x):
    parts = [torch.empty_like(x) for _ in range(RANKS)]
    dist.all_gather(parts, x.contiguous())
    return parts


def partial(q, k, v, seen):
    """Attention over some of the keys, and the logarithm of its denominator."""
    logits = (q @ k.mT / DIM**0.5).masked_fill(~seen, -torch.inf)
    return attention(q, k, v, mask=seen), logits.logsumexp(-1, keepdim=True)


def merged(parts):
    total = torch.stack([lse for _, lse in parts]).logsumexp(0)
    return sum((lse - total).exp() * out for out, lse in parts)


def of_one_rank(tokens, positions):
    """What the rank that holds `tokens` computes, with gathered keys and with merged softmaxes."""
    q, k, v = tensors()[:, :, tokens]
    q, k = rope(q, positions, THETA), rope(k, positions, THETA)
    keys, values, places = everyones(k), everyones(v), everyones(tokens)
    seen = [place <= tokens[:, None] for place in places]  # by order in the text, so that positions alone can be wrong
    gathered = attention(q, torch.cat(keys, 1), torch.cat(values, 1), mask=torch.cat(seen, 1))
    return gathered, merged([partial(q, *part) for part in zip(keys, values, seen, strict=True)])


def process(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=RANKS)
    found = {}
    for share, halves in SHARES.items():
        tokens = torch.tensor(halves[rank])
        for counted, positions in (("global", tokens), ("local", torch.arange(len(tokens)))):
            for way, out in zip(("gathered", "merged"), of_one_rank(tokens, positions), strict=True):
                whole = torch.empty(HEADS, LENGTH, DIM, dtype=out.dtype)
                whole[:, torch.cat(everyones(tokens))] = torch.cat(everyones(out), 1)
                found[share, counted, way] = whole
    torch.save(found, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of the two processes ends with, by share, way of counting and way of computing."""
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(process, args=(str(folder),), nprocs=RANKS)
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(RANKS)]


@pytest.fixture(scope="module")
def alone():
    q, k, v = tensors()
    return attention(rope(q, range(LENGTH), THETA), rope(k, range(LENGTH), THETA), v, causal=True)


@pytest.mark.parametrize("way", ["gathered", "merged"])
@pytest.mark.parametrize("share", SHARES)
def test_two_processes_with_global_positions_compute_what_one_does(found, alone, share, way):
    for of_rank in found:
        assert torch.allclose(of_rank[share, "global", way], alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("way", ["gathered", "merged"])
@pytest.mark.parametrize("share", SHARES)
def test_local_positions_compute_something_else(found, alone, share, way):
    """And only where a query looks at the other rank's keys, or at its own across a gap."""
    change = (found[0][share, "local", way] - alone).abs().amax(dim=(0, 2))
    first = {"halves": 6, "zigzag": 3}[share]
    assert change[:first].max() < 1e-13
    assert change[first:].min() > 1e-3
