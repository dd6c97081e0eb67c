"""ResNet-50 for images of 32 x 32, as BottleNet++ has it, for recipes that name it."""

from __future__ import annotations

from torch import nn

from splitsim.dnn.preprocessing import Preprocessing
from splitsim.dnn.vision import torchvision
from splitsim.dnn.zoo import LoadedModel

SHAPE = (3, 32, 32)
# Of CIFAR-100's training part, as BottleNet++'s public code has them.
MEAN = (0.5070751592371323, 0.48654887331495095, 0.4409178433670343)
STD = (0.2673342858792401, 0.2564384629170883, 0.27615047132568404)


def resnet50(classes: int = 100) -> LoadedModel:
    """torchvision's, but with a 3x3 convolution first and no pool: it ends at 2048 x 4 x 4."""
    module = torchvision().models.resnet50(num_classes=classes)
    module.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    module.maxpool = nn.Identity()
    return LoadedModel("resnet50", module.eval(), SHAPE, Preprocessing(mean=MEAN, std=STD), classes)
