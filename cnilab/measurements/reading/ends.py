"""What a cut inside a number leaves behind: another number. Here it is made unreadable before a reader sees it.

``THROUGHPUT=5`` may be the beginning of ``THROUGHPUT=57843.12``. Every tool ends every line; so a number at the very
end of a text that has no last line end is not to be trusted, nor is ``1.1m``, which may have been ``1.1ms``. This
module knows no format, and leaves alone what a reader itself sees to be cut: JSON, and compressed files.
"""

from __future__ import annotations

import re

#: Stands for the number; no reader takes it for one.
CUT = "…".encode()
_OF_NUMBERS = b"0123456789.,"
_LEFT_ALONE = re.compile(rb"\x1f\x8b|(?:\[\s*)?\{")


def trusted(raw: bytes) -> bytes:
    """Return ``raw``, without the number that its missing last line end puts in doubt.

    >>> trusted(b"THROUGHPUT=5").decode(), trusted(b"THROUGHPUT=57843.12\\n").decode()
    ('THROUGHPUT=…', 'THROUGHPUT=57843.12\\n')
    """
    if not raw[-1:].strip(b"\r\n") or _LEFT_ALONE.match(raw):
        return raw
    line = raw.rstrip(b" \t").removesuffix(b"m")
    before = line.rstrip(_OF_NUMBERS)
    number = line[len(before) :]
    return before + CUT if number.strip(b".,") else raw
