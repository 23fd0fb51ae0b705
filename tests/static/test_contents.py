"""What no file of the repository may hold."""

import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

# Spelled in pieces, so that this file does not hold what it looks for.
HOSTS = [
    "".join(pieces)
    for pieces in (
        ("py", "pi.", "org"),
        ("python", "hosted.", "org"),
        ("download.", "pytorch.", "org"),
        ("npm", "js."),
        ("docker", r"\.io"),
        ("deb.", "debian."),
        ("ghcr", r"\.io"),
        ("quay", r"\.io"),
    )
]
FOLDERS = ["wo" + "rk", "fa" + "rm", "ro" + "ot", "ho" + r"me/\w+", "Us" + r"ers/\w+", r"tmp/\w"]
HOST = re.compile("|".join(HOSTS))
MACHINE_PATH = re.compile(rf"(?<![\w./}}-])/(?:{'|'.join(FOLDERS)})/")


def texts() -> dict[str, str]:
    """Read every file that belongs to the repository and is text."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    found = {}
    for name in filter(None, listed):
        path = REPOSITORY / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            found[name] = content.decode("utf-8")
    return found


def matches(pattern: re.Pattern[str]) -> list[str]:
    return [f"{name}: {hit[0]}" for name, text in texts().items() for hit in pattern.finditer(text)]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert not matches(HOST)


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert not matches(MACHINE_PATH)


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()

    odd = [line for line in lines if not re.fullmatch(r"[a-z0-9]+([-._][a-z0-9]+)*==[\w.]+", line)]

    assert lines
    assert not odd
