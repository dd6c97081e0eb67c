"""The shipped tables as their tests read them."""

import csv
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRACES = ROOT / "traces"
GENERATOR = ROOT / "analysis" / "build_tables.py"
TEACHERS = ("resnet152", "densenet169", "densenet201")
WIDTHS = (3, 6, 9, 12)
SERVERS = ("server-gpu", "server-gpu-tensorrt")
BASES = {"measured", "published", "scaled", "assumed"}


def read(name):
    with (TRACES / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def model(name):
    return read(f"models/{name}.csv")


def card(name):
    return tomllib.loads((TRACES / f"models/{name}.toml").read_text(encoding="utf-8"))


def profile(name, hardware):
    return read(f"profiles/{name}@{hardware}.csv")


def names(folder):
    return sorted(path.stem for path in (TRACES / folder).glob("*.csv"))


def profiles():
    """Model and hardware of every profile that is generated."""
    own = {*measured_profiles(), *counted_profiles()}
    return sorted({tuple(name.split("@")) for name in names("profiles")} - own)


def measured_profiles():
    """Model and hardware of every profile that ``splitsim profile`` measured."""
    return carded("splitsim profile")


def counted_profiles():
    """Model and accelerator of every profile that ``splitsim count`` counted."""
    return carded("splitsim count")


def carded(command):
    """Model and hardware of every profile whose card names a command."""
    cards = (TRACES / "profiles").glob("*.toml")
    made = (card for card in cards if f'measured_by = "{command}"' in card.read_text())
    return sorted(tuple(card.stem.split("@")) for card in made)


def at(name, layer):
    """The number of a layer's cut."""
    return [row["layer"] for row in model(name)].index(layer)


def column(rows, key, kind=float):
    return [kind(row[key]) for row in rows]


def row_of(name, **wanted):
    (row,) = (r for r in read(name) if all(r[k] == str(v) for k, v in wanted.items()))
    return row


def made_here(name):
    """Not one of the measured cases, which have tests of their own."""
    measured = (
        "splitsim outcomes" in card(name)["source"] or "splitsim profile" in card(name)["source"]
    )
    return not measured and not name.startswith(("detector-", "vgg16-rpi4"))
