"""Data sets: real digits, folders of pictures, the user's own, generated ones; and bad ones."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from splitsim.dnn.data import dataset
from splitsim.dnn.vision import torchvision
from splitsim.errors import BadInput


def test_digits_are_the_real_ones_and_split_into_two_parts():
    every, train, test = map(dataset, ("digits", "digits-train", "digits-test"))
    assert (every.samples, train.samples, test.samples) == (1797, 1200, 597)
    assert every.classes == 10
    whole = every.take(0, 1797)
    first, second = train.take(0, 1797), test.take(0, 1797)
    assert whole.labels == first.labels + second.labels
    assert all(map(torch.equal, whole.images, first.images + second.images))
    assert whole.labels[:12] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert {tuple(image.shape) for image in whole.images} == {(1, 8, 8)}
    assert {image.dtype for image in whole.images} == {torch.uint8}
    levels = torch.stack(whole.images).unique()
    assert len(levels) == 17  # none of the published 0 to 16 is lost
    assert (levels[0], levels[-1]) == (0, 255)


def test_a_limit_takes_the_first():
    assert dataset("digits", 5).take(0, 64).labels == [0, 1, 2, 3, 4]
    assert dataset("digits", 5000).samples == 1797


def test_generated_samples_are_always_the_same_whatever_is_read_before():
    one, other = dataset("generated:3x2x4x5x20"), dataset("generated:3x2x4x5x20")
    assert (one.samples, one.classes, one.name) == (20, 3, "generated")
    later = other.take(10, 20)
    whole = one.take(0, 20)
    assert all(map(torch.equal, whole.images[10:], later.images))
    assert whole.images[0].shape == (2, 4, 5)
    assert set(whole.labels) == {0, 1, 2}
    same, else_ = (whole.images[n].float() for n in (3, 1))
    first = whole.images[0].float()
    assert (first - same).abs().mean() < (first - else_).abs().mean()  # 0 and 3 are of one class


def pictures(folder, classes=("ant", "bee"), mode="RGB"):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for n in range(2):
            pixels = np.full((6, 5, 3), 100 * number + n, np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{n}.png")


def test_folders_of_pictures(tmp_path):
    pictures(tmp_path / "pets")
    found = dataset(f"imagefolder:{tmp_path / 'pets'}")
    assert (found.name, found.samples, found.classes) == ("pets", 4, 2)
    samples = found.take(0, 4)
    assert samples.labels == [0, 0, 1, 1]
    assert [int(image[0, 0, 0]) for image in samples.images] == [0, 1, 100, 101]
    assert {tuple(image.shape) for image in samples.images} == {(3, 6, 5)}


def test_imagenet_is_its_validation_part(tmp_path):
    pictures(tmp_path / "val", mode="L")
    found = dataset(f"imagenet:{tmp_path}")
    assert (found.name, found.samples) == ("imagenet", 4)
    assert found.take(0, 1).images[0].shape == (3, 6, 5)  # grey pictures get three channels


def test_imagenet_has_a_training_part(tmp_path):
    pictures(tmp_path / "train", ("ant", "bee", "cat"))
    found = dataset(f"imagenet-train:{tmp_path}")
    assert (found.name, found.samples, found.classes) == ("imagenet-train", 6, 3)
    assert found.take(4, 6).labels == [2, 2]


@pytest.mark.parametrize("part", ["", "-train"])
def test_cifar_is_read_from_its_folder(tmp_path, monkeypatch, part):
    """A made-up file in the published layout; its sums stand in for the published ones."""
    kind = torchvision().datasets.CIFAR10
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    pixels = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    sums = {}
    for name, content in {
        "test_batch": {"data": pixels, "labels": [3, 7]},
        "batches.meta": {"label_names": [f"class{n}" for n in range(10)]},
    }.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    lists = {"": "test_list", "-train": "train_list"}
    for name in lists.values():
        monkeypatch.setattr(kind, name, [])
    monkeypatch.setattr(kind, lists[part], [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(kind, "meta", meta)
    found = dataset(f"cifar10{part}:{tmp_path}")
    assert (found.name, found.samples, found.classes) == (f"cifar10{part}", 2, 10)
    samples = found.take(0, 2)
    assert samples.labels == [3, 7]
    assert torch.equal(samples.images[1].flatten(), torch.from_numpy(pixels[1]))


OWN = """
import numpy as np, torch

class Few:
    classes = ["a", "b"]
    def __init__(self, *samples):
        self.samples = samples
    def __len__(self):
        return len(self.samples)
    def __getitem__(self, number):
        return self.samples[number]

def good():
    half = torch.full((1, 2, 2), 0.5)
    byte = (255 * half).to(torch.uint8)
    return Few((half, 0), (half.numpy(), np.int64(1)), (byte, torch.tensor(1)))

def flat(): return Few((torch.zeros(4), 0))
def wide(): return Few((torch.full((1, 2, 2), 1.5), 0))
def whole(): return Few((torch.ones(1, 2, 2).long(), 0))
def labels(): return Few((torch.zeros(1, 2, 2), 2))
def lone(): return Few(torch.zeros(1, 2, 2))
def number(): return 5
nothing = None
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "owndata.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "owndata", raising=False)


def test_a_function_of_the_users_own(own):
    found = dataset("owndata:good")
    assert (found.name, found.samples, found.classes) == ("good", 3, 2)
    samples = found.take(0, 3)
    assert samples.labels == [0, 1, 1]
    assert [int(image[0, 0, 0]) for image in samples.images] == [128, 128, 127]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("owndata:flat", "sample 0: an image must be channels x height x width, not 4"),
        ("owndata:wide", "sample 0: pixels must be uint8, or floats from 0 to 1"),
        ("owndata:whole", "sample 0: pixels must be uint8, or floats from 0 to 1"),
        ("owndata:labels", "sample 0: its label must be from 0 to 1, not 2"),
        ("owndata:lone", "sample 0: cannot be read as pixels and a label"),
        ("owndata:number", "gives a int, which has no length or no items by number"),
        ("owndata:nothing", "'owndata' has no function 'nothing'"),
        ("missing:data", "cannot import 'missing': No module named 'missing'"),
        ("dgits", "unknown data set 'dgits'; there are digits, "),
        ("cifar10:here", r"cifar10: is not in 'here', or is damaged; .*cifar-10-batches-py"),
        ("imagefolder:here", "'here' must have a folder of images for every class"),
        ("imagenet:here", "'here/val' must have a folder of images for every class"),
        ("imagenet-train:here", "'here/train' must have a folder of images for every class"),
        ("cifar100-train:here", r"cifar100-train: is not in 'here', .*cifar-100-python"),
        ("generated:3x3", "must be classes x channels x height x width x samples"),
        ("generated:0x1x8x8x5", "must be classes x channels x height x width x samples"),
    ],
)
def test_what_is_no_data_set_is_one_clear_error(own, source, message):
    with pytest.raises(BadInput, match=message) as caught:
        dataset(source).take(0, 1)
    assert len(caught.value.problems) == 1


def test_digits_need_scikit_learn(monkeypatch):
    from splitsim.dnn import data

    def missing(_):
        raise ImportError

    data._all_digits.cache_clear()
    monkeypatch.setattr(data.importlib, "import_module", missing)
    with pytest.raises(BadInput, match="scikit-learn; pip install"):
        dataset("digits")
    data._all_digits.cache_clear()
