"""Outcomes that were computed before, in one file: safe to kill, and to share."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, fx, nn

from splitsim.dnn.answers import ROW
from splitsim.dnn.data import Samples
from splitsim.dnn.zoo import LoadedModel
from splitsim.errors import BadInput

WAIT_S = 60.0  # for another process that writes


class Cache:
    """Rows by a key that tells all they depend on; every ``put`` is whole or not there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self._path, timeout=WAIT_S)
            # Killed processes lose nothing; after a power failure the last batches may be missing.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, rows BLOB)")
        except (OSError, sqlite3.Error) as error:
            raise BadInput(f"{self._path}: cannot be used as a cache: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def get(self, key: str) -> np.ndarray | None:
        """The rows of a key, if there are any."""
        found = self._file.execute("SELECT rows FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else np.frombuffer(found[0], ROW)

    def put(self, rows: Mapping[str, np.ndarray]) -> None:
        """Rows by their keys, all of them at once."""
        blobs = [(key, found.tobytes()) for key, found in rows.items()]
        try:
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", blobs)
        except sqlite3.Error as error:
            raise BadInput(f"{self._path}: cannot be written: {error}") from error


def key(*parts: Any) -> str:
    """A key of texts and numbers."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Of what a file holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights_sha256(module: nn.Module) -> str:
    """Of a network's weights, by their names."""
    return _sha256(module.state_dict())


def network_sha256(network: LoadedModel, traced: fx.GraphModule, image: Tensor) -> str:
    """Of a network: its weights, its layers and operations, and what it makes of an image."""
    prepared = _sha256({"": network.preprocess(image)})
    weights = weights_sha256(network.module), _sha256(_constants(network.module, traced))
    return key(*weights, repr(network.module), str(traced.graph), prepared)


def _constants(module: nn.Module, traced: fx.GraphModule) -> dict[str, Tensor]:
    """Numbers of a network that are not saved with its weights."""
    found = dict(module.named_buffers())
    for node in traced.graph.nodes:
        if node.op == "get_attr":
            value = attrgetter(str(node.target))(traced)
            if isinstance(value, Tensor):
                found[str(node.target)] = value
    return found


def samples_sha256(samples: Samples) -> str:
    """Of images and labels."""
    digest = hashlib.sha256(json.dumps(samples.labels).encode())
    for image in samples.images:
        digest.update(f"{tuple(image.shape)}\n".encode())
        digest.update(image.contiguous().numpy().data)
    return digest.hexdigest()


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
