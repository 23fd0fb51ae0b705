"""Pictures of good parts that references are built of: those of a folder, or those kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from inspection.capture.folder import SUFFIXES
from inspection.cli import output
from inspection.domain.line import Camera
from inspection.domain.recipe import GENERAL_PRODUCT
from inspection.domain.reference import ReferencePlace, ReferenceSource
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import lines, thresholds
from inspection.store.good_frames import last_good_frames
from inspection.store.pictures import PictureStore
from inspection.store.references import reference_name


@dataclass(frozen=True, kw_only=True)
class GoodParts:
    """Pictures that a reference is to be built of."""

    place: ReferencePlace
    source: ReferenceSource
    #: What reads each picture, by a name for people; errors are those of the reader.
    pictures: dict[str, Callable[[], bytes]]


def places(
    connection: Connection, line: str, *, station: str | None, product: str | None
) -> list[ReferencePlace]:
    """Return what references of a line may belong to, one for each of its stations.

    The product, unless given, is the one that the cameras of the station are set to if they agree
    on one, or what the line is making.

    Raises:
        NotFoundError: there is no such line or station.
    """
    making = lines.get_line(connection, line).product
    cameras = lines.list_cameras(connection, line=line)
    stations = sorted({camera.station for camera in cameras})
    if station is not None and station not in stations:
        raise NotFoundError(
            f"line {line!r} has no station {station!r}; it has: {', '.join(stations) or 'none'}"
        )
    return [
        ReferencePlace(
            line=line,
            station=one,
            product=product or _set_product(cameras, one) or making or GENERAL_PRODUCT,
        )
        for one in stations
        if station in (None, one)
    ]


def in_folder(folder: Path, found: Sequence[ReferencePlace]) -> GoodParts:
    """Return the pictures of a folder, for the one place there is.

    Raises:
        ConfigurationError: there are several places, no such folder, or no picture in it.
    """
    if len(found) > 1:
        known = ", ".join(place.station for place in found)
        raise ConfigurationError(
            f"--folder: say with --station which its pictures are of; the line has: {known}"
        )
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise ConfigurationError(f"--folder: cannot read {folder} ({error.strerror})") from error
    if not files:
        raise ConfigurationError(f"--folder: there is no picture in {folder}; name another one")
    pictures = {str(path): path.read_bytes for path in files}
    return GoodParts(place=found[0], source=ReferenceSource.FOLDER, pictures=pictures)


def in_history(
    connection: Connection, store: PictureStore, found: Sequence[ReferencePlace], count: int
) -> list[GoodParts]:
    """Return the kept pictures of the last `count` good frames of each place that has some.

    Good is what was found OK. Where the line has no threshold, nothing was judged, and pending
    frames count, and those uninspected for want of a reference.

    Raises:
        NotFoundError: no place has any.
    """
    parts = []
    for place in found:
        of_line = thresholds.list_thresholds(connection, line=place.line)
        is_judged = any(threshold.value is not None for threshold in of_line)
        frames = last_good_frames(connection, place, count, is_judged=is_judged)
        pictures: dict[str, Callable[[], bytes]] = {
            frame.identity.frame_id: partial(store.get, frame.picture) for frame in reversed(frames)
        }
        if pictures:
            good = GoodParts(place=place, source=ReferenceSource.HISTORY, pictures=pictures)
            parts.append(good)
    if not parts:
        named = "; ".join(reference_name(place) for place in found)
        raise NotFoundError(f"no picture of a good frame is kept of {named or 'the line'}")
    for place in found:
        if place not in [part.place for part in parts]:
            output.say(
                f"{reference_name(place)}: no picture of a good frame is kept, none is built"
            )
    return parts


def _set_product(cameras: Sequence[Camera], station: str) -> str | None:
    products = {camera.product for camera in cameras if camera.station == station}
    return products.pop() if len(products) == 1 else None
