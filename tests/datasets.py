"""Tiny data sets of rendered parts, in the true layout of each set that there is a loader for."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from inspection.capture.rendering import PRODUCTS, RenderedPart, defects_of, render_part

#: Some of each set's own classes.
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "mvtec-ad": ("bottle", "metal_nut", "pill", "wood"),
    "visa": ("candle", "chewinggum", "pcb3", "pipe_fryum"),
    "visa-1cls": ("candle", "chewinggum", "pcb3", "pipe_fryum"),
    "btad": ("01", "02", "03"),
    "mpdd": ("bracket_black", "connector", "metal_plate", "tubes"),
    "ksdd2": ("ksdd2",),
    "mvtec-ad-2": ("can", "fruit_jelly", "sheet_metal", "wallplugs"),
    "real-iad": ("audiojack", "pcb", "plastic_nut", "toothbrush"),
    "dagm": ("Class1", "Class2", "Class10"),
    "dtd-synthetic": ("Blotchy_099", "Woven_001", "Woven_127"),
    "clinicdb": ("clinicdb",),
    "colondb": ("colondb",),
    "kvasir": ("kvasir",),
    "isic": ("isic",),
    "tn3k": ("tn3k",),
    "br35h": ("br35h",),
    "brainmri": ("brainmri",),
    "headct": ("headct",),
    "folder": ("cap", "gear_wheel", "washer"),
}

#: A mask with fewer pixels shows too little of its defect.
_LEAST_DEFECT_PX = 12
#: First part numbers, apart from those of the good test images.
_DEFECTIVE, _TRAINING = 1000, 2000


@dataclass(frozen=True, kw_only=True)
class _Pictures:
    """Pictures of one data set, to be written into files."""

    categories: tuple[str, ...]
    normal: int
    anomalous: int
    size_px: int
    seed: int

    def good(self, category: str, number: int, file: Path) -> None:
        """Write the picture of a good part."""
        _save(self._part(category, number, is_defective=False).image, file)

    def defective(
        self, category: str, number: int, file: Path, mask: Path | None = None, level: int = 255
    ) -> None:
        """Write the picture of a defective part and its mask."""
        part = self._part(category, _DEFECTIVE + number, is_defective=True)
        _save(part.image, file)
        if mask is not None:
            _save((part.mask * level).astype(np.uint8), mask)

    def blank(self, file: Path) -> None:
        """Write the mask of a good part."""
        _save(np.zeros((self.size_px, self.size_px), np.uint8), file)

    def _part(self, category: str, number: int, *, is_defective: bool) -> RenderedPart:
        product = PRODUCTS[self.categories.index(category) % len(PRODUCTS)]
        return _part(product, 10_000 * self.seed + number, self.size_px, is_defective=is_defective)


def render_dataset(
    name: str,
    folder: Path,
    *,
    categories: int = 2,
    normal: int = 3,
    anomalous: int = 3,
    size_px: int = 64,
    seed: int = 0,
) -> Path:
    """Write a data set into a folder and return that folder.

    Every class gets `normal` good test images, as many good training images where the layout has
    those, and `anomalous` images with one defect each. Sets with one class or without good images
    get just that. `visa` is the raw layout; `visa-1cls`, which is opened as `visa`, the other.
    """
    pictures = _Pictures(
        categories=CATEGORIES[name][:categories],
        normal=normal,
        anomalous=anomalous,
        size_px=size_px,
        seed=seed,
    )
    _WRITERS[name](folder, pictures)
    return folder


@functools.lru_cache(maxsize=512)
def _part(product: str, seed: int, size_px: int, *, is_defective: bool) -> RenderedPart:
    if not is_defective:
        return render_part(product, seed=seed, size_px=size_px)
    defects = defects_of(product)
    for attempt in range(20):
        part = render_part(
            product,
            seed=seed + 100_000 * attempt,
            size_px=size_px,
            defect=defects[(seed + attempt) % len(defects)],
        )
        if part.mask.sum() >= _LEAST_DEFECT_PX:
            return part
    message = f"no defect of the {product} can be seen on {size_px} px"
    raise ValueError(message)


def _save(pixels: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # The quality is for JPEG; other formats pass it over.
    Image.fromarray(pixels).save(file, quality=95)


def _mvtec(folder: Path, pictures: _Pictures) -> None:
    """MVTec AD and MPDD: a folder for each kind of defect."""
    for category in pictures.categories:
        root = folder / category
        for number in range(pictures.normal):
            training = root / "train" / "good" / f"{number:03d}.png"
            pictures.good(category, _TRAINING + number, training)
            pictures.good(category, number, root / "test" / "good" / f"{number:03d}.png")
        for number in range(pictures.anomalous):
            kind = ("scratch", "hole")[number % 2]
            pictures.defective(
                category,
                number,
                root / "test" / kind / f"{number:03d}.png",
                root / "ground_truth" / kind / f"{number:03d}_mask.png",
            )


def _mvtec_like(
    folder: Path,
    pictures: _Pictures,
    *,
    test: str = "test",
    masks: str = "ground_truth",
    good: str = "good",
    bad: str = "bad",
    ending: str = "_mask",
    suffixes: tuple[tuple[str, str], ...] = ((".png", ".png"),),
) -> None:
    """Sets with one kind of defect and files of other types, of which classes take turns."""
    for index, category in enumerate(pictures.categories):
        root, (image, mask) = folder / category, suffixes[index % len(suffixes)]
        for number in range(pictures.normal):
            training = root / "train" / good / f"{number:04d}{image}"
            pictures.good(category, _TRAINING + number, training)
            pictures.good(category, number, root / test / good / f"{number:04d}{image}")
        for number in range(pictures.anomalous):
            pictures.defective(
                category,
                number,
                root / test / bad / f"{number:04d}{image}",
                root / masks / bad / f"{number:04d}{ending}{mask}",
            )


def _mvtec_ad_2(folder: Path, pictures: _Pictures) -> None:
    _mvtec_like(folder, pictures, test="test_public", masks="test_public/ground_truth")
    for category in pictures.categories:
        for private in ("test_private", "test_private_mixed"):
            pictures.good(category, 0, folder / category / private / "000_mixed.png")
        pictures.good(category, 0, folder / category / "validation" / "good" / "000.png")


def _visa(folder: Path, pictures: _Pictures) -> None:
    lines = ["object,split,label,image,mask"]
    for category in pictures.categories:
        images = f"{category}/Data/Images"
        for number in range(pictures.normal):
            for first, split in ((0, "test"), (_TRAINING, "train")):
                name = f"{images}/Normal/{first + number:04d}.JPG"
                pictures.good(category, first + number, folder / name)
                lines.append(f"{category},{split},normal,{name},")
        for number in range(pictures.anomalous):
            name = f"{images}/Anomaly/{number:03d}.JPG"
            mask = f"{category}/Data/Masks/Anomaly/{number:03d}.png"
            kind_number = 1 + number
            pictures.defective(category, number, folder / name, folder / mask, kind_number)
            lines.append(f"{category},test,anomaly,{name},{mask}")
        (folder / category / "image_anno.csv").write_text("image,label,mask\n")
    (folder / "split_csv").mkdir()
    (folder / "split_csv" / "1cls.csv").write_text("\n".join(lines) + "\n")


def _visa_1cls(folder: Path, pictures: _Pictures) -> None:
    _mvtec_like(folder / "1cls", pictures, ending="", suffixes=((".JPG", ".png"),))


def _ksdd2(folder: Path, pictures: _Pictures) -> None:
    (category,) = pictures.categories
    for split, first, good, defective in (
        ("train", _TRAINING, pictures.normal, 1),
        ("test", 0, pictures.normal, pictures.anomalous),
    ):
        for number in range(good):
            stem = f"{20_000 + first + number}"
            pictures.good(category, first + number, folder / split / f"{stem}.png")
            pictures.blank(folder / split / f"{stem}_GT.png")
        for number in range(good, good + defective):
            image = folder / split / f"{20_000 + first + number}.png"
            mask = image.with_stem(f"{image.stem}_GT")
            pictures.defective(category, first + number - good, image, mask)


def _real_iad(folder: Path, pictures: _Pictures) -> None:
    lists = folder / "realiad_jsons" / "realiad_jsons"
    lists.mkdir(parents=True)
    for category in pictures.categories:
        root = folder / "realiad_1024" / category
        content: dict[str, list[dict[str, str | None]]] = {"train": [], "test": []}
        for number in range(pictures.normal):
            for first, split in ((0, "test"), (_TRAINING, "train")):
                part = first + number
                name = f"OK/S{part:04d}/{category}_{part:04d}_OK_C1_20231018153224.jpg"
                pictures.good(category, part, root / name)
                content[split].append(_line(category, "OK", name, None))
        for number in range(pictures.anomalous):
            kind = ("AK", "HS")[number % 2]
            stem = f"NG/{kind}/S{number:04d}/{category}_{number:04d}_NG_{kind}_C1_20231018153224"
            name, mask = f"{stem}.jpg", f"{stem}_mask.png"
            pictures.defective(category, number, root / name, root / mask)
            content["test"].append(_line(category, kind, name, mask))
        meta = {"normal_class": "OK", "prefix": f"{category}/"}
        (lists / f"{category}.json").write_text(json.dumps({"meta": meta, **content}))


def _line(category: str, kind: str, image: str, mask: str | None) -> dict[str, str | None]:
    return {"category": category, "anomaly_class": kind, "image_path": image, "mask_path": mask}


def _dagm(folder: Path, pictures: _Pictures) -> None:
    for category in pictures.categories:
        for split, first, defective in (
            ("Train", _TRAINING, 1),
            ("Test", 0, pictures.anomalous),
        ):
            root = folder / category / split
            for number in range(pictures.normal):
                pictures.good(category, first + number, root / f"{number:04d}.PNG")
            for number in range(pictures.normal, pictures.normal + defective):
                pictures.defective(
                    category,
                    first + number,
                    root / f"{number:04d}.PNG",
                    root / "Label" / f"{number:04d}_label.PNG",
                )
            (root / "Label" / "Labels.txt").write_text("1\n")


def _lesions(
    folder: Path, pictures: _Pictures, *, images: str, masks: str, suffixes: tuple[str, str]
) -> None:
    """Sets of which every image has a mask; `{}` in a name is the image's number."""
    (category,) = pictures.categories
    for number in range(pictures.anomalous):
        stem = f"{number:07d}"
        image = folder / f"{images.format(stem)}{suffixes[0]}"
        pictures.defective(category, number, image, folder / f"{masks.format(stem)}{suffixes[1]}")


def _answers(folder: Path, pictures: _Pictures) -> None:
    (category,) = pictures.categories
    for number in range(pictures.normal):
        pictures.good(category, number, folder / "no" / f"no{number}.jpg")
    for number in range(pictures.anomalous):
        pictures.defective(category, number, folder / "yes" / f"y{number}.jpg")


def _headct(folder: Path, pictures: _Pictures) -> None:
    (category,) = pictures.categories
    lines = ["id, hemorrhage"]
    for number in range(pictures.anomalous + pictures.normal):
        file = folder / "head_ct" / "head_ct" / f"{number:03d}.png"
        if number < pictures.anomalous:
            pictures.defective(category, number, file)
        else:
            pictures.good(category, number, file)
        lines.append(f"{number},{int(number < pictures.anomalous)}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


_POLYPS = functools.partial(_lesions, images="images/{}", masks="masks/{}")
_ISIC = "ISBI2016_ISIC_Part1_Test"
_BTAD_SUFFIXES = ((".bmp", ".png"), (".png", ".png"), (".bmp", ".bmp"))

_WRITERS: Mapping[str, Callable[[Path, _Pictures], None]] = {
    "mvtec-ad": _mvtec,
    "visa": _visa,
    "visa-1cls": _visa_1cls,
    "btad": functools.partial(_mvtec_like, good="ok", bad="ko", ending="", suffixes=_BTAD_SUFFIXES),
    "mpdd": _mvtec,
    "ksdd2": _ksdd2,
    "mvtec-ad-2": _mvtec_ad_2,
    "real-iad": _real_iad,
    "dagm": _dagm,
    "dtd-synthetic": _mvtec_like,
    "clinicdb": functools.partial(_POLYPS, suffixes=(".png", ".png")),
    "colondb": functools.partial(_POLYPS, suffixes=(".png", ".png")),
    "kvasir": functools.partial(_POLYPS, suffixes=(".jpg", ".jpg")),
    "isic": functools.partial(
        _lesions,
        images=_ISIC + "_Data/ISIC_{}",
        masks=_ISIC + "_GroundTruth/ISIC_{}_Segmentation",
        suffixes=(".jpg", ".png"),
    ),
    "tn3k": functools.partial(
        _lesions, images="test-image/{}", masks="test-mask/{}", suffixes=(".jpg", ".jpg")
    ),
    "br35h": _answers,
    "brainmri": _answers,
    "headct": _headct,
    "folder": _mvtec,
}
