"""Students: a teacher whose front gives way to a bottleneck, and the autoencoder baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any

from tables.files import Cut, as_csv, as_toml, cut_row
from tables.models import Model, chains, counts, vgg16_tx2, with_wire
from tables.source import only, published, shape

STUDENT_LOSS = 0.006  # BottleFit: "up to 0.6 points"
KNOWN = "its decoder's layers are those of the public code."
OURS = (
    "its decoder is {}. The tail after the join is the teacher's; times with the decoder in them "
    "are assumed, with factors that reach from no decoder to twice this one."
)
ENDINGS = {  # of names, by kind
    "v2": "bottlefit{}",
    "v1": "bottlefit{}-v1",
    "v3": "bottlefit{}-v3",
    "autoencoder": "autoencoder{}",
}


def block(before: Cut, name: str, row: Mapping[str, str]) -> Cut:
    """The cut after a new block: its counts come to those before it."""
    layers, macs, params = (a + b for a, b in zip(before[1:4], counts(row), strict=True))
    return Cut(name, layers, macs, params, shape(row["output_shape"]), 0)


def grafted(teacher: Model, front: Sequence[Cut], join: int) -> list[Cut]:
    """The cuts of ``front``, then those of the teacher after its cut ``join``."""
    layers, macs, params = (
        new - old for new, old in zip(front[-1][1:4], teacher.cuts[join][1:4], strict=True)
    )
    kept = [
        cut._replace(layers=cut.layers + layers, macs=cut.macs + macs, params=cut.params + params)
        for cut in teacher.cuts[join + 1 :]
    ]
    return [*front, *kept]


def card(teacher: Model, source: str, decoder: str) -> dict[str, Any]:
    return {
        **teacher.card,
        "top1": round(teacher.card["top1"] - STUDENT_LOSS, 4),
        "top1_basis": "assumed",
        "source": f"{source}; teacher: {teacher.card['source']}",
        "notes": f"top1: the teacher's less {STUDENT_LOSS}, the paper's 'up to 0.6 %' on ImageNet; "
        f"the figure of this network is not published. answer_bytes is assumed. Of the network "
        f"{decoder}",
    }


def published_blocks(
    teacher: str, kind: str, channels: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The rows of the encoder and of the decoder."""
    of_it = {"teacher": teacher, "channels": channels}
    if kind == "v2":
        blocks = (only("bottlefit_students", **of_it, block=b) for b in ("bottleneck", "decoder"))
        encoder, decoder = blocks
        return encoder | {"after": "input"}, decoder | {"basis": "published"}
    files = ("bottlefit_variants", "bottlefit_decoders")
    encoder, decoder = (only(file, **of_it, variant=kind) for file in files)
    return encoder, decoder


def student(teacher: Model, kind: str, channels: str) -> Model:
    """A teacher that keeps its layers up to ``after`` and from ``replaces_to`` on."""
    encoder, decoder = published_blocks(teacher.name, kind, channels)
    names = [cut.layer for cut in teacher.cuts]
    start, join = names.index(encoder["after"]), names.index(encoder["replaces_to"])
    front = list(teacher.cuts[: start + 1])
    front.append(block(front[-1], "bottleneck", encoder))
    front.append(block(front[-1], "decoder", decoder))
    guessed = decoder["basis"] == "assumed"
    said = OURS.format(decoder["source"]) if guessed else KNOWN
    return Model(
        f"{teacher.name}-{ENDINGS[kind].format(channels)}",
        teacher.network,
        with_wire(grafted(teacher, front, join)),
        card(teacher, encoder["source"], said),
        teacher,
        teacher.last - join,
        guessed=guessed,
    )


@cache
def models() -> dict[str, Model]:
    """Every model made here, by name."""
    networks = chains()
    rows = [("v2", row) for row in published("bottlefit_students") if row["block"] == "bottleneck"]
    rows += [(row["variant"], row) for row in published("bottlefit_variants")]
    found = [*networks.values(), vgg16_tx2()]
    found += [student(networks[row["teacher"]], kind, row["channels"]) for kind, row in rows]
    return {model.name: model for model in found}


def tables() -> dict[str, str]:
    """Every model's cuts and card, by their paths below ``traces/``."""
    files = {}
    for model in models().values():
        files[f"models/{model.name}.csv"] = as_csv("models", map(cut_row, count(), model.cuts))
        files[f"models/{model.name}.toml"] = as_toml(model.card)
    return files
