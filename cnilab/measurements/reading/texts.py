"""From bytes to text: encodings, line ends and colours, before any reader looks for its lines."""

from __future__ import annotations

import re

from cnilab.errors import ParseError

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def plain(raw: bytes) -> bytes:
    """Return UTF-8 bytes without a byte order mark; what is not marked is returned as it is."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw[: len(raw) // 2 * 2].decode("utf-16", "replace").encode()
    return raw.removeprefix(b"\xef\xbb\xbf")


def decoded(raw: bytes) -> str:
    """Decode a tool's output: UTF-8 (or UTF-16 by its mark), no BOM, ``\\n`` line ends, no colour codes.

    Raises
    ------
    ParseError
        If the bytes are a binary file.
    """
    raw = plain(raw)
    if b"\0" in raw[:65536]:
        raise ParseError("this is a binary file, not a tool's text")
    decoded = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return _ANSI.sub("", decoded) if "\x1b" in decoded else decoded
