"""Whether a split network answers exactly as the whole one does."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from splitsim.dnn.partition import Cut, split
from splitsim.dnn.timing import tensors_at
from splitsim.dnn.trace import Example, inputs_of, trace


def inexact(
    model: nn.Module, cuts: Sequence[Cut], example: Example, *, whole: Collection[str] = ()
) -> list[Cut]:
    """The cuts where ``tail(head(x))`` is not ``model(x)`` bit for bit: none, if all is well.

    A network that draws random numbers, or remembers earlier inputs, has such cuts; so has one
    computed with another number of threads.
    """
    traced = trace(model, example, whole=whole)

    def differs(cut: Cut) -> bool:
        head, tail = split(traced, cut, example)
        return not same(tail(head(*inputs_of(example))), expected)

    with torch.inference_mode():
        expected = model(*(tensor.clone() for tensor in inputs_of(example)))
        return [cut for cut in cuts if differs(cut)]


def same(one: object, other: object) -> bool:
    """Whether two answers, tensors or structures of them, are equal bit for bit.

    An OrderedDict equals a dict of the same items: a traced network returns the plainer one.
    """
    ours, theirs = _leaves(one), _leaves(other)
    return ours.keys() == theirs.keys() and all(_equal(ours[at], theirs[at]) for at in ours)


def _leaves(answer: object) -> dict[str, object]:
    return {pytree.keystr(path): leaf for path, leaf in pytree.tree_leaves_with_path(answer)}


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one == other


def mixed(traced: fx.GraphModule, cuts: Sequence[Cut], batch: Tensor) -> str | None:
    """Why a network cannot be run in batches, sample for sample; None if it can.

    Args:
        traced: its graph.
        cuts: where it is cut.
        batch: inputs of two samples.
    """
    with torch.inference_mode():
        both, again, first = (tensors_at(traced, cuts, x) for x in (batch, batch, batch[:1]))
        answers = [traced(x) for x in (batch, batch, batch[:1])]
    for cut, *tensors in zip(
        [*cuts[:-1], None],
        [*both, answers[0]],
        [*again, answers[1]],
        [*first, answers[2]],
        strict=True,
    ):
        where = f"at cut {cut.name!r}" if cut is not None else "in its answers"
        two, same_two, one = (_leaves(tensor) for tensor in tensors)
        for at, whole in two.items():
            ours, theirs, alone = whole, same_two[at], one[at]
            if not _equal(ours, theirs):
                return f"gives other numbers for the same input {where}: it draws at random"
            if not isinstance(ours, Tensor) or not isinstance(alone, Tensor):
                continue
            if ours.shape[:1] != (2,) or ours[:1].shape != alone.shape:
                return f"has no row per sample {where}"
            if not torch.allclose(ours[:1], alone, rtol=1e-2, atol=1e-3 * float(ours.abs().max())):
                return f"makes something else of a sample beside another {where}"
    return None
