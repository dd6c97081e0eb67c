"""What is kept of a sample at a cut: what was sent, and what was answered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# ``confidence`` is the probability of the prediction. The exit's fields are of the branch that
# leaves at the cut, on the device; its entropy is over the most it can be, ln(classes).
ROW = np.dtype(
    [
        *[("bytes", "<i8"), ("prediction", "<i8"), ("confidence", "<f4"), ("correct", "?")],
        *[("exit_prediction", "<i8"), ("exit_confidence", "<f4")],
        *[("exit_entropy", "<f4"), ("exit_correct", "?")],
    ]
)
OWN = tuple(name for name in ROW.names or () if not name.startswith("exit_"))
EXIT = tuple(name for name in ROW.names or () if name.startswith("exit_"))
NONE = -1  # the prediction of an exit that is not there


def answers(
    sizes: Sequence[int], scores: Tensor, labels: Sequence[int], branch: Tensor | None
) -> np.ndarray:
    """An array of ROW, a row per sample.

    Args:
        sizes: bytes that were sent.
        scores: of the network; samples x classes.
        labels: what is right.
        branch: scores of the exit at this cut, likewise; None if there is none.
    """
    rows = np.zeros(len(labels), ROW)
    rows["bytes"] = sizes
    rows["confidence"], rows["prediction"], rows["correct"] = _told(scores, labels)
    rows["exit_prediction"] = NONE
    if branch is not None:
        confidence, prediction, correct = _told(branch, labels)
        rows["exit_confidence"], rows["exit_prediction"] = confidence, prediction
        rows["exit_correct"], rows["exit_entropy"] = correct, _entropy(branch)
    return rows


def _told(scores: Tensor, labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    confidence, prediction = scores.softmax(1).max(1)
    return confidence.numpy(), prediction.numpy(), prediction.numpy() == labels


def _entropy(scores: Tensor) -> np.ndarray:
    """Over the most it can be; rounding takes it no further than 0 and 1."""
    nats = torch.special.entr(scores.softmax(1)).sum(1)
    share: np.ndarray = (nats / math.log(scores.shape[1])).clamp(0, 1).numpy()
    return share
