import os
import random
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from inspection.errors import DatasetError
from inspection.training.datasets import DATASETS, Sample, open_dataset, read_image, read_mask
from tests.datasets import CATEGORIES, render_dataset

LAYOUTS = tuple(CATEGORIES)
#: Sets of which every image is defective, and sets that say nothing of pixels.
LESIONS = ("clinicdb", "colondb", "isic", "kvasir", "tn3k")
SCANS = ("br35h", "brainmri", "headct")
#: Sets that can be asked for good images besides those of the test split.
WITH_TRAINING = tuple(name for name in LAYOUTS if name not in (*LESIONS, *SCANS))

#: Good and defective images of a class, different from each other and from the defaults.
NORMAL, ANOMALOUS = 2, 4


def named(layout: str) -> str:
    return layout.removesuffix("-1cls")


def labels(samples: tuple[Sample, ...]) -> Counter[tuple[str, bool]]:
    return Counter((sample.category, sample.is_anomalous) for sample in samples)


def test_known_sets_all_have_a_rendered_layout() -> None:
    assert {named(layout) for layout in LAYOUTS} == set(DATASETS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_test_split_has_every_labelled_image_of_every_class(layout: str, tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path, normal=NORMAL, anomalous=ANOMALOUS)

    dataset = open_dataset(named(layout), folder)

    good = 0 if layout in LESIONS else NORMAL
    categories = CATEGORIES[layout][:2]
    assert dataset.name == named(layout)
    assert dataset.categories == categories
    assert labels(dataset.samples) == Counter(
        {(each, False): good for each in categories}
        | {(each, True): ANOMALOUS for each in categories}
    )
    assert all((sample.kind == "good") != sample.is_anomalous for sample in dataset.samples)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_defective_image_has_its_own_mask_where_the_set_has_masks(
    layout: str, tmp_path: Path
) -> None:
    folder = render_dataset(layout, tmp_path)

    dataset = open_dataset(named(layout), folder)

    masks = [sample.mask for sample in dataset.samples if sample.is_anomalous]
    assert dataset.has_masks == (layout not in SCANS)
    if dataset.has_masks:
        assert None not in masks
        assert len(set(masks)) == len(masks)
    else:
        assert set(masks) == {None}
    assert all(sample.mask is None for sample in dataset.samples if not sample.is_anomalous)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in SCANS])
def test_masks_show_the_defect_of_their_image(layout: str, tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path, categories=1, normal=1, anomalous=2)

    dataset = open_dataset(named(layout), folder)

    for sample in dataset.samples:
        share = read_mask(sample, None).mean()
        assert read_mask(sample, None).shape == read_image(sample).shape[:2]
        assert 0.002 < share < 0.5 if sample.is_anomalous else share == 0


@pytest.mark.parametrize("layout", WITH_TRAINING)
def test_train_split_has_good_images_only(layout: str, tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path, normal=NORMAL, anomalous=ANOMALOUS)

    trained = open_dataset(named(layout), folder, split="train")

    tested = open_dataset(named(layout), folder)
    assert trained.split == "train"
    assert labels(trained.samples) == Counter(
        {(each, False): NORMAL for each in CATEGORIES[layout][:2]}
    )
    assert not {each.image for each in trained.samples} & {each.image for each in tested.samples}


@pytest.mark.parametrize("layout", [*LESIONS, *SCANS])
def test_train_split_is_refused_where_the_set_has_none(layout: str, tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path)

    with pytest.raises(DatasetError, match=layout):
        open_dataset(layout, folder, split="train")


@pytest.mark.parametrize(
    ("layout", "products"),
    [
        ("mvtec-ad", {"bottle", "metal nut", "pill", "wood"}),
        ("visa", {"candle", "chewing gum", "printed circuit board", "pipe fryum"}),
        ("visa-1cls", {"candle", "chewing gum", "printed circuit board", "pipe fryum"}),
        ("btad", {"industrial product"}),
        ("mpdd", {"black bracket", "connector", "metal plate", "tubes"}),
        ("ksdd2", {"metal surface"}),
        ("mvtec-ad-2", {"can", "fruit jelly", "sheet metal", "wall plugs"}),
        ("real-iad", {"audio jack", "printed circuit board", "plastic nut", "toothbrush"}),
        ("dagm", {"textured surface"}),
        ("dtd-synthetic", {"blotchy texture", "woven texture"}),
        ("clinicdb", {"colon"}),
        ("colondb", {"colon"}),
        ("kvasir", {"colon"}),
        ("isic", {"skin"}),
        ("tn3k", {"thyroid"}),
        ("br35h", {"brain"}),
        ("brainmri", {"brain"}),
        ("headct", {"head"}),
        ("folder", {"cap", "gear wheel", "washer"}),
    ],
)
def test_products_are_plain_words(layout: str, products: set[str], tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path / "Data", categories=4, normal=1, anomalous=1)

    dataset = open_dataset(named(layout), folder)

    assert {sample.product for sample in dataset.samples} == products


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_nothing_known_is_refused_with_what_was_expected_and_found(
    layout: str, tmp_path: Path
) -> None:
    for name in ("photos", "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").touch()

    with pytest.raises(DatasetError) as refused:
        open_dataset(named(layout), tmp_path)

    said = str(refused.value)
    assert said.startswith(f"{tmp_path} is not laid out as {named(layout)}: expected ")
    assert said.endswith("found notes/, photos/.")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_another_set_is_refused(layout: str, tmp_path: Path) -> None:
    other = "br35h" if layout in ("clinicdb", "colondb", "kvasir") else "kvasir"
    folder = render_dataset(other, tmp_path)

    with pytest.raises(DatasetError, match="is not laid out as"):
        open_dataset(named(layout), folder)


@pytest.mark.parametrize(
    ("name", "found"),
    [("gone", "no such folder"), ("empty", "an empty folder"), ("file", "a file")],
)
def test_what_is_no_folder_of_files_is_called_so(name: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(DatasetError, match=rf"found {found}\.$"):
        open_dataset("visa", tmp_path / name)


def test_a_long_folder_is_quoted_with_its_first_entries_only(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"photo{number:02d}.txt").touch()

    with pytest.raises(DatasetError, match=r"found photo00.txt, .*photo04.txt and 7 more\.$"):
        open_dataset("mvtec-ad", tmp_path)


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no data set 'mvtec-xl'.*mvtec-ad, visa.*folder"):
        open_dataset("mvtec-xl", tmp_path)


@pytest.mark.parametrize("name", ["MVTec AD", "mvtec_ad", "MVTEC-AD", "mvtecad"])
def test_names_do_not_depend_on_case_and_separators(name: str, tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)

    assert open_dataset(name, folder).name == "mvtec-ad"


@pytest.mark.parametrize(
    ("layout", "pattern"),
    [
        ("mvtec-ad", "metal_nut/test/*/*"),
        ("visa", "chewinggum/Data/Images/*/*"),
        ("dagm", "Class2/Test/*.PNG"),
        ("real-iad", "realiad_1024/pcb/*/*/*.jpg"),
        ("real-iad", "realiad_1024/pcb/*/*/*/*.jpg"),
        ("ksdd2", "test/*"),
        ("kvasir", "images/*"),
        ("headct", "head_ct/head_ct/*"),
    ],
)
def test_a_class_without_any_image_is_refused(layout: str, pattern: str, tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path)
    if layout == "real-iad":
        shutil.rmtree(folder / "realiad_1024" / "pcb")
        (folder / "realiad_1024" / "pcb").mkdir()
    else:
        for file in folder.glob(pattern):
            file.unlink()

    with pytest.raises(DatasetError, match=r"There are no images of .* in the test split of"):
        open_dataset(layout, folder)


@pytest.mark.parametrize("layout", ["mvtec-ad", "visa", "dagm", "real-iad", "mvtec-ad-2"])
def test_a_class_without_good_images_is_remarked_on(layout: str, tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path)
    category = CATEGORIES[layout][1]
    for sample in open_dataset(layout, folder).samples:
        if sample.category == category and not sample.is_anomalous:
            sample.image.unlink()

    dataset = open_dataset(layout, folder)

    assert f"No good images of {category}: image AUROC is undefined." in dataset.remarks


def test_a_class_without_defective_images_is_remarked_on(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    for kind in ("hole", "scratch"):
        shutil.rmtree(folder / "bottle" / "test" / kind)

    dataset = open_dataset("mvtec-ad", folder)

    assert "No anomalous images of bottle: no figure is defined." in dataset.remarks


@pytest.mark.parametrize("layout", ["mvtec-ad", "btad", "visa", "real-iad", "kvasir"])
def test_a_defective_image_without_mask_is_kept_and_remarked_on(
    layout: str, tmp_path: Path
) -> None:
    folder = render_dataset(layout, tmp_path)
    before = [each for each in open_dataset(layout, folder).samples if each.is_anomalous]
    assert before[0].mask is not None
    before[0].mask.unlink()

    dataset = open_dataset(layout, folder)

    after = [each for each in dataset.samples if each.is_anomalous]
    assert [each.image for each in after] == [each.image for each in before]
    assert after[0].mask is None
    what = "Anomalous images without a mask, and so without figures of pixels"
    remark = f"{what}: 1, the first is {after[0].image}."
    assert remark in dataset.remarks


@pytest.mark.parametrize("layout", ["mvtec-ad", "btad", "visa", "ksdd2", "dagm", "isic"])
def test_a_mask_without_image_is_remarked_on(layout: str, tmp_path: Path) -> None:
    folder = render_dataset(layout, tmp_path)
    first = next(each for each in open_dataset(layout, folder).samples if each.is_anomalous)
    first.image.unlink()

    dataset = open_dataset(layout, folder)

    assert any(
        re.search(rf"^Masks .*without an image: 1, .* {first.mask}", each)
        for each in dataset.remarks
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_samples_do_not_depend_on_the_order_of_the_folder(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = render_dataset(layout, tmp_path, categories=3)
    before = open_dataset(named(layout), folder)
    scan, shuffled = os.scandir, random.Random(1)

    class Scan:
        def __init__(self, path: str) -> None:
            with scan(path) as entries:
                self.entries = list(entries)
            shuffled.shuffle(self.entries)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_details: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Scan)

    assert open_dataset(named(layout), folder) == before


def test_samples_are_sorted_by_class_kind_and_name(tmp_path: Path) -> None:
    folder = render_dataset("dagm", tmp_path, categories=3, normal=2, anomalous=1)

    samples = open_dataset("dagm", folder).samples

    assert [(each.category, each.kind, each.image.name) for each in samples] == [
        (category, kind, name)
        for category in ("Class1", "Class2", "Class10")
        for kind, name in (("good", "0000.PNG"), ("good", "0001.PNG"), ("defect", "0002.PNG"))
    ]


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    before = open_dataset("mvtec-ad", folder)
    for name in ("._000.png", ".DS_Store"):
        (folder / "bottle" / "test" / "good" / name).write_bytes(b"x")
    (folder / "bottle" / "test" / "good" / "Thumbs.db").write_bytes(b"x")

    assert open_dataset("mvtec-ad", folder) == before


def test_listing_opens_no_image(tmp_path: Path) -> None:
    folder = render_dataset("mvtec-ad", tmp_path)
    before = open_dataset("mvtec-ad", folder)
    for file in folder.rglob("*.png"):
        file.write_bytes(b"")

    assert open_dataset("mvtec-ad", folder) == before


@pytest.mark.parametrize("name", ["ksdd2", "dagm", "clinicdb", "isic", "tn3k", "br35h", "headct"])
def test_sets_are_read_too_when_they_were_brought_into_the_layout_of_mvtec_ad(
    name: str, tmp_path: Path
) -> None:
    folder = render_dataset("btad", tmp_path)

    dataset = open_dataset(name, folder)

    assert dataset.categories == ("01", "02")
    assert {sample.product for sample in dataset.samples}.isdisjoint({"object", "01", "02"})


def test_the_folder_of_photographs_has_the_counts_of_its_readme(real_mini: Path) -> None:
    table = re.findall(
        r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \|",
        (real_mini / "README.md").read_text(),
        re.MULTILINE,
    )
    expected = {name: tuple(map(int, counts)) for name, *counts in table}

    tested = open_dataset("folder", real_mini)
    trained = open_dataset("folder", real_mini, split="train")

    good, bad = labels(trained.samples), labels(tested.samples)
    assert tested.categories == tuple(sorted(expected))
    assert len(expected) == 6
    assert expected == {
        name: (good[name, False], bad[name, False], bad[name, True]) for name in expected
    }
    assert not tested.remarks
    assert all(sample.mask for sample in tested.samples if sample.is_anomalous)
