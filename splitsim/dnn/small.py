"""Networks of our own: a CNN and a ResNet for small images, and MobileNetV1."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from splitsim.dnn.preprocessing import Preprocessing

# ImageNet's, as everybody uses them.
IMAGENET = Preprocessing(256, (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class SmallCnn(nn.Module):
    """Three blocks of convolution, batch norm and ReLU, a pool after the second, a linear layer.

    Args:
        shape: of its input, channels x height x width; any height and width from 2 on.
        classes: how many answers there are.
    """

    shape: tuple[int, ...] = (1, 8, 8)
    classes = 10
    preprocessing = Preprocessing()

    def __init__(self, shape: tuple[int, ...] = shape, classes: int = classes) -> None:
        super().__init__()
        self.block1 = _conv_block(shape[0], 16)
        self.block2 = _conv_block(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.block3 = _conv_block(32, 64)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, samples x classes, for a batch of inputs."""
        x = self.pool(self.block2(self.block1(x)))
        x = self.avgpool(self.block3(x))
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]


class SmallResnet(nn.Module):
    """A ResNet for small images: four stages of one basic block (He et al., arXiv 1512.03385).

    Its stages are called as those of the large ones are, so that what is put into them, and how
    it is trained, can be tried in seconds.

    Args:
        shape: of its input, channels x height x width; images are resized to it.
        classes: how many answers there are.
    """

    shape: tuple[int, ...] = (1, 16, 16)
    classes = 10
    preprocessing = Preprocessing(resize=16, crop=(16, 16))

    def __init__(self, shape: tuple[int, ...] = shape, classes: int = classes) -> None:
        super().__init__()
        self.conv1 = _conv_block(shape[0], 16)
        self.layer1 = _BasicBlock(16, 16, 1)
        self.layer2 = _BasicBlock(16, 32, 2)
        self.layer3 = _BasicBlock(32, 64, 2)
        self.layer4 = _BasicBlock(64, 128, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, samples x classes, for a batch of inputs."""
        x = self.layer2(self.layer1(self.conv1(x)))
        x = self.avgpool(self.layer4(self.layer3(x)))
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]


class _BasicBlock(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, width: int, channels: int, stride: int) -> None:
        super().__init__()
        first, norm = _conv_block(width, channels, stride=stride), nn.BatchNorm2d(channels)
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.body = nn.Sequential(*first, conv, norm)
        self.around = nn.Identity() if stride == 1 else _shortcut(width, channels, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.body(x) + self.around(x))  # type: ignore[no-any-return]


def _shortcut(width: int, channels: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(width, channels, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


class MobileNetV1(nn.Module):
    """MobileNet (Howard et al. 2017, arXiv 1704.04861, Table 1), width 1.

    Thirteen depthwise-separable blocks of 3x3 depthwise and 1x1 pointwise convolutions, each with
    batch norm and ReLU; 569 million multiply-accumulates and 4.2 million parameters at 224 x 224.

    Args:
        shape: of its input, channels x height x width.
        classes: how many answers there are.
    """

    shape: tuple[int, ...] = (3, 224, 224)
    classes = 1000
    preprocessing = IMAGENET
    # Channels and stride of each block.
    BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5,
              (1024, 2), (1024, 1))  # fmt: skip

    def __init__(self, shape: tuple[int, ...] = shape, classes: int = classes) -> None:
        super().__init__()
        self.conv1 = _conv_block(shape[0], 32, stride=2)
        blocks, width = nn.Sequential(), 32
        for number, (channels, stride) in enumerate(self.BLOCKS, start=1):
            blocks.add_module(f"block{number}", _separable(width, channels, stride))
            width = channels
        self.features = blocks
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, samples x classes, for a batch of inputs."""
        x = functional.adaptive_avg_pool2d(self.features(self.conv1(x)), 1)
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]


def _separable(width: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *_conv_block(width, width, stride=stride, groups=width),
        *_conv_block(width, channels, kernel=1),
    )


def _conv_block(
    width: int, channels: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(width, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
