"""Packed calls on a device, and products that must be exact."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from packed_cohorts import array_store, packed

from genomed.stats import packed_device
from genomed.stats.kinship import king_table
from genomed.stats.ld import prune
from genomed.stats.packed_device import Calls, Products, check_device, decode, open_device, send

DEVICES = ["torch", pytest.param("cuda", marks=pytest.mark.gpu)]
CPU = torch.device("cpu")


@pytest.mark.parametrize("device", DEVICES)
def test_decoded_calls_are_those_that_were_packed(device: str) -> None:
    counts = np.random.default_rng(1).choice([0, 1, 2, -9], (40, 77)).astype(np.int8)
    code = decode(send(packed(counts), open_device(device))).cpu().numpy()
    np.testing.assert_array_equal(code[:, :77], np.where(counts < 0, 3, counts))
    assert code.shape == (40, 96)
    assert (code[:, 77:] == 3).all()


@pytest.mark.parametrize("room", [0, 1 << 20])
def test_calls_are_read_once_where_they_fit_and_joined_into_blocks(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_device, "KEPT_BYTES", room)
    words = packed(np.random.default_rng(2).integers(0, 3, (100, 40)).astype(np.int8))
    passes = []

    def read():
        passes.append(len(words))
        return (words[first : first + 30] for first in range(0, 100, 30))

    calls = Calls(read, words.nbytes, 64, CPU)
    for _ in range(3):
        blocks = list(calls.blocks())
        assert [len(block) for block in blocks] == [60, 40]
        np.testing.assert_array_equal(torch.cat(blocks).numpy(), words.view(np.uint8))
    assert len(passes) == (1 if room else 3)


@pytest.mark.parametrize("device", DEVICES)
def test_products_are_exact_up_to_their_greatest_length(device: str) -> None:
    products = Products(open_device(device))
    rng = np.random.default_rng(3)
    a = rng.choice([-1, 1, 1, 1], (65, products.longest))
    b = rng.choice([-1, 0, 1, 1, 1, 1], (products.longest, 33))
    a[1], b[:, 1] = 1, 1
    on_device = (torch.from_numpy(part).to(open_device(device), products.dtype) for part in (a, b))
    found = products(*on_device)
    assert found.dtype == torch.int32
    np.testing.assert_array_equal(found.cpu().numpy(), a @ b)


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_that_calculates_rightly_passes(device: str) -> None:
    check_device(device)


def rounding(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Eight significant bits, as a product of bfloat16 has."""
    return (a @ b).to(torch.bfloat16)


@pytest.fixture
def nothing_remembered() -> Iterator[None]:
    packed_device._exact_way.cache_clear()
    yield
    packed_device._exact_way.cache_clear()


@pytest.mark.usefixtures("nothing_remembered")
def test_the_first_way_that_is_exact_is_taken_and_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = packed_device._Way(torch.float32, 2048, rounding)
    unknown = packed_device._Way(torch.float16, 2048, packed_device._into_float32)
    monkeypatch.setattr(packed_device, "_OTHER", (unknown, wrong, *packed_device._OTHER))
    assert Products(CPU).dtype == torch.float32
    assert Products(CPU)._multiply is torch.mm
    monkeypatch.setattr(packed_device, "_OTHER", (unknown, wrong))
    packed_device._exact_way.cache_clear()
    with pytest.raises(ValueError, match="cpu multiplies whole numbers wrongly"):
        check_device("torch")


def into_float32(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """What CUDA does by itself: factors in half precision, sums in float32."""
    return a.to(torch.float32) @ b.to(torch.float32)


@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.usefixtures("nothing_remembered")
def test_both_ways_of_cuda_find_what_the_processor_finds(
    way: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = packed_device._CUDA[way]
    if way == 0:  # which torch has on CUDA only
        chosen = chosen._replace(multiply=into_float32)
    monkeypatch.setattr(packed_device, "_OTHER", (chosen,))
    rng = np.random.default_rng(4)
    counts = rng.binomial(2, rng.beta(0.3, 0.6, (5000, 1)), (5000, 90)).astype(np.int8)
    counts[1::2] = np.where(rng.random((2500, 90)) < 0.7, counts[::2], counts[1::2])
    counts[rng.random(counts.shape) < 0.02] = -9
    store = array_store(counts)
    assert king_table(store, device="torch").equals(king_table(store))
    rule = {"window": 20, "r2": 0.2}
    here, there = (prune(store, np.arange(600), **rule, device=on) for on in ("cpu", "torch"))
    np.testing.assert_array_equal(here, there)


def test_half_precision_holds_every_whole_number_up_to_its_greatest_length() -> None:
    into_float32, in_half = packed_device._CUDA
    whole = torch.arange(-in_half.longest, in_half.longest + 1)
    assert torch.equal(whole.to(torch.float16).to(torch.int64), whole)
    assert into_float32.longest < 1 << 24


def test_a_device_that_is_not_there_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="CUDA devices here"):
        open_device("cuda:99")
