"""The emulated machine where something of it is missing, and the order of its modules. Boots nothing."""

import lzma
import platform

import pytest

from tests.native import machine

only_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the emulated machine is x86_64")


@only_x86
def test_without_qemu_the_reason_names_the_command(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(machine.Missing, match=r"not found; try: .*apt-get install qemu-system-x86"):
        machine.ready()


def test_without_a_kernel_the_reason_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "CACHE", tmp_path / "none")
    with pytest.raises(machine.Missing, match=r"no kernel of .*; try: make native"):
        machine.kernel()


def test_without_apt_fetching_says_so_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "CACHE", tmp_path / "kernels")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(machine.Missing, match="apt-cache"):
        machine.fetch()
    assert list((tmp_path / "kernels").iterdir()) == []


def test_what_a_module_needs_is_loaded_before_it(monkeypatch, tmp_path):
    """Names with a hyphen, a soft dependency, a compressed file, and one that is built in."""
    lib, keep = tmp_path / "lib", tmp_path / "keep"
    lib.mkdir()
    keep.mkdir()
    (lib / "outer.ko").write_bytes(b"ELF\0license=GPL\0depends=inner-one,built_in\0softdep=pre: helper\0end")
    (lib / "inner-one.ko.xz").write_bytes(lzma.compress(b"ELF\0depends=\0end"))
    (lib / "helper.ko").write_bytes(b"ELF\0depends=\0")
    monkeypatch.setattr(machine, "MODULES", ("helper", "outer", "absent"))
    assert machine._collect(lib, keep) == ["helper.ko", "inner_one.ko", "outer.ko"]
    assert (keep / "inner_one.ko").read_bytes().startswith(b"ELF")
