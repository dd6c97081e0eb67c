"""An object detector computed locally, at the edge or split, as FurciferDataset measured it.

Every time is a median of a part of one campaign: a Jetson-class board on WiFi, one edge server.
What is left of the latency beside its named parts, about 5 ms, stands in ``encode``: it is outside
the measured communication time, so it is spent on the board, but if the board computed in it, it
would draw 3 to 8 % more than it does. So the joules of a sent frame are given in ``energy_j``, for
pre-processing and head alone.

The server is two rows of hardware: as measured alone, and as its log reads beside 4 other
clients; what was measured alone only stands in the second as assumed.
"""

from __future__ import annotations

from typing import NamedTuple

from tables.files import Time, as_csv, as_toml, profile_row
from tables.power import furcifer_board
from tables.source import only, published

BOARD = "furcifer-board"
SERVERS = {"furcifer-server": "", "furcifer-server-loaded": "_loaded"}
NOTHING = Time(0, "measured", "nothing to do")
KB = 1000  # the unit of the published sizes; a law through them does not depend on it


class Mode(NamedTuple):
    """A way of sending frames: its row of the totals, and its steps of ``step_times.csv``."""

    mode: str
    quality: str
    cut: int
    pre: str
    head: str
    rest: str
    network: str
    decode: str
    tail: str

    @property
    def sent_bytes(self) -> float:
        """Mean bytes of a frame, measured alone."""
        wanted = {"mode": self.mode, "jpeg_quality": self.quality, "other_clients": 0}
        return KB * float(only("measured_local_edge_split", **wanted)["tx_kb_per_frame"])


def edge(quality: str, kind: str) -> Mode:
    """Sending a JPEG."""
    return Mode(
        mode="edge",
        quality=quality,
        cut=0,
        pre=f"device_{kind}",
        head="",
        rest=f"device_rest_{kind}",
        network=f"network_{kind}",
        decode=f"server_{kind}",
        tail=f"server_inference_{kind}",
    )


SPLIT = Mode(
    mode="split",
    quality="",
    cut=1,
    pre="device_tensor_split",
    head="device_head_split",
    rest="device_rest_split",
    network="network_split",
    decode="server_tensor",
    tail="server_inference_split",
)
MODES = {
    "detector-q30": edge("30", "jpeg"),
    "detector-q100": edge("100", "jpeg100"),
    "detector-split": SPLIT,
}


def step_s(name: str) -> float:
    """Seconds of a step of ``step_times.csv``."""
    return float(only("step_times", step=name)["ms"]) / 1e3


def network_law() -> tuple[float, float]:
    """The line through the network times of the two edge modes.

    Returns:
        Seconds for both ways together at zero bytes, and bits per second.
    """
    small, large = MODES["detector-q30"], MODES["detector-q100"]
    rise_s = step_s(large.network) - step_s(small.network)
    s_per_byte = rise_s / (large.sent_bytes - small.sent_bytes)
    return step_s(small.network) - s_per_byte * small.sent_bytes, 8 / s_per_byte


def time(name: str) -> Time:
    """A step of ``step_times.csv``; without a name, nothing is done."""
    if not name:
        return NOTHING
    row = only("step_times", step=name)
    return Time(round(1e6 * float(row["ms"])), row["basis"], row["source"])


def loaded(name: str, suffix: str) -> Time:
    """A step of the server, as its log reads under load if it does."""
    if any(row["step"] == name + suffix for row in published("step_times")):
        return time(name + suffix)
    alone = time(name)
    return alone._replace(basis="assumed", source=f"{alone.source} (measured alone only)")


def unmeasured(mode: Mode) -> list[list[object]]:
    """Rows of the cuts before the measured one."""
    said = "not measured: in this mode the network is cut after its head"
    return [[*profile_row(cut, {})[:-1], said] for cut in range(mode.cut)]


def device_rows(mode: Mode) -> list[list[object]]:
    """The board's profile: sending, and computing locally."""
    pre, head = time(mode.pre), time(mode.head)
    sent_j = furcifer_board().compute.w * (pre.ns + head.ns) / 1e9
    sending = {"pre": pre, "head": head, "encode": time(mode.rest)}
    local = {"pre": time("device_tensor"), "head": time("device_inference"), "encode": NOTHING}
    last = mode.cut + 1
    return [*unmeasured(mode), profile_row(mode.cut, sending, sent_j), profile_row(last, local)]


def server_rows(mode: Mode, suffix: str) -> list[list[object]]:
    """The server's profile."""
    answering = {"decode": loaded(mode.decode, suffix), "tail": loaded(mode.tail, suffix)}
    nothing = {"decode": NOTHING, "tail": NOTHING}
    last = mode.cut + 1
    return [*unmeasured(mode), profile_row(mode.cut, answering), profile_row(last, nothing)]


def model_rows(mode: Mode) -> list[list[object]]:
    """Layers and bytes; the detector is not named, so nothing of it is counted."""
    layers = ("input", "head")[: mode.cut + 1]
    sent = [[n, layer, "", "", "", "", f"{mode.sent_bytes:.12g}"] for n, layer in enumerate(layers)]
    return [*sent, [len(layers), "output", "", "", "", "", 0]]


def card(mode: Mode) -> dict[str, object]:
    """What a model's file says of itself."""
    source = published("measured_local_edge_split")[0]["source"]
    wire = f"JPEG of quality {mode.quality}" if mode.quality else "the tensor after the head"
    return {
        "network": "detector",
        "dataset": "frames of FurciferDataset",
        "top1": 1.0,
        "top1_basis": "assumed",
        "wire_format": f"{wire}, mean bytes per frame as measured alone",
        "answer_bytes": 0,
        "source": source,
        "notes": "An object detector, not named: no MACs, parameters or shapes, and no quality of "
        "its detections; top1 = 1 counts every answer as right. answer_bytes: the answer's time is "
        "within the measured network time. The split mode cannot be used at cut 0, where nothing "
        "was measured; its bytes there are those of cut 1.",
    }


def tables() -> dict[str, str]:
    """Models, cards and profiles of the measured case."""
    files = {}
    for name, mode in MODES.items():
        files[f"models/{name}.csv"] = as_csv("models", model_rows(mode))
        files[f"models/{name}.toml"] = as_toml(card(mode))
        files[f"profiles/{name}@{BOARD}.csv"] = as_csv("profiles", device_rows(mode))
        for server, suffix in SERVERS.items():
            rows = server_rows(mode, suffix)
            files[f"profiles/{name}@{server}.csv"] = as_csv("profiles", rows)
    return files
