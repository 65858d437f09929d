"""From bytes to text: encodings, line ends, colours and what a page leaves, before any reader looks for its lines."""

from __future__ import annotations

import re

from cnilab.errors import ParseError

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


#: No-break and other Unicode spaces; between two digits one may be a thousands separator, and stays.
_SPACES = re.compile(
    rb"(?<![0-9])(?:\xc2\xa0|\xe2\x80[\x80-\x8a\xaf]|\xe2\x81\x9f|\xe3\x80\x80)"
    rb"|(?:\xc2\xa0|\xe2\x80[\x80-\x8a\xaf]|\xe2\x81\x9f|\xe3\x80\x80)(?![0-9])"
)
_NO_WIDTH = re.compile(rb"\xe2\x80[\x8b-\x8f]|\xe2\x81\xa0|\xef\xbb\xbf")
_BOLD = re.compile(rb"(?<!\*)\*\*(?=[^\s*])([^*\n]{1,2000})(?<=\S)\*\*(?!\*)")
_ENTITY = re.compile(rb"&(?:#(\d{1,6})|#[xX]([0-9a-fA-F]{1,5})|(amp|lt|gt|quot|apos|nbsp));")
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'", b"nbsp": b" "}


def plain(raw: bytes) -> bytes:
    """Return UTF-8 bytes without a byte order mark, and without what a page or a chat made of blanks and signs."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw = raw[: len(raw) // 2 * 2].decode("utf-16", "replace").encode()
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw[:2] == b"\x1f\x8b" or raw[:1] == b"{":
        return raw
    if b"**" in raw:
        raw = _BOLD.sub(rb"\1", raw)
    if b"&" in raw:
        raw = _ENTITY.sub(_character, raw)
    if b"\xc2\xa0" in raw or b"\xe2\x80" in raw or b"\xe2\x81" in raw or b"\xe3\x80\x80" in raw:
        raw = _SPACES.sub(b" ", _NO_WIDTH.sub(b"", raw))
    return raw


def _character(entity: re.Match[bytes]) -> bytes:
    if entity[3]:
        return _NAMED[entity[3]]
    code = int(entity[1]) if entity[1] else int(entity[2], 16)
    if code in (10, 13, 0) or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return entity[0]
    return b" " if code == 160 else chr(code).encode()


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
