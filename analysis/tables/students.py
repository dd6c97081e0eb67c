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
# Of each kind: the end of the name, the share of its decoder's counts taken as time (see
# Model.guess; an autoencoder's counts are an upper bound, so half of them), and what is said.
KNOWN = "its decoder's layers are those of the public code."
GUESSED = (
    "its decoder is not known: {}. The tail after the join is the teacher's; times with the "
    "decoder in them are assumed, with factors that reach both bounds."
)
LIKE_V2 = "counted as that of version 2, its time lies between nothing and twice that"
MIRRORED = "counted as its encoder mirrored, which bounds its time from above; half is taken"
KINDS = {
    "v2": ("bottlefit{}", 0.0, KNOWN),
    "v1": ("bottlefit{}-v1", 1.0, GUESSED.format(LIKE_V2)),
    "v3": ("bottlefit{}-v3", 1.0, GUESSED.format(LIKE_V2)),
    "autoencoder": ("autoencoder{}", 0.5, GUESSED.format(MIRRORED)),
}


def block(before: Cut, name: str, row: Mapping[str, str], output: str) -> Cut:
    """The cut after a new block: its counts come to those before it."""
    layers, macs, params = (a + b for a, b in zip(before[1:4], counts(row), strict=True))
    return Cut(name, layers, macs, params, shape(output), 0)


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


def card(teacher: Model, kind: str, source: str) -> dict[str, Any]:
    return {
        **teacher.card,
        "top1": round(teacher.card["top1"] - STUDENT_LOSS, 4),
        "top1_basis": "assumed",
        "source": f"{source}; teacher: {teacher.card['source']}",
        "notes": f"top1: the teacher's less {STUDENT_LOSS}, the paper's 'up to 0.6 %' on ImageNet; "
        f"the figure of this network is not published. answer_bytes is assumed. Of the network "
        f"{KINDS[kind][2]}",
    }


def published_blocks(
    teacher: str, kind: str, channels: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The rows of the encoder and of the decoder, the latter in its stead where not known."""
    v2 = [
        only("bottlefit_students", teacher=teacher, channels=channels, block=name)
        for name in ("bottleneck", "decoder")
    ]
    if kind == "v2":
        return v2[0] | {"after": "input"}, v2[1]
    new = only("bottlefit_variants", teacher=teacher, variant=kind, channels=channels)
    return new, new if kind == "autoencoder" else v2[1]


def student(teacher: Model, kind: str, channels: str) -> Model:
    """A teacher that keeps its layers up to ``after`` and from ``replaces_to`` on."""
    encoder, decoder = published_blocks(teacher.name, kind, channels)
    names = [cut.layer for cut in teacher.cuts]
    start, join = names.index(encoder["after"]), names.index(encoder["replaces_to"])
    front = list(teacher.cuts[: start + 1])
    front.append(block(front[-1], "bottleneck", encoder, encoder["output_shape"]))
    joined = "x".join(map(str, teacher.cuts[join].shape))
    front.append(block(front[-1], "decoder", decoder, joined))
    cuts = with_wire(grafted(teacher, front, join))
    ending, guess, _ = KINDS[kind]
    return Model(
        f"{teacher.name}-{ending.format(channels)}",
        teacher.network,
        cuts,
        card(teacher, kind, encoder["source"]),
        teacher,
        teacher.last - join,
        guess=guess,
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
