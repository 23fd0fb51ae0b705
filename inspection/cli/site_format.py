"""What may stand in a configuration file: every key with its type, range and default."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from inspection.cli.channel_format import ChannelBlock
from inspection.cli.shift_format import CalendarBlock, ShiftBlock
from inspection.domain.alert import AlertKind
from inspection.domain.line import Encoding, OverflowPolicy, PicturePolicy, Source
from inspection.domain.recipe import Recipe, checked_defects
from inspection.domain.rule import Rule, check_names, rule_of, with_defaults
from inspection.errors import ConfigurationError

#: What people call a product; databases and encoders take no control characters.
ProductName = Annotated[str, Field(pattern=r"^ *[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")]

#: Keys whose values may hold passwords; complaints do not repeat them.
_PRIVATE = ("rtsp", "url", "secret", "password")


class Block(BaseModel):
    """Keys that stand together; any other is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FolderBlock(Block):
    """A camera that is a folder of pictures."""

    path: Path
    recursive: bool = False
    watch: bool = False
    name_pattern: str | None = None


class SimulatedBlock(Block):
    """A camera that renders what it shows."""

    product: str
    seed: int = Field(default=0, ge=0, le=2**53)
    defect_rate: float = Field(default=0.05, ge=0, le=1)
    good_parts: int = Field(default=0, ge=0)
    size_px: int = Field(default=384, ge=64, le=2048)


class PushBlock(Block):
    """A camera whose frames others send to the interface."""


class CameraBlock(Block):
    """A camera and its one source."""

    name: str
    folder: FolderBlock | None = None
    video: Path | None = None
    rtsp: str | None = Field(default=None, pattern=r"^rtsps?://.+")
    usb: int | None = Field(default=None, ge=0, le=255)
    simulated: SimulatedBlock | None = None
    push: PushBlock | None = None
    product: ProductName | None = None
    encoding: Encoding = Encoding.JPEG
    quality: int = Field(default=95, ge=1, le=100)
    rate_hz: float | None = Field(default=None, gt=0, le=1000)
    frames: int | None = Field(default=None, ge=1, le=2**53)
    overflow: OverflowPolicy | None = None
    backlog_limit: int = Field(default=256, ge=1, le=100_000)

    @field_validator("folder", mode="before")
    @classmethod
    def _path_alone(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("rtsp")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        try:
            _ = urlsplit(value or "").port
        except ValueError as error:
            raise ValueError("this is no address; take rtsp://host:554/path") from error
        return value

    @model_validator(mode="after")
    def _has_one_source(self) -> "CameraBlock":
        sources = (self.folder, self.video, self.rtsp, self.usb, self.simulated, self.push)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of folder, video, rtsp, usb, simulated, push")
        return self

    def source(self, root: Path) -> Source:
        """Return where its exposures come from; relative paths start at `root`."""
        if self.simulated is not None:
            return Source(
                kind="simulated",
                product=self.simulated.product,
                seed=self.simulated.seed,
                defect_rate=self.simulated.defect_rate,
                good_parts_count=self.simulated.good_parts,
                size_px=self.simulated.size_px,
            )
        if self.folder is not None:
            return Source(
                kind="folder",
                path=_absolute(root, self.folder.path),
                is_recursive=self.folder.recursive,
                is_watched=self.folder.watch,
                name_pattern=self.folder.name_pattern,
            )
        if self.video is not None:
            return Source(kind="video", path=_absolute(root, self.video))
        if self.rtsp is not None:
            return Source(kind="rtsp", url=self.rtsp)
        if self.push is not None:
            return Source(kind="push")
        return Source(kind="usb", device=self.usb)


class StationBlock(Block):
    """One place on the line, with its cameras."""

    name: str
    cameras: list[CameraBlock] = Field(min_length=1)


class RuleBlock(Block):
    """When NG parts open an alert, in short."""

    k: int = 1
    n: int = Field(default=1, le=100_000)
    group_s: float = Field(default=60, le=31_536_000)

    @model_validator(mode="after")
    def _can_hold(self) -> "RuleBlock":
        _checked(self.rule)
        return self

    def rule(self) -> Rule:
        """Return what it says."""
        return rule_of(AlertKind.NG, {"k": self.k, "n": self.n, "off_delay_s": self.group_s})


class ListedRuleBlock(Block):
    """A rule of any kind; what is left out has the default of its kind."""

    kind: AlertKind
    name: str | None = None
    enabled: bool = True
    k: int = 1
    n: int = Field(default=1, le=100_000)
    window_s: float = Field(default=0, le=31_536_000)
    expected_rate: float = 0
    confidence: float = 0
    least_count: int = 1
    blocks: int = 1
    limit_s: float = 0
    on_delay_s: float = Field(default=0, le=31_536_000)
    off_delay_s: float = Field(default=0, le=31_536_000)
    repeat_s: float | None = None
    escalate_after_s: float | None = None

    @model_validator(mode="after")
    def _can_hold(self) -> "ListedRuleBlock":
        _checked(self.rule)
        return self

    def rule(self) -> Rule:
        """Return what it says."""
        settings = {
            key: getattr(self, key)
            for key in type(self).model_fields
            if key in self.model_fields_set - {"kind", "name", "enabled"}
        }
        return rule_of(self.kind, settings, name=self.name, is_enabled=self.enabled)


class RecipeBlock(Block):
    """What may be wrong with a product."""

    product: ProductName
    defects: list[str] = Field(min_length=1)

    @field_validator("defects")
    @classmethod
    def _can_be_told(cls, value: list[str]) -> list[str]:
        try:
            return list(checked_defects(value))
        except ConfigurationError as error:
            raise ValueError(str(error)) from error

    def recipe(self) -> Recipe:
        """Return what it says."""
        return Recipe(product=self.product, defects=tuple(self.defects))


class LineBlock(Block):
    """A line and what stands at it."""

    name: str
    product: ProductName | None = None
    rule: RuleBlock | None = None
    rules: list[ListedRuleBlock] = Field(default_factory=list)
    pictures: PicturePolicy = PicturePolicy.NG_AND_SAMPLE
    sample_rate: float = Field(default=0.05, ge=0, le=1)
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    learn: int = Field(default=0, ge=0, le=1_000)
    recipes: list[RecipeBlock] = Field(default_factory=list)
    stations: list[StationBlock] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_rules_with_names(self) -> "LineBlock":
        if self.rule is not None and any(listed.kind is AlertKind.NG for listed in self.rules):
            raise ValueError("`rule` is a rule of kind ng in short; give it there or in `rules`")
        _checked(lambda: check_names(self.all_rules()))
        return self

    def all_rules(self) -> tuple[Rule, ...]:
        """Return its rules: the defaults, except where it lists others of the kind."""
        short = [] if self.rule is None else [self.rule.rule()]
        return with_defaults(*short, *(listed.rule() for listed in self.rules))

    @field_validator("recipes")
    @classmethod
    def _has_one_of_each(cls, value: list[RecipeBlock]) -> list[RecipeBlock]:
        for product, count in Counter(recipe.product for recipe in value).items():
            if count > 1:
                raise ValueError(
                    f"product {product!r} is there {count} times; put its defects into one recipe"
                )
        return value


class FileBlock(Block):
    """A whole configuration file."""

    lines: list[LineBlock] = Field(min_length=1)
    channels: list[ChannelBlock] = Field(default_factory=list)
    shifts: CalendarBlock | None = None


#: What stands below a key.
_BLOCKS: dict[str, type[BaseModel]] = {
    "": FileBlock,
    "lines": LineBlock,
    "rule": RuleBlock,
    "rules": ListedRuleBlock,
    "recipes": RecipeBlock,
    "stations": StationBlock,
    "cameras": CameraBlock,
    "folder": FolderBlock,
    "simulated": SimulatedBlock,
    "push": PushBlock,
    "channels": ChannelBlock,
    "shifts": CalendarBlock,
    "named": ShiftBlock,
}


def complaint(error: ValidationError) -> str:
    """Say the first complaint as a sentence that names the key."""
    first = error.errors()[0]
    key, names = "", [""]
    for part in first["loc"]:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            key += f".{part}" if key else part
            names.append(part)
    key = key or "the file"
    value = first["input"]
    match first["type"]:
        case "extra_forbidden":
            return f"{key} is not a known key; the keys there are {_keys(names[-2])}"
        case "missing":
            return f"{key} is missing"
        case "model_type":
            return f"{key} must hold the keys {_keys(names[-1])}"
    sentence = f"{key}: {first['msg'].removeprefix('Value error, ')}"
    if isinstance(value, dict | list) or key.endswith(_PRIVATE):
        return sentence
    return f"{sentence} (is {value!r})"


def _keys(block: str) -> str:
    return ", ".join(_BLOCKS[block].model_fields)


def _checked(make: Callable[[], object]) -> None:
    """Turn a complaint of the domain into one of the format."""
    try:
        make()
    except ConfigurationError as error:
        raise ValueError(str(error)) from error


def _absolute(root: Path, path: Path) -> Path:
    try:
        return (root / path.expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"the path {str(path)!r} cannot be used: {error}") from error
