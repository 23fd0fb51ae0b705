"""`inspection train` and `inspection checkpoint`, as somebody at a terminal uses them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.conftest import REPOSITORY
from tests.datasets import render_dataset
from tests.integration.cli.console import Console
from tests.published import published_file
from tests.tiny import save_tiny

pytestmark = pytest.mark.timeout(240)

TRAINED = ("config.json", "adapters.safetensors", "card.md")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    return render_dataset("mvtec-ad", folder, categories=2, normal=8, anomalous=8, size_px=64)


@pytest.fixture
def options(detector: Path, parts: Path, tmp_path: Path) -> list[str]:
    """A training of some hundred steps."""
    return [
        *("train", "--data", f"mvtec-ad={parts}", "--device", "cpu", "--json"),
        *("--backbone", str(detector / "backbone"), "--text", str(detector / "text")),
        *("--image-size", "64", "--epochs", "12", "--batch", "4", "--patience", "0"),
        *("--cache", str(tmp_path / "features"), "--out", "trained"),
    ]


class Terminal:
    """A folder in which commands are run as processes of their own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.trained = folder / "trained"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            "INSPECTION_DATA_DIR": str(self.folder / "data"),
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[Any, str]:
        """Run to a good end; give what was printed, and what was said."""
        with self.start(*arguments) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        return json.loads(out), err

    def written(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.trained.iterdir()}


def test_training_killed_half_way_and_started_again_makes_the_same_checkpoint_bit_for_bit(
    options: list[str], tmp_path: Path
) -> None:
    whole, killed = Terminal(tmp_path / "whole"), Terminal(tmp_path / "killed")
    command = ["-m", "inspection", *options]
    whole.run(*command)

    with killed.start(*command) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 6:"):
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert (killed.trained / "training.pt").is_file()
    found, said = killed.run(*command)

    assert found["epochs"] == 12
    assert "epoch 6:" not in said  # it did not begin anew
    assert "epoch 12:" in said
    assert sorted(whole.written()) == sorted(TRAINED)
    assert killed.written() == whole.written()


def test_two_processes_train_together_and_write_one_checkpoint(
    options: list[str], tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path / "two")
    torchrun = [
        *("-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("--master-addr", "127.0.0.1", "--master-port", str(servers.free_port())),
    ]

    found, said = terminal.run(*torchrun, "-m", "inspection", *options, "--epochs", "2")

    assert found["epochs"] == 2
    assert sorted(terminal.written()) == sorted(TRAINED)
    assert said.count("epoch 2:") == 1


def test_trained_checkpoint_is_shown_and_verified_and_is_not_overwritten(
    torch_console: Console, options: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "made"
    options = [*options, "--out", str(out), "--epochs", "1", "--method", "ad-dinov3"]
    made = torch_console.run(*options).json

    shown = torch_console.data("checkpoint", "show", out)
    verified = torch_console.data("checkpoint", "verify", out)
    again = torch_console.run(*options)

    assert shown["method"] == "ad-dinov3"
    assert shown["content_hash"] == verified["content_hash"] == made["content_hash"]
    assert made["content_hash"] in shown["card"]
    (out / "training.pt").touch()
    unfinished = torch_console.run("checkpoint", "verify", out)
    assert unfinished.code == 1
    assert "has not ended" in unfinished.sentence
    assert again.code == 1
    assert again.sentence == f"{out} holds a finished checkpoint; write to another folder"


def test_head_as_published_is_trained_on_request(
    torch_console: Console, options: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "made"

    torch_console.run(*options, "--out", out, "--epochs", "1", "--published")

    shown = torch_console.data("checkpoint", "show", out)
    assert shown["head"]["text_stack"] == "interleave"
    assert "The head computes what the published code computes." in shown["card"]
    assert "rate 0.0001" in shown["card"]


def test_published_file_is_converted(
    torch_console: Console, detector: Path, tmp_path: Path
) -> None:
    file = published_file(tmp_path, "ava-dino")
    parts = ["--backbone", detector / "backbone", "--text", detector / "text"]

    made = torch_console.data("checkpoint", "convert", file, "--out", tmp_path / "out", *parts)

    verified = torch_console.data("checkpoint", "verify", tmp_path / "out")
    assert verified["content_hash"] == made["content_hash"]


def test_verify_names_a_checkpoint_whose_backbone_is_another(
    torch_console: Console, detector: Path, tmp_path: Path
) -> None:
    changed = save_tiny(tmp_path / "changed", seed=9)
    (changed / "backbone" / "model.safetensors").write_bytes(
        (detector / "backbone" / "model.safetensors").read_bytes()
    )

    ended = torch_console.run("checkpoint", "verify", changed)

    assert ended.code == 1
    assert "is not the one it was trained with" in ended.sentence


@pytest.mark.parametrize(
    ("mistaken", "sentence"),
    [
        (["--method", "magic"], "--method: 'magic' is unknown; choose ava-dino or ad-dinov3"),
        (["--categories", "spoon"], "--categories: there is no spoon; there are "),
        (["--head", "text_stack"], "--head: 'text_stack' is not KEY=VALUE"),
        (["--head", "text_stack=pile"], "text_stack is 'pile'; choose interleave or stack"),
        (["--head", "taps_count=3"], "taps_count cannot be chosen"),
        (["--head", "adapter_width=0"], "adapter_width is 0; give a number from 1 on"),
        (["--image-size", "100"], "the image size 100 is no multiple of 16"),
        (["--data", "mvtec-ad"], "--data: 'mvtec-ad' names no data set and folder"),
        (["--device", "cuda:7"], "the device 'cuda:7' cannot be used"),
    ],
)
def test_mistake_is_told_in_one_sentence(
    torch_console: Console,
    options: list[str],
    tmp_path: Path,
    mistaken: list[str],
    sentence: str,
) -> None:
    out = tmp_path / "made"

    ended = torch_console.run(*options, "--out", out, *mistaken)

    assert ended.code == 2
    assert ended.sentence.startswith(sentence)
    assert not (out / "config.json").exists()


def test_train_says_what_it_needs(console: Console) -> None:
    ended = console.run("train", "--epochs", "1")

    assert ended.code == 2
    assert ended.sentence == "inspection train needs --data NAME=PATH and --out FOLDER"


def test_train_pocket_refuses_a_folder_of_photographs_that_is_not_there(
    console: Console, tmp_path: Path
) -> None:
    ended = console.run(
        *("train", "pocket", "--out", tmp_path / "run", "--photographs", tmp_path / "none")
    )

    assert ended.code == 2
    assert "--photographs" in ended.err
    assert not (tmp_path / "run").exists()
