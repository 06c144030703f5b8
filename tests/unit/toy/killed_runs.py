"""Trains again and again in child processes that are killed; prints what became of each.

Usage: killed_runs.py CONFIG=N..., where N says when the child that trains by this configuration is
killed: at its n-th fsync, for a negative number at that optimiser step, and for 0 not at all.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from lexmax.building import Silent
from lexmax.dev_measures import DevMeasures, DevSet
from lexmax.encoders.training import trainer as trainers
from lexmax.training import train


class Quiet(Silent):
    def say(self, text: str) -> None:
        said(text)


def said(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def counting(function: Callable[..., None], kill_at: int) -> Callable[..., None]:
    calls = 0

    def counted(*values: object) -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        function(*values)

    return counted


def run(config: Path, kill: int) -> None:
    trainers.draw_curves = lambda records, folder: []
    if kill > 0:
        os.fsync = counting(os.fsync, kill)
    elif kill < 0:
        trainers.Trainer._step = counting(trainers.Trainer._step, -kill)
    train(config, watcher=Quiet())


if __name__ == "__main__":
    # Once, and not in every child.
    DevMeasures(DevSet({"q": ""}, {"d": ""}, {"q": {"d": 1}}), ["nDCG@10", "RR@10"])
    importlib.import_module("toy_training")
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    for todo in sys.argv[1:]:
        config, _, kill = todo.rpartition("=")
        child = os.fork()
        if child == 0:
            try:
                run(Path(config), int(kill))
                os._exit(0)
            except BaseException as error:
                said(f"{type(error).__name__} {error}")
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        said(f"ended {os.waitstatus_to_exitcode(status)}")
