import math

import pytest
import torch

from lexmax.encoders.training.machine import Machine
from lexmax.encoders.training.schedule import Fall, share_of_lr
from lexmax.encoders.training.teacher import scaled
from lexmax.errors import TrainingError


@pytest.mark.parametrize(
    ("fall", "expected"),
    [
        ("linear", [1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25]),
        ("constant", [1 / 3, 2 / 3, 1.0, 1.0, 1.0, 1.0]),
        ("cosine", [1 / 3, 2 / 3, 1.0, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4]),
    ],
)
def test_the_learning_rate_rises_and_falls(fall: Fall, expected: list[float]) -> None:
    shares = [share_of_lr(step, warm_up=2, steps=6, fall=fall) for step in range(6)]
    assert shares == pytest.approx(expected)


def test_a_warm_up_may_be_the_whole_run() -> None:
    shares = [share_of_lr(step, warm_up=9, steps=3, fall="linear") for step in range(3)]
    assert shares == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("none", [2.0, 4.0, 8.0]),
        ("min-max", [0.0, 1 / 3, 1.0]),
        ("z-score", [-1.0690, -0.2673, 1.3363]),
    ],
)
def test_teachers_on_a_scale(how: str, expected: list[float]) -> None:
    known = [2.0, 4.0, 8.0]
    assert [scaled(score, known, how) for score in known] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("how", ["min-max", "z-score"])
def test_flat_teachers_say_nothing(how: str) -> None:
    assert [scaled(score, [3.0, 3.0], how) for score in (3.0, 3.0)] == [0.0, 0.0]


@pytest.mark.parametrize("how", ["none", "min-max", "z-score"])
def test_unknown_scores_stay_unknown(how: str) -> None:
    assert math.isnan(scaled(math.nan, [1.0, math.nan, 2.0], how))
    assert math.isnan(scaled(math.nan, [math.nan], how))


def test_a_cpu_computes_in_full_precision() -> None:
    machine = Machine.chosen("cpu", "auto")
    assert (machine.device.type, machine.dtype, machine.needs_scaling) == (
        "cpu",
        torch.float32,
        False,
    )
    with machine.computing():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    for precision in ("bf16", "fp16"):
        with pytest.raises(
            TrainingError, match=f"precision is {precision}, and the device is a CPU"
        ):
            Machine.chosen("cpu", precision)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "tpu:0"])
def test_devices_that_are_not_there(device: str) -> None:
    with pytest.raises(TrainingError, match="cannot be used here"):
        Machine.chosen(device, "auto")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_computes_in_half_precision() -> None:
    machine = Machine.chosen("auto", "auto")
    assert machine.dtype in (torch.bfloat16, torch.float16)
    with machine.computing():
        ones = torch.ones(2, 2, device=machine.device)
        assert (ones @ ones).dtype == machine.dtype
