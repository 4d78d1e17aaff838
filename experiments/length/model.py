"""A small decoder-only transformer that takes its positional encoding from the library, or none."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from posenc_lib import frequencies
from posenc_lib import torch as pe

TRAINED = ("sinusoidal", "learned", "t5", "alibi", "rope", "nope")
# The weights of rope with other frequencies. The two of YaRN differ in how they place the ramp: by pairs, rounded and
# held within the ladder, as its code has it, or by turns, as its paper has it.
SCALED = ("rope-linear", "rope-ntk", "rope-yarn", "rope-yarn-paper")
LAYERS, WIDTH, HEADS, BASE = 3, 64, 4, 10000.0
HEAD_DIM = WIDTH // HEADS


class Transformer(nn.Module):
    """Pre-norm blocks of causal attention and a feed-forward layer of twice the width.

    Parameters
    ----------
    method : str
        One of TRAINED: the code added to the embeddings (sinusoidal, learned), the bias of the logits (t5, alibi),
        the rotation of queries and keys (rope), or nothing (nope).
    vocabulary : int
        How many token ids there are.
    longest : int
        Rows in the table of learned positions. Those that training never reads stay as they began.
    """

    def __init__(self, method: str, vocabulary: int, longest: int) -> None:
        super().__init__()
        if method not in TRAINED:
            raise ValueError(f"Transformer: method must be one of {', '.join(TRAINED)}; got {method!r}.")
        self.method = method
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.logits = nn.Linear(WIDTH, vocabulary)
        # Last, so that the same seed gives all methods the same weights elsewhere.
        self.table = nn.Parameter(torch.randn(longest, WIDTH)) if method == "learned" else None
        self.bias = _bias(method)
        self.turn = None
        if method == "rope":
            self.set_rope(frequencies.rope(HEAD_DIM, base=BASE))

    def set_rope(self, theta: ArrayLike, attention_factor: float = 1.0) -> None:
        """Rotate by these frequencies from now on."""
        if self.method != "rope":
            raise ValueError(f"set_rope: this model was built with {self.method!r}, which rotates nothing.")
        self.turn = pe.Rope(theta, layout="interleaved", attention_factor=attention_factor)

    def forward(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Return the logits of each next token, (B, T, vocabulary), for ids (B, T) from position `first` on."""
        positions = torch.arange(first, first + tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens)
        if self.method == "sinusoidal":
            x = x + pe.sinusoidal(positions, WIDTH, dtype=x.dtype)
        if self.table is not None:
            x = x + pe.learned(positions, self.table)
        bias = None if self.bias is None else self.bias(positions, positions, dtype=x.dtype)
        for block in self.blocks:
            x = block(x, positions, bias, self.turn)
        return self.logits(self.norm(x))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention, self.norm_feed = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor, positions: Tensor, bias: Tensor | None, turn: pe.Rope | None) -> Tensor:
        q, k, v = self.qkv(self.norm_attention(x)).unflatten(-1, (3, HEADS, HEAD_DIM)).permute(2, 0, 3, 1, 4)
        if turn is not None:
            q, k = turn(q, k, positions)
        heads = pe.attention(q, k, v, bias=bias, causal=True)  # (B, HEADS, T, HEAD_DIM)
        x = x + self.out(heads.transpose(1, 2).flatten(2))
        return x + self.feed(self.norm_feed(x))


def _bias(method: str) -> nn.Module | None:
    if method == "t5":
        return pe.T5Bias(HEADS, bidirectional=False)  # T5's own 32 buckets up to distance 128
    return pe.Alibi(HEADS) if method == "alibi" else None


def scaled_rope(method: str, trained_tokens: int, tokens: int) -> tuple[ArrayLike, float]:
    """Return the frequencies and the attention factor with which a method reads `tokens` after training on fewer."""
    factor = tokens / trained_tokens
    if method == "rope-linear":
        return frequencies.linear(HEAD_DIM, base=BASE, factor=factor), 1.0
    if method == "rope-ntk":
        return frequencies.ntk(HEAD_DIM, base=BASE, factor=factor), 1.0
    if method in ("rope-yarn", "rope-yarn-paper"):
        theta = frequencies.yarn(
            HEAD_DIM,
            base=BASE,
            factor=factor,
            original_length=trained_tokens,
            variant="paper" if method == "rope-yarn-paper" else "code",
        )
        return theta, frequencies.yarn_attention_factor(factor)
    raise ValueError(f"scaled_rope: method must be one of {', '.join(SCALED)}; got {method!r}.")
