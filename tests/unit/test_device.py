from pathlib import Path

import pytest
import torch

from lexmax.encoders import device
from lexmax.encoders.device import chosen_device, chosen_dtype, has_bfloat16, inference
from lexmax.errors import EncoderError

CPU = torch.device("cpu")


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.fixture
def two_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("no_cuda")
def test_the_cpu_is_chosen_where_there_is_nothing_else() -> None:
    assert chosen_device("auto") == CPU
    assert chosen_device("cpu") == CPU


@pytest.mark.usefixtures("two_cuda")
def test_a_graphics_processor_is_chosen_unless_the_cpu_is_asked_for() -> None:
    assert chosen_device("auto") == torch.device("cuda")
    assert chosen_device("cuda:1") == torch.device("cuda:1")
    assert chosen_device("cpu") == CPU


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("name", ["cuda", "cuda:1", "gpu", "", "meta", "cpu:x"])
def test_what_is_not_there_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(EncoderError, match=r"have cpu; choose one of them, or auto"):
        chosen_device(name)


@pytest.mark.usefixtures("two_cuda")
def test_a_third_of_two_is_refused() -> None:
    with pytest.raises(EncoderError, match=r"'cuda:2'.*have cpu, cuda:0, cuda:1;"):
        chosen_device("cuda:2")


def test_float32_is_the_default_on_a_cpu() -> None:
    assert chosen_dtype(None, CPU) == "float32"
    assert chosen_dtype("float32", CPU) == "float32"


@pytest.mark.parametrize(("generation", "dtype"), [((6, 1), "float32"), ((7, 0), "float16")])
def test_float16_is_the_default_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, generation: tuple[int, int], dtype: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda place: generation)
    assert chosen_dtype(None, torch.device("cuda")) == dtype
    assert chosen_dtype("bfloat16", torch.device("cuda")) == "bfloat16"


def test_bfloat16_needs_a_cpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "has_bfloat16", lambda: True)
    assert chosen_dtype("bfloat16", CPU) == "bfloat16"
    monkeypatch.setattr(device, "has_bfloat16", lambda: False)
    with pytest.raises(EncoderError, match=r"no instructions for it.*use float32"):
        chosen_dtype("bfloat16", CPU)


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(EncoderError, match="float16 on a CPU"):
        chosen_dtype("float16", CPU)
    with pytest.raises(EncoderError, match="expected one of float32, bfloat16, float16"):
        chosen_dtype("int8", CPU)


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 avx512_vnni\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t\t: fpu avx2 avx512f\nbugs : avx512_bf16\n", False),
        ("", False),
    ],
)
def test_the_kernel_says_what_a_cpu_has(tmp_path: Path, text: str, has: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert has_bfloat16(tmp_path / "cpuinfo") is has


def test_a_system_that_does_not_say_has_none(tmp_path: Path) -> None:
    assert not has_bfloat16(tmp_path / "missing")


@pytest.mark.parametrize(
    ("dtype", "product"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_matrices_are_multiplied_in_the_dtype(dtype: str, product: torch.dtype) -> None:
    a = torch.ones(2, 2, requires_grad=True)
    with inference(CPU, dtype):
        found = a @ a
    assert found.dtype == product
    assert not found.requires_grad
    assert (a @ a).dtype == torch.float32
