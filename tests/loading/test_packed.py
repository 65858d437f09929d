"""Packed files and folders, those that are opened and those that are not: none loses a result in silence."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from cnilab.loading import load

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"
STREAM = (DATA / "iperf3" / "iperf3_3.12_tcp_stream.json").read_bytes()


def archive(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        info = tarfile.TarInfo("r/host/1.json")
        info.size = len(STREAM)
        tar.addfile(info, io.BytesIO(STREAM))
    return out.getvalue()


def old(raw: bytes) -> bytes:
    """Make a tar of the form before POSIX: no mark in the header, and another sum."""
    header = raw[:148] + b" " * 8 + raw[156:257] + b"\0" * 255
    return header[:148] + b"%06o\0 " % sum(header) + header[156:] + raw[512:]


def zipped(method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        packed.writestr("r/host/1.json", STREAM)
    return out.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        bz2.compress(STREAM),
        lzma.compress(STREAM),
        bz2.compress(STREAM[:900]) + bz2.compress(STREAM[900:]),
        lzma.compress(STREAM[:900]) + b"\0" * 8 + lzma.compress(STREAM[900:]),
        archive("w:bz2"),
        archive("w:xz"),
        old(archive("w")),
        zipped(zipfile.ZIP_LZMA),
        zipped(zipfile.ZIP_BZIP2),
    ],
    ids=["bz2", "xz", "two bz2", "two xz", "tar.bz2", "tar.xz", "old tar", "zip lzma", "zip bzip2"],
)
def test_what_is_packed_is_opened(tmp_path, raw):
    (tmp_path / "packed").write_bytes(raw)
    loaded = load(tmp_path, progress=False)
    assert list(loaded.files["status"]) == ["ok"]
    assert set(loaded.samples["tool"]) == {"iperf3"}


def test_a_name_with_windows_separators_has_its_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as packed:
        packed.writestr("results\\host\\", b"")
        packed.writestr("results\\host\\2\\tcp.json", STREAM)
    loaded = load(tmp_path, pattern="{mode}/{block}/{test}.json", progress=False)
    assert list(loaded.files["status"]) == ["ok"]
    assert {*zip(loaded.samples["mode"], loaded.samples["block"])} == {("host", 2)}


def test_a_damaged_member_costs_no_other(tmp_path):
    with zipfile.ZipFile(out := io.BytesIO(), "w") as packed:
        packed.writestr("1.json", STREAM)
        packed.writestr("2.json", STREAM)
    raw = bytearray(out.getvalue())
    raw[200] ^= 0xFF
    (tmp_path / "r.zip").write_bytes(raw)
    files = load(tmp_path, progress=False).files
    assert list(files["status"]) == ["failed", "ok"]
    assert "damaged zip: Bad CRC" in files["reason"].iloc[0]


def test_what_is_linked_in_a_tar_has_its_row(tmp_path):
    with tarfile.open(tmp_path / "r.tgz", "w:gz") as tar:
        for name, kind, target in (
            ("host/1.json", tarfile.REGTYPE, ""),
            ("host/2.json", tarfile.LNKTYPE, "host/1.json"),
            ("host/3.json", tarfile.SYMTYPE, "1.json"),
            ("host/4.json", tarfile.LNKTYPE, "host/3.json"),
            ("host/5.json", tarfile.LNKTYPE, "elsewhere.json"),
            ("host/pipe", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(STREAM) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(STREAM))
    files = load(tmp_path, progress=False).files
    assert list(files["status"]) == ["ok", "ok", "skipped", "failed", "failed", "failed"]
    assert files["reason"].iloc[2] == "a link to 1.json, which is not followed"


def spoilt(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (bz2.compress(STREAM)[:-20], "bzip2 cut short"),
        (lzma.compress(STREAM)[:-20], "xz cut short"),
        (spoilt(bz2.compress(STREAM), 40), "damaged bzip2"),
        (spoilt(lzma.compress(STREAM), 40), "damaged xz"),
        (spoilt(zipped(zipfile.ZIP_LZMA), 120), "damaged zip"),
        (bz2.compress(b"\0" * 2**21), "unpacks to more than 1048576 bytes"),
        (lzma.compress(b"\0" * 2**21), "unpacks to more than 1048576 bytes"),
        (
            b"\x28\xb5\x2f\xfd\x04",
            "is packed by zstd, which is not opened here; unpack it first: unzstd FILE",
        ),
        (b"7z\xbc\xaf\x27\x1c\x00", "packed by 7z"),
        (b"Rar!\x1a\x07\x01", "packed by RAR"),
        (b"\x1f\x9d\x90", "packed by compress"),
    ],
)
def test_what_cannot_be_opened_is_a_failure_with_its_reason(tmp_path, raw, words):
    (tmp_path / "packed").write_bytes(raw)
    loaded = load(tmp_path, progress=False, max_bytes=2**20)
    assert list(loaded.files["status"]) == ["failed"]
    assert words in loaded.files["reason"].iloc[0]


def test_a_folder_that_is_not_gone_into_has_its_row(tmp_path, monkeypatch):
    (tmp_path / "runs" / "shut").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / "1.json").write_bytes(STREAM)
    (tmp_path / "runs" / "latest").symlink_to(tmp_path / "elsewhere")
    listing = os.scandir

    def refuse(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    files = load(tmp_path / "runs", progress=False, workers=1).files
    told = {
        path.rpartition("/")[2]: (status, reason)
        for path, status, reason in files[["path", "status", "reason"]].values
    }
    assert told["1.json"][0] == "ok"
    assert told["latest"] == ("skipped", "a link to a folder is not followed; give that folder too")
    assert told["shut"] == ("failed", "the folder cannot be listed")
