"""Inputs for the fuzzer: recordings made small, the words of each tool, and changes that keep a file's form.

Flipped bytes mostly give files that no reader accepts; these change a number, a unit or a line of a file that
stays believable, which is where a wrong number would go unnoticed.
"""

from __future__ import annotations

import ast
import gzip
import json
import random
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "tools"
MAX_LENGTH = 8192

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DIGITS = re.compile(rb"[\d.]+")
_WORD = re.compile(rb"[A-Za-z_%][\w%/^.\-]{0,30}")
_NUMBERS = (
    b"0", b"-1", b"0.0", b"-0", b"nan", b"-nan", b"inf", b"-inf", b"NaN", b"Infinity", b"null", b"1e309", b"1e-320",
    b"1,5", b"1.234,5", b"1 234.5", b"1'234", b"0x10", b"+1", b".5", b"5.", b"1e3", b"1_000", b"\xd9\xa1",
    b"9" * 30, b"9" * 400, b"true", b'""', b"[]", b"{}", b'"1.5"', b"18446744073709551615", b"101", b"1.5.2", b"--",
)  # fmt: skip
_COMMON = (
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc2\xa0",
    b"\xe2\x80\xaf",
    b"\x1b[0m",
    b"\0",
    b"\t",
    b"  ",
    b"\n",
)


def seeds(tool: str) -> list[bytes]:
    """Recordings of one tool, unpacked, without long lists and long tables, cut to the length that is mutated."""
    found = []
    for path in sorted((DATA / tool).iterdir()):
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        try:
            raw = json.dumps(_short(json.loads(raw)), separators=(",", ":")).encode()
        except ValueError:
            raw = _short_tables(raw)
        found.append(raw[:MAX_LENGTH])
        if len(raw) > MAX_LENGTH:
            found.append(raw[-MAX_LENGTH:])
    return found


def _short(node: object) -> object:
    if isinstance(node, dict):
        return {key: _short(value) for key, value in node.items()}
    return [_short(value) for value in node[:3]] if isinstance(node, list) else node


def _short_tables(raw: bytes) -> bytes:
    """Drop all but four of the lines of one form that follow each other."""
    lines = raw.split(b"\n")
    forms = [_DIGITS.sub(b"0", line) for line in lines]
    return b"\n".join(
        line for at, line in enumerate(lines) if len({*forms[max(0, at - 3) : at + 2]}) > 1 or at < 2
    )


def words(tool: str) -> list[bytes]:
    """Tokens of one tool: what its reader's source and its recordings are made of."""
    source = ROOT / "cnilab" / "measurements"
    modules = sorted((source / tool).glob("*.py")) or [source / f"{tool}.py"]
    found = set(_COMMON) | set(_NUMBERS)
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, (str, bytes))
                and len(node.value) < 32
            ):
                found.add(node.value if isinstance(node.value, bytes) else node.value.encode())
    for raw in seeds(tool):
        found |= set(_WORD.findall(raw))
    return sorted(word for word in found if word)[:2000]


def dictionary(tool: str) -> str:
    """The same as a dictionary file of libFuzzer."""
    return "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in words(tool))


class Mutator:
    """Changes of one tool's files that keep their form: lines, fields, numbers, words."""

    def __init__(self, tool: str) -> None:
        self._words = words(tool)

    def __call__(self, raw: bytes, rng: random.Random) -> bytes:
        """Return ``raw`` changed in one to three ways."""
        for _ in range(rng.randint(1, 3)):
            raw = rng.choice((self._number, self._number, self._word, self._lines, self._fields, self._cut))(
                raw, rng
            )
        return raw[:MAX_LENGTH]

    def _number(self, raw: bytes, rng: random.Random) -> bytes:
        at = rng.randrange(len(raw) + 1)
        found = _NUMBER.search(raw, at) or _NUMBER.search(raw)
        if not found:
            return raw
        old = found[0]
        new = rng.choice(
            (rng.choice(_NUMBERS), b"-" + old, old + b"000", old[:-1] or b"0", old.replace(b".", b","))
        )
        return raw[: found.start()] + new + raw[found.end() :]

    def _word(self, raw: bytes, rng: random.Random) -> bytes:
        found = _WORD.search(raw, rng.randrange(len(raw) + 1))
        if not found:
            return raw + rng.choice(self._words)
        return raw[: found.start()] + rng.choice(self._words) + raw[found.end() :]

    def _lines(self, raw: bytes, rng: random.Random) -> bytes:
        return _shuffle(raw, b"\n", rng)

    def _fields(self, raw: bytes, rng: random.Random) -> bytes:
        return _shuffle(raw, rng.choice((b",", b" ", b";")), rng)

    def _cut(self, raw: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return raw[: rng.randrange(len(raw) + 1)]
        at = rng.randrange(len(raw) + 1)
        return raw[:at] + rng.choice(self._words) + raw[at:]


def _shuffle(raw: bytes, separator: bytes, rng: random.Random) -> bytes:
    """Swap, drop or repeat what stands between separators."""
    parts = raw.split(separator)
    a, b = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(3):
        case 0:
            parts[a], parts[b] = parts[b], parts[a]
        case 1:
            del parts[a]
        case _:
            parts.insert(b, parts[a])
    return separator.join(parts)
