"""Images on their way into a network: changed at random, pre-processed, in memory or on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from teaching import DATA
from torch.nn import functional

from splitsim.dnn import networks
from splitsim.dnn.data import dataset
from splitsim.dnn.preprocessing import Preprocessing
from splitsim.dnn.training.augment import Augment, Crop, _drawn
from splitsim.dnn.training.chance import generator
from splitsim.dnn.training.feed import InMemory, OnDisk, Prepare, feed, in_batches, prepared
from splitsim.errors import BadInput

CPU = torch.device("cpu")


def test_shifted_images_are_windows_with_a_black_border():
    images = torch.randint(1, 256, (200, 2, 5, 7), dtype=torch.uint8)
    moved = Augment(shift=2)(images, (5, 7), generator(0, "test"))
    wide = functional.pad(images, (2, 2, 2, 2))
    places = [(down, right) for down in range(5) for right in range(5)]
    found = set()
    for one, whole in zip(moved, wide, strict=True):
        windows = [torch.equal(one, whole[:, d : d + 5, r : r + 7]) for d, r in places]
        assert sum(windows) == 1
        found.add(windows.index(True))
    assert len(found) == 25  # each is missed with a chance of (24/25)**200 < 3e-4


def test_flips_are_of_every_other_image():
    images = torch.arange(3).to(torch.uint8).expand(400, 1, 2, 3)
    turned = Augment(flip=True)(images, (2, 3), generator(0, "test"))
    flipped = (turned == images.flip(3)).all(dim=(1, 2, 3)).float().mean()
    assert abs(flipped - 0.5) < 5 * 0.5 / 400**0.5
    assert ((turned == images).all(dim=(1, 2, 3)) | (turned == images.flip(3)).all((1, 2, 3))).all()


def test_pieces_have_the_published_areas_and_shapes():
    chance = generator(1, "test")
    pieces = [_drawn(300, 400, 0.08, chance) for _ in range(2000)]
    areas = np.array([tall * wide / 120_000 for *_, tall, wide in pieces])
    shapes = np.array([wide / tall for *_, tall, wide in pieces])
    assert areas.min() >= 0.079
    assert areas.max() <= 1
    assert shapes.min() >= 0.74
    assert shapes.max() <= 1.35
    assert all(
        0 <= top <= 300 - tall and 0 <= left <= 400 - wide for top, left, tall, wide in pieces
    )
    whole = Augment(crop=Crop(least=1.0))(
        torch.full((3, 1, 8, 8), 9, dtype=torch.uint8), (4, 6), chance
    )
    assert (whole == 9).all()
    assert whole.shape == (3, 1, 4, 6)


def test_batches_are_prepared_as_single_images_to_the_last_bit():
    images = torch.randint(0, 256, (5, 3, 40, 52), dtype=torch.uint8)
    imagenet = Preprocessing(36, (32, 32), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    for prepare in (imagenet, Preprocessing(), replace(imagenet, resize=None), lambda x: x / 7):
        singles = torch.stack([prepare(image) for image in images])
        assert torch.equal(prepared(prepare, images), singles)


def network():
    return networks.load("small_resnet", classes=4, shape=(1, 8, 8))


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_on_disk_are_those_in_memory(workers):
    data = dataset(DATA)
    prepare = Prepare(network(), Augment(shift=1, flip=True))
    held = feed(data, prepare, CPU, 0)
    read = OnDisk(data, prepare, CPU, workers)
    assert isinstance(held, InMemory)
    batches = [torch.tensor([5, 0, 7]), torch.tensor([2, 3])]
    for one, other in zip(held.read(batches), read.read(batches), strict=True):
        assert all(map(torch.equal, one, other))
    alone = OnDisk(data, prepare, CPU, 0)
    turns = [list(source.read(batches, generator(1, "x"))) for source in (read, alone)]
    for one, other in zip(*turns, strict=True):
        assert all(map(torch.equal, one, other))
    other_epoch = next(iter(alone.read(batches, generator(2, "x"))))
    assert not torch.equal(turns[0][0][0], other_epoch[0])


def test_images_of_several_sizes_stay_on_disk(tmp_path, monkeypatch):
    (tmp_path / "sizes.py").write_text(
        "import torch\n"
        "class Two:\n"
        "    def __len__(self): return 2\n"
        "    def __getitem__(self, n): return torch.full((1, 8 + n, 8), .5), 5 * n\n"
    )
    monkeypatch.chdir(tmp_path)
    found = feed(dataset("sizes:Two"), Prepare(replace(network(), classes=6), None), CPU, 2)
    assert isinstance(found, OnDisk)
    few = replace(found, prepare=Prepare(network(), None))
    with pytest.raises(BadInput, match="has the label 5; small_resnet chooses from 4"):
        list(few.read([torch.tensor([0]), torch.tensor([1])]))


def test_no_batch_has_a_single_sample():
    sizes = [len(batch) for batch in in_batches(torch.arange(9), 4)]
    assert sizes == [4, 4]
    assert [len(batch) for batch in in_batches(torch.arange(1), 4)] == [1]
