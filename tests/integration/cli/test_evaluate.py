"""`inspection evaluate`: figures of a checkpoint on labelled data."""

import json
from pathlib import Path

import pytest

from tests.datasets import render_dataset
from tests.integration.cli.console import Console, together
from tests.tiny import save_tiny

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def mvtec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_dataset("mvtec-ad", tmp_path_factory.mktemp("mvtec"))


def test_evaluate_prints_one_object_and_writes_pictures(
    torch_console: Console, tiny: Path, mvtec: Path, tmp_path: Path
) -> None:
    arguments = ["--data", f"mvtec-ad={mvtec}", "--checkpoint", tiny, "--device", "cpu"]

    found = torch_console.data("evaluate", *arguments, "--pictures", tmp_path / "seen")

    (evaluation,) = found["evaluations"]
    assert found["method"] == "ava-dino"
    assert len(found["checkpoint_hash"]) == 64
    assert evaluation["dataset"] == "mvtec-ad"
    assert evaluation["images"] == 12
    assert [each["category"] for each in evaluation["categories"]] == ["bottle", "metal_nut"]
    assert evaluation["mean"]["aupro_30"]["categories"] == 2
    assert len(list((tmp_path / "seen/mvtec-ad/bottle").glob("worst-normal-*.png"))) == 3


def test_evaluate_prints_a_table_for_people_and_takes_several_data_sets(
    torch_console: Console, tiny: Path, mvtec: Path
) -> None:
    data = ["--data", f"mvtec-ad={mvtec}", "--data", f"folder={mvtec}"]

    ended = torch_console.run("evaluate", *data, "--checkpoint", tiny, "--categories", "bottle")

    assert ended.code == 0, ended.err
    assert not ended.err
    assert "### mvtec-ad, test split: ava-dino" in ended.out
    assert "### folder, test split: ava-dino" in ended.out
    assert "| ava-dino, published |" in ended.out
    assert "| metal_nut |" not in ended.out


def test_evaluate_refuses_what_cannot_be_evaluated(
    torch_console: Console, tiny: Path, mvtec: Path, tmp_path: Path
) -> None:
    def ending(data: str, *further: object) -> tuple[Console, list[object]]:
        return torch_console, ["evaluate", "--data", data, "--checkpoint", tiny, *further]

    ended = together(
        [
            ending("mvtec-ad"),
            ending(f"mvtec={mvtec}"),
            ending(f"mvtec-ad={tmp_path}"),
            ending(f"mvtec-ad={mvtec}", "--categories", "nut"),
            ending(f"mvtec-ad={mvtec}", "--device", "toaster"),
            ending(f"mvtec-ad={mvtec}", "--checkpoint", tmp_path),
            ending(f"mvtec-ad={mvtec}", "--references", "1,few"),
            ending(f"mvtec-ad={mvtec}", "--references", ","),
        ]
    )

    assert [one.code for one in ended] == [2, 1, 1, 2, 2, 1, 2, 2]
    assert "names no data set and folder; write for example mvtec-ad=" in ended[0].sentence
    assert "There is no data set 'mvtec'" in ended[1].sentence
    assert "is not laid out as mvtec-ad" in ended[2].sentence
    assert ended[3].sentence == "--categories: there is no nut; there are bottle, metal_nut"
    assert "toaster" in ended[4].sentence
    assert "config.json is missing" in ended[5].sentence
    assert ended[6].sentence == "--references: 'few' is no number of parts and not `all`"
    assert "name numbers of parts" in ended[7].sentence


def test_evaluate_compares_references_and_baselines_on_any_folder_of_categories(
    torch_console: Console, tiny: Path, mvtec: Path
) -> None:
    arguments = ["evaluate", "--data", mvtec, "--checkpoint", tiny, "--references", "0,1,16,all"]

    printed, table = together(
        [(torch_console, [*arguments, "--json"]), (torch_console, [*arguments, "--table"])]
    )

    found = printed.json
    assert not printed.err
    assert len(found["checkpoint_hash"]) == 64
    assert [(row["category"], row["references"]) for row in found["rows"]] == [
        (category, count) for category in ("bottle", "metal_nut") for count in (0, 1, 16, "all")
    ]
    for row in (*found["rows"], *found["baselines"]):
        for name in ("image_auroc", "image_ap", "image_f1max", "pixel_auroc", "pixel_ap"):
            ends = row["interval"][name]
            assert 0 <= ends["low"] <= row[name] <= ends["high"] <= 1
        assert 0 <= row["aupro_30"] <= 1
    assert {row["same_as"] for row in found["rows"] if row["references"] == 16} == {"all"}
    assert {each["name"] for each in found["baselines"]} == {"darkness-edge", "patch-pca"}
    assert "| bottle | 16 (3) | " in table.out
    assert "| **mean** | all | " in table.out


def test_evaluate_draws_other_references_with_another_seed(
    torch_console: Console, tiny: Path, mvtec: Path
) -> None:
    arguments = ["evaluate", "--data", mvtec, "--checkpoint", tiny, "--references", "1", "--json"]

    ended = together([(torch_console, [*arguments, "--seed", seed]) for seed in (0, 1)])

    first, second = ([row["reference_hash"] for row in one.json["rows"]] for one in ended)
    assert first != second


def test_evaluate_of_a_checkpoint_without_adapters_asks_for_references(
    torch_console: Console, tiny: Path, mvtec: Path, tmp_path: Path
) -> None:
    made = ["--references-only", "--backbone", tiny / "backbone", "--size", "64"]
    torch_console.data("checkpoint", "create", *made, "--out", tmp_path / "bare")
    arguments = ["evaluate", "--data", mvtec, "--checkpoint", tmp_path / "bare"]

    asked, compared = together(
        [
            (torch_console, arguments),
            (torch_console, [*arguments, "--references", "0,2", "--json"]),
        ]
    )

    assert asked.code == 2
    assert "scores beside references only; say --references 1,4,16,all" in asked.sentence
    assert [row["image_auroc"] is None for row in compared.json["rows"]] == [True, False] * 2


def test_evaluate_goes_on_without_an_unreadable_file_unless_it_is_strict(
    torch_console: Console, tiny: Path, tmp_path: Path
) -> None:
    folder = render_dataset("mvtec-ad", tmp_path / "mvtec")
    lost = next((folder / "bottle/test/good").iterdir())
    lost.write_bytes(b"")
    arguments = ["evaluate", "--data", f"mvtec-ad={folder}", "--checkpoint", tiny]

    lenient, strict = together(
        [(torch_console, [*arguments, "--json"]), (torch_console, [*arguments, "--strict"])]
    )

    (evaluation,) = json.loads(lenient.out)["evaluations"]
    assert [each["path"] for each in evaluation["unreadable"]] == [str(lost)]
    assert evaluation["images"] == 11
    assert strict.code == 1
    assert str(lost) in strict.sentence
