"""Wire formats: exact or within half a step, every byte counted, and what a lost packet takes."""

import io
import math
import zlib

import numpy as np
import pytest
import torch
import zstandard
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from splitsim.dnn import fields, packets
from splitsim.dnn.packets import PACKET_BYTES
from splitsim.dnn.wire import Wire
from splitsim.errors import BadInput

law = settings(derandomize=True, deadline=None, max_examples=150)

TENSOR_FORMS = ("float32", "float16", "uint8", "uint8-channel", "3bit", "12bit-channel", "topk0.05")
IMAGES = ("jpeg1", "jpeg100", "webp75")
STAGES = ("", "+zlib", "+zstd")
FORMATS = tuple(form + stage for form in TENSOR_FORMS for stage in STAGES)

shapes = st.one_of(
    st.tuples(st.just(1), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.just(1), st.integers(1, 40)),
    st.just(()),
)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
tensors = shapes.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=finite)).map(
    torch.tensor
)
affine = st.builds(
    lambda bits, channel: f"{bits}bit{channel}",
    st.integers(1, 16),
    st.sampled_from(["", "-channel"]),
)


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    """What a rectified layer puts out: about half of it is 0."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).relu()


def picture(channels: int, height: int, width: int) -> torch.Tensor:
    """A smooth picture with values from 0 to 1."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    planes = [0.5 + 0.4 * torch.sin(x / 9 + n) * torch.cos(y / 7 - n) for n in range(channels)]
    return torch.stack(planes)[None]


def there_and_back(text: str, value):
    return Wire.decode(Wire.parse(text).encode(value))


def only(count: int, *lost: int) -> np.ndarray:
    """A mask of packets with some of them lost."""
    return np.isin(np.arange(count), lost)


# -- texts


@pytest.mark.parametrize(
    "text",
    [
        *(*FORMATS, "1bit", "16bit-channel+zstd22", "uint8+zlib9", "topk1", "topk0.000001"),
        *(*IMAGES, "spikes", "spikes+zstd", "map-jpeg1", "map-jpeg100"),
    ],
)
def test_a_format_is_written_as_it_is_read(text):
    assert str(Wire.parse(text)) == text


def test_a_format_has_one_name_only():
    assert str(Wire.parse("8bit+zstd1")) == "uint8+zstd"
    assert Wire.parse("topk.050") == Wire.parse("topk0.05")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uint9", ["there is no form 'uint9'; there are float32, float16, uint8"]),
        ("", ["there is no form ''"]),
        ("17bit", ["no form '17bit'"]),
        ("0bit", ["no form"]),
        ("topk0", ["no form"]),
        ("topk0.0", ["no form"]),
        ("topk1.5", ["no form"]),
        ("topk5%", ["no form"]),
        ("jpeg0", ["no form"]),
        ("jpeg101", ["no form 'jpeg101'; there are"]),
        ("uint8+gzip", ["there is no entropy stage 'gzip'; there are zlib1 to zlib9, zstd1"]),
        ("uint8+", ["no entropy stage ''"]),
        ("uint8+zstd23", ["no entropy stage 'zstd23'"]),
        ("uint8+zlib+zstd", ["no entropy stage 'zlib+zstd'"]),
        ("uint9+gzip", ["no form 'uint9'", "no entropy stage 'gzip'"]),
        ("jpeg90+zstd", ["squeezed already; use jpeg90"]),
        ("map-jpeg90+zlib", ["squeezed already; use map-jpeg90"]),
        ("map-jpeg0", ["no form 'map-jpeg0'"]),
        ("spike", ["no form 'spike'; there are"]),
    ],
)
def test_what_is_no_format_is_told_with_what_there_is(text, expected):
    with pytest.raises(BadInput) as error:
        Wire.parse(text)
    assert len(error.value.problems) == len(expected)
    for problem, words in zip(error.value.problems, expected, strict=True):
        assert problem.startswith(f"wire {text!r}: ")
        assert words in problem


# -- there and back


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@law
@given(data=st.data())
def test_float32_is_exact(stage, kind, data):
    tensor = data.draw(tensors).to(kind)
    assume(tensor.isfinite().all())
    back = there_and_back(f"float32{stage}", tensor)
    assert back.dtype == kind
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor)


@law
@given(tensors.map(lambda tensor: tensor.clamp(-65504, 65504)))
def test_float16_rounds_to_halves_and_is_exact_for_them(tensor):
    assert torch.equal(there_and_back("float16", tensor), tensor.half().float())
    assert torch.equal(there_and_back("float16+zstd", tensor.half()), tensor.half())


@law
@given(affine, tensors)
@example("8bit", torch.tensor([[-3.0e38, 3.0e38, 1.0]]))
@example("16bit", torch.tensor([[1.0, 1.0 + 2**-23]]))
def test_an_affine_code_is_half_a_step_off_at_most(text, tensor):
    back = there_and_back(text, tensor)
    form = Wire.parse(text).form
    by_channel = form.per_channel and tensor.ndim > 2
    rows = tensor.double().reshape(tensor.shape[1] if by_channel else 1, -1)
    step = (rows.amax(1) - rows.amin(1)) / (2**form.bits - 1)
    error = (back.double().reshape(rows.shape) - rows).abs()
    rounding = rows.abs().amax(1) * 2**-24 + 2**-149  # of the decoded value to float32
    assert (error <= (step / 2 * (1 + 1e-9) + rounding)[:, None]).all()


@pytest.mark.parametrize("stage", STAGES)
@law
@given(text=st.one_of(affine, st.sampled_from(["float16", "topk0.3", "topk1"])), tensor=tensors)
def test_coding_again_changes_nothing(stage, text, tensor):
    tensor = tensor.clamp(-65504, 65504)
    once = there_and_back(text + stage, tensor)
    assert torch.equal(there_and_back(text + stage, once), once)


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_comes_back_as_it_was(text, kind):
    tensor = features(1, 4, 5, 6).to(kind)
    back = there_and_back(text, tensor)
    assert back.dtype == kind
    assert torch.equal(back, there_and_back(text, tensor.float()).to(kind))


@pytest.mark.parametrize("text", ["1bit", "uint8", "uint8-channel+zstd", "16bit"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e-45, 3.4e38])
def test_a_constant_is_exact(text, value):
    tensor = torch.full((1, 3, 4, 4), value)
    assert torch.equal(there_and_back(text, tensor), tensor)


def test_each_channel_has_its_range():
    tensor = torch.stack([features(6, 6), 1000 * features(6, 6)])[None]
    off = {text: (there_and_back(text, tensor) - tensor)[0, 0].abs().max() for text in TENSOR_FORMS}
    assert off["uint8-channel"] < off["uint8"] / 100


def test_each_channel_of_each_sample_has_its_range():
    tensor = torch.stack([features(3, 5, 5), 100 * features(3, 5, 5, seed=1)])
    alone = [there_and_back("uint8-channel", sample[None]) for sample in tensor]
    assert torch.equal(there_and_back("uint8-channel", tensor), torch.cat(alone))


@pytest.mark.parametrize("text", FORMATS)
def test_how_a_tensor_lies_in_memory_does_not_matter(text):
    tensor = features(1, 6, 5, 4).permute(0, 2, 3, 1)[:, ::2]
    assert not tensor.is_contiguous()
    plain = Wire.parse(text).encode(tensor.contiguous())
    assert Wire.parse(text).encode(tensor) == plain
    assert Wire.parse(text).encode(tensor.clone().requires_grad_()) == plain


@pytest.mark.parametrize("text", FORMATS)
def test_several_tensors_are_one_message(text):
    several = (features(1, 3, 8, 8), features(1, 7, seed=1).half(), features(seed=2))
    back = there_and_back(text, several)
    for one, of_many in zip(several, back, strict=True):
        assert torch.equal(there_and_back(text, one), of_many)
        assert one.dtype == of_many.dtype
    assert isinstance(there_and_back(text, several[:1]), tuple)


# -- bytes


@pytest.mark.parametrize("channels", [3, 6, 9, 12])
def test_the_bottleneck_of_bottlefit_takes_841_bytes_a_channel_and_22(channels):
    tensor = features(1, channels, 29, 29)
    message = Wire.parse("uint8").encode(tensor)
    assert len(message) == 841 * channels + 22
    low, high = np.frombuffer(message[14:22], "<f4")
    codes = np.frombuffer(message[22:], np.uint8).reshape(tensor.shape)
    assert (low, high) == (tensor.min(), tensor.max())
    scale = (high.astype(float) - low) / 255
    assert np.array_equal(codes, np.rint((tensor.numpy() - low) / scale))


def test_the_header_is_laid_out_as_described():
    message = Wire.parse("float16+zlib").encode((torch.ones(1, 200), torch.ones(2).bfloat16()))
    assert message[:13] == b"\x0cfloat16+zlib"
    assert message[13:] == bytes([2, 0x02, 1, 200, 1, 144, 3, 0x21, 2, 4]) + zlib.compress(
        np.ones(202, "<f2").tobytes()
    )


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("float32", 4 * 2000),
        ("float16", 2 * 2000),
        ("uint8", 8 + 2000),
        ("uint8-channel", 8 * 20 + 2000),
        ("1bit", 8 + 250),
        ("5bit", 8 + 1250),
        ("13bit", 8 + 3250),
        ("topk0.05", 4 * 100 + 138),  # 100 indices of 11 bits
        ("topk0.0501", 4 * 101 + 139),
        ("topk0.000001", 4 + 2),
    ],
)
def test_a_body_has_as_many_bytes_as_its_form_says(text, body):
    header = 1 + len(text) + 1 + 5 + (1 if body < 128 else 2)
    assert len(Wire.parse(text).encode(features(1, 20, 10, 10))) == header + body


def test_the_entropy_stages_are_those_of_others():
    tensor = features(1, 8, 20, 20)
    plain = Wire.parse("uint8").encode(tensor)[15:]
    start = 1 + len("uint8+zstd") + 1 + 5 + 2
    by_zlib = Wire.parse("uint8+zlib").encode(tensor)[start:]
    by_zstd = Wire.parse("uint8+zstd").encode(tensor)[start:]
    assert zlib.decompress(by_zlib) == zstandard.decompress(by_zstd)
    assert zlib.decompress(by_zlib).endswith(plain[-3200:])
    assert len(by_zstd) < len(plain)


def test_a_higher_level_squeezes_more():
    tensor = features(1, 8, 30, 30).round()
    low, high = (len(Wire.parse(f"uint8+{s}").encode(tensor)) for s in ("zlib1", "zlib9"))
    assert high < low
    low, high = (len(Wire.parse(f"uint8+{s}").encode(tensor)) for s in ("zstd1", "zstd19"))
    assert high < low


@law
@given(st.integers(1, 32), st.data())
def test_fields_are_packed_bit_by_bit(bits, data):
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1, max_size=30))
    text = "".join(f"{code:0{bits}b}" for code in codes)
    text += "0" * (-len(text) % 8)
    packed = fields.pack(np.array(codes, np.uint32), bits)
    assert packed == bytes(int(text[n : n + 8], 2) for n in range(0, len(text), 8))
    assert len(packed) == fields.size(bits, len(codes))
    back = fields.unpack(np.frombuffer(packed, np.uint8), bits, len(codes))
    assert back.tolist() == codes


@law
@given(st.integers(1, 32), st.lists(st.booleans(), min_size=4, max_size=60))
def test_a_field_arrived_if_all_its_bytes_did(bits, here):
    count = len(here) * 8 // bits
    expected = [all(here[n * bits // 8 : -(-(n + 1) * bits // 8)]) for n in range(count)]
    assert fields.arrived(np.array(here), bits, count).tolist() == expected


@law
@given(arrays.arrays(np.float32, st.integers(1, 60), elements=finite), st.integers(1, 100))
def test_top_k_keeps_the_largest(values, percent):
    kept = math.ceil(len(values) * percent / 100)
    text = f"topk{percent / 100}" if percent < 100 else "topk1"
    back = there_and_back(text, torch.tensor(values)).numpy()
    chosen = np.sort(np.abs(values))[::-1][:kept]
    assert np.array_equal(np.sort(np.abs(back))[::-1][:kept], chosen)
    assert np.isin(back[back != 0], values).all()
    assert (back[back != 0] == values[back != 0]).all()


# -- images


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_quality_buys_bytes_with_error(name, channels):
    original = picture(channels, 60, 75)
    messages = [Wire.parse(f"{name}{quality}").encode(original) for quality in (5, 50, 95)]
    backs = [Wire.decode(message) for message in messages]
    errors = [float((back - original).abs().mean()) for back in backs]
    assert sorted(map(len, messages)) == list(map(len, messages))
    assert sorted(errors, reverse=True) == errors
    assert errors[-1] < 0.01
    assert all(back.shape == original.shape for back in backs)


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_the_body_is_an_image_file(name):
    message = Wire.parse(f"{name}80").encode(picture(3, 33, 50))
    file = Image.open(io.BytesIO(message[1 + 6 + 1 + 5 + 2 :]))
    assert (file.format, file.size) == (name.upper(), (50, 33))
    assert torch.equal(
        Wire.decode(message),
        torch.tensor(np.asarray(file)).permute(2, 0, 1)[None] / 255,
    )


def test_pixels_may_be_off_by_rounding():
    pixels = picture(3, 16, 16).round()
    back = there_and_back("jpeg100", pixels * (1 + 1e-6) - 1e-6)
    assert torch.equal(back, there_and_back("jpeg100", pixels))


# -- spikes, and maps as a picture


@pytest.mark.parametrize("stage", STAGES)
@law
@given(values=arrays.arrays(np.bool_, st.one_of(st.tuples(), st.tuples(*[st.integers(1, 9)] * 3))))
def test_spikes_are_exact(stage, values):
    tensor = torch.tensor(values, dtype=torch.float32)
    assert torch.equal(there_and_back(f"spikes{stage}", tensor), tensor)
    assert torch.equal(there_and_back("spikes", tensor.half()), tensor.half())


@pytest.mark.parametrize("count", [1, 7, 8, 9, 2000])
def test_spikes_take_a_bit_each_and_no_ranges(count):
    spikes = torch.arange(count) % 3 == 0
    message = Wire.parse("spikes").encode(spikes.float())
    dimension, body = (1 if count < 128 else 2), -(-count // 8)
    assert len(message) == 1 + len("spikes") + 1 + 1 + dimension + (1 if body < 128 else 2) + body
    bits = np.unpackbits(np.frombuffer(message[-body:], np.uint8))
    assert bits[:count].astype(bool).tolist() == spikes.tolist()
    assert not bits[count:].any()


def test_lost_spikes_are_none():
    tensor = torch.ones(1, 16, 56, 56)
    message = Wire.parse("spikes").encode(tensor)
    start = len(message) - tensor.numel() // 8
    left = Wire.decode(message, only(packets.packets(message), 2)).flatten()
    here = np.arange(tensor.numel()) // 8 + start
    lost = (here >= 2 * PACKET_BYTES) & (here < 3 * PACKET_BYTES)
    assert lost.sum() == 8 * PACKET_BYTES
    assert torch.equal(left == 0, torch.from_numpy(lost))


def test_quality_buys_bytes_with_error_of_maps():
    maps = picture(6, 20, 30) * 7 - 3
    messages = [Wire.parse(f"map-jpeg{quality}").encode(maps) for quality in (5, 50, 100)]
    errors = [float((Wire.decode(message) - maps).abs().mean()) for message in messages]
    assert sorted(map(len, messages)) == list(map(len, messages))
    assert sorted(errors, reverse=True) == errors
    assert errors[-1] < 0.01 * float(maps.max() - maps.min())


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 1, 5, 7), (7, 5)),
        ((1, 4, 9, 9), (18, 18)),
        ((1, 5, 8, 8), (16, 24)),
        ((1, 12, 29, 29), (87, 116)),
        ((1, 3, 2, 40), (40, 6)),
        ((1, 3, 40, 2), (6, 40)),
    ],
)
def test_maps_are_tiles_of_a_grey_picture_about_as_high_as_wide(shape, size):
    maps = torch.linspace(-1, 3, math.prod(shape)).reshape(shape)
    message = Wire.parse("map-jpeg100").encode(maps)
    start = message.index(b"\xff\xd8")
    assert np.frombuffer(message[start - 8 : start], "<f4").tolist() == [-1, 3]
    file = Image.open(io.BytesIO(message[start:]))
    assert (file.format, file.mode, file.size) == ("JPEG", "L", size)
    pixels = np.asarray(file).astype(float)
    decoded = Wire.decode(message)[0].double().numpy()
    _, height, width = decoded.shape
    for number, values in enumerate(decoded):
        row, column = divmod(number, size[0] // width)
        tile = pixels[row * height :, column * width :][:height, :width]
        assert values == pytest.approx(-1 + tile / 255 * 4, rel=1e-6, abs=1e-6)
    assert np.abs(decoded - maps[0].numpy()).max() < 0.1


@pytest.mark.parametrize("value", [0.0, -0.3, 3e38])
def test_constant_maps_are_exact(value):
    tensor = torch.full((1, 3, 9, 4), value)
    assert torch.equal(there_and_back("map-jpeg30", tensor), tensor)


def test_maps_lose_the_rows_of_pixels_that_a_lost_packet_touches():
    tensor = torch.rand(1, 9, 40, 40, generator=torch.Generator().manual_seed(0)) + 1
    message = Wire.parse("map-jpeg90").encode(tensor)
    whole, count = Wire.decode(message), packets.packets(message)
    assert count > 4
    for n in range(1, count):
        left = Wire.decode(message, only(count, n))
        gone = left != whole
        mean = float(left[~gone].double().mean())
        assert left[gone].numpy() == pytest.approx(mean, rel=1e-6)
        rows = gone.reshape(3, 3, 40, 40).transpose(1, 2).reshape(120, 120)
        assert 0 < rows.any(1).sum() < 120
        assert (rows.double().mean(1)[rows.any(1)] > 0.9).all()  # but for values of the mean


# -- bad input


@pytest.mark.parametrize(
    ("text", "tensor", "words"),
    [
        ("uint8", torch.tensor([[1.0, math.nan]]), "shape (1, 2) holds NaN or infinite values"),
        ("float32+zstd", torch.tensor([math.inf]), "holds NaN or infinite"),
        ("topk0.5", torch.tensor([-math.inf, 1]), "holds NaN or infinite"),
        ("uint8", torch.zeros(1, 0, 4), "shape (1, 0, 4) has no elements"),
        ("uint8", torch.zeros(1, 3, dtype=torch.int64), "int64"),
        ("float32", torch.zeros(1, 3, dtype=torch.float64), "must be of float32, float16, bfloat"),
        ("float16", torch.tensor([1e5]), "float16: goes to 65504, the tensor to 100000; use float"),
        ("jpeg90", torch.zeros(1, 64, 7, 7), "not (1, 64, 7, 7); use it at cut 0 only"),
        ("webp90", torch.zeros(2, 3, 7, 7), "not (2, 3, 7, 7)"),
        ("jpeg90", torch.full((1, 3, 8, 8), -2.1), "from 0 to 1, not -2.1 to -2.1; normalise"),
        ("spikes", torch.tensor([[1, 0, 0.5]]), "zeros and ones, not 0.5; use uint8 or float32"),
        ("spikes", torch.tensor([[-1.0, 0]]), "zeros and ones, not -1"),
        ("map-jpeg75", torch.zeros(1, 12), "1 x channels x height x width, not (1, 12)"),
        ("map-jpeg75", torch.zeros(2, 3, 4, 4), "the maps of one sample"),
    ],
)
def test_what_cannot_be_sent_is_told(text, tensor, words):
    with pytest.raises(BadInput) as error:
        Wire.parse(text).encode((tensor,))
    assert len(error.value.problems) == 1
    assert words in str(error.value)


@pytest.mark.parametrize(
    "text", ["float32", "uint8", "uint8+zlib", "uint8+zstd", "topk0.1", "spikes", "map-jpeg75"]
)
def test_a_message_cut_short_is_told(text):
    message = Wire.parse(text).encode(features(1, 3, 4, 4).ceil().clamp(max=1))
    for end in range(len(message)):
        with pytest.raises(BadInput):
            Wire.decode(message[:end])


def test_losses_of_another_message_are_told():
    message = Wire.parse("uint8").encode(features(1, 5000))
    with pytest.raises(BadInput, match="tells of 3 packets, the message has 4"):
        Wire.decode(message, np.zeros(3, bool))
    with pytest.raises(BadInput, match="probability from 0 to 1, not 5"):
        packets.lose(message, 5, rng=np.random.default_rng(0))


# -- lost packets

LARGE = features(1, 64, 14, 14) + 1  # 12,544 elements


def test_packets_are_lost_as_often_as_said_and_the_same_at_higher_loss():
    message = bytes(PACKET_BYTES * 9 + 1)
    assert packets.packets(message) == 10
    lost = [packets.lose(message, 0.2, rng=np.random.default_rng(n)) for n in range(1000)]
    assert abs(np.mean(lost) - 0.2) < 5 * math.sqrt(0.2 * 0.8 / 10_000)
    more = [packets.lose(message, 0.5, rng=np.random.default_rng(n)) for n in range(1000)]
    assert not (np.array(lost) & ~np.array(more)).any()
    assert packets.lose(message, 1.0, rng=np.random.default_rng(0)).all()
    assert not packets.lose(message, 0.0, rng=np.random.default_rng(0)).any()


@pytest.mark.parametrize("text", [*FORMATS, "jpeg90", "webp90", "map-jpeg90"])
def test_without_a_loss_nothing_changes_and_without_the_header_nothing_is_left(text):
    image = text.startswith(("jpeg", "webp"))
    tensor = picture(3, 120, 160) if image else LARGE
    message = Wire.parse(text).encode(tensor)
    count = packets.packets(message)
    assert torch.equal(Wire.decode(message, only(count)), Wire.decode(message))
    for lost in (only(count, 0), np.ones(count, bool)):
        assert torch.equal(Wire.decode(message, lost), torch.full_like(tensor, 0.5 * image))


@pytest.mark.parametrize("text", [*FORMATS, "map-jpeg90"])
def test_an_element_is_what_it_was_or_the_mean(text):
    message = Wire.parse(text).encode((LARGE, LARGE / 2))
    lost = packets.lose(message, 0.3, rng=np.random.default_rng(3)) & (
        np.arange(packets.packets(message)) > 0
    )
    assert lost.any()
    for whole, left in zip(Wire.decode(message), Wire.decode(message, lost), strict=True):
        gone = left != whole
        assert gone.any()
        zero = text.startswith("topk") or gone.all()
        mean = 0 if zero else float(left[~gone].double().mean())
        assert left[gone].numpy() == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("seed", range(4))
def test_what_was_in_a_lost_packet_has_no_influence(text, seed):
    rng = np.random.default_rng(seed)
    message = Wire.parse(text).encode((LARGE, LARGE / 2))
    lost = packets.lose(message, 0.3, rng=rng)
    lost[0] = False
    other = np.frombuffer(message, np.uint8).copy()
    gone = np.repeat(lost, PACKET_BYTES)[: len(other)]
    other[gone] = rng.integers(0, 256, gone.sum())
    for one, two in zip(
        Wire.decode(message, lost), Wire.decode(other.tobytes(), lost), strict=True
    ):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("text", "bits", "before"),
    [("uint8", 8, 14 + 8), ("float32", 32, 17), ("3bit", 3, 13 + 8), ("12bit", 12, 15 + 8)],
)
def test_a_lost_packet_takes_the_elements_it_held(text, bits, before):
    wire = Wire.parse(text)
    message = wire.encode(LARGE)
    whole = wire.decode(message).flatten()
    left = wire.decode(message, only(packets.packets(message), 2)).flatten()
    first = 8 * (2 * PACKET_BYTES - before)  # bit of the codes that the packet begins with
    elements = torch.arange(len(whole))
    held = ((elements + 1) * bits > first) & (elements * bits < first + 8 * PACKET_BYTES)
    assert held.any()
    assert torch.equal(left[~held], whole[~held])
    assert left[held].numpy() == pytest.approx(float(whole[~held].double().mean()), rel=1e-6)


def test_a_lost_range_takes_its_channels():
    message = Wire.parse("uint8-channel").encode(torch.arange(1600.0).reshape(1, 400, 2, 2))
    left = Wire.decode(message, only(packets.packets(message), 1))
    here = (left == Wire.decode(message)).all(dim=(2, 3))[0]
    before = len(message) - 400 * 4 - 400 * 8
    in_first = (PACKET_BYTES - before) // 8
    in_second = -(-(2 * PACKET_BYTES - before) // 8)
    assert here.tolist() == [not in_first <= n < in_second for n in range(400)]


def beginning(left: torch.Tensor, whole: torch.Tensor) -> int:
    """How many elements are left before all others are one value."""
    until = int((left != left[-1]).nonzero().max()) + 1
    assert torch.equal(left[:until], whole.flatten()[:until])
    return until


def test_behind_zlib_the_beginning_is_left():
    message = Wire.parse("uint8+zlib").encode(LARGE)
    left = Wire.decode(message, only(packets.packets(message), 4)).flatten()
    until = beginning(left, Wire.decode(message))
    assert 0.3 * len(left) < until < 0.7 * len(left)


def test_behind_zstd_the_whole_blocks_before_a_loss_are_left():
    tensor = features(1, 256, 28, 28) + 1
    message = Wire.parse("uint8+zstd").encode(tensor)
    count = packets.packets(message)
    left = Wire.decode(message, only(count, count - 1)).flatten()
    # The first block of 128 KiB, but for the range.
    assert beginning(left, Wire.decode(message)) == 128 * 1024 - 8


@pytest.mark.parametrize(("channels", "block"), [(1, 8), (3, 16)])
@pytest.mark.parametrize(("height", "width"), [(96, 160), (99, 165)])
def test_a_jpeg_loses_the_rows_that_a_lost_packet_touches(channels, block, height, width):
    noisy = picture(channels, height, width) + 0.1 * torch.randn(1, channels, height, width)
    message = Wire.parse("jpeg90").encode(noisy.clamp(0, 1))
    whole = Wire.decode(message)
    count = packets.packets(message)
    gone = torch.zeros(height, dtype=torch.bool)
    for n in range(1, count):
        left = Wire.decode(message, only(count, n))
        grey = (left == 0.5).all(dim=3).all(dim=1)[0]
        assert 0 < grey.sum() < height / 2
        assert torch.equal(left[:, :, ~grey], whole[:, :, ~grey])
        edges = (grey[1:] != grey[:-1]).nonzero() + 1
        assert (edges % block == 0).all()
        gone |= grey
    assert gone[2 * block :].all()


def test_restart_markers_cost_little():
    original = picture(3, 224, 224)
    file = io.BytesIO()
    pixels = (original[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "jpeg", quality=90)
    assert len(Wire.parse("jpeg90").encode(original)) - len(file.getvalue()) < 14 * 7 + 25


def test_webp_loses_all():
    message = Wire.parse("webp90").encode(torch.rand(1, 3, 96, 96))
    count = packets.packets(message)
    assert (Wire.decode(message, only(count, count - 1)) == 0.5).all()
