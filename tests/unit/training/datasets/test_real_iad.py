import json
import shutil
from pathlib import Path

import pytest

from inspection.errors import DatasetError
from inspection.training.datasets import open_dataset
from tests.datasets import render_dataset


def list_of(folder: Path, category: str) -> Path:
    return folder / "realiad_jsons" / "realiad_jsons" / f"{category}.json"


def test_the_folder_of_a_resolution_may_be_named(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)

    dataset = open_dataset("real-iad", folder / "realiad_1024")

    assert dataset.samples == open_dataset("real-iad", folder).samples


def test_lists_may_lie_one_folder_higher(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)
    before = open_dataset("real-iad", folder)
    for file in (folder / "realiad_jsons" / "realiad_jsons").iterdir():
        file.rename(folder / "realiad_jsons" / file.name)

    assert open_dataset("real-iad", folder) == before


def test_the_largest_resolution_is_read_and_the_others_are_remarked_on(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)
    shutil.copytree(folder / "realiad_1024", folder / "realiad_512")

    dataset = open_dataset("real-iad", folder)

    assert {sample.image.relative_to(folder).parts[0] for sample in dataset.samples} == {
        "realiad_1024"
    }
    assert "realiad_1024 is read; realiad_512 is there as well." in dataset.remarks


def test_the_list_says_what_an_image_in_a_folder_of_defects_is(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path, categories=1, normal=1, anomalous=1)
    file = list_of(folder, "audiojack")
    content = json.loads(file.read_text())
    content["test"][1] |= {"anomaly_class": "OK", "mask_path": None}
    file.write_text(json.dumps(content))

    dataset = open_dataset("real-iad", folder)

    assert [sample.kind for sample in dataset.samples] == ["good", "good"]


def test_paths_of_a_list_may_begin_with_the_product(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)
    before = open_dataset("real-iad", folder)
    for category in before.categories:
        file = list_of(folder, category)
        content = json.loads(file.read_text())
        for line in content["test"]:
            line["image_path"] = f"{category}/{line['image_path']}"
            line["mask_path"] = line["mask_path"] and f"{category}/{line['mask_path']}"
        file.write_text(json.dumps(content))

    assert open_dataset("real-iad", folder) == before


def test_products_that_were_not_downloaded_are_remarked_on(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)
    shutil.rmtree(folder / "realiad_1024" / "pcb")

    dataset = open_dataset("real-iad", folder)

    assert dataset.categories == ("audiojack",)
    assert dataset.remarks == ("Products with a list and without images: 1, the first is pcb.",)


def test_images_of_a_list_that_are_not_there_are_counted(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)
    gone = open_dataset("real-iad", folder).samples[0].image
    gone.unlink()

    dataset = open_dataset("real-iad", folder)

    remark = f"Images of audiojack that are in its list and not there: 1, the first is {gone}."
    assert remark in dataset.remarks


def test_lists_without_any_folder_of_images_are_refused(tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)
    shutil.rmtree(folder / "realiad_1024")

    with pytest.raises(DatasetError, match="has no folder of any product that has a list"):
        open_dataset("real-iad", folder)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"test": [{}]}', '{"test": 3}', '{"meta": 1}']
)
def test_a_list_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    folder = render_dataset("real-iad", tmp_path)
    list_of(folder, "pcb").write_text(content)

    with pytest.raises(DatasetError, match=r"pcb\.json is not a list"):
        open_dataset("real-iad", folder)
