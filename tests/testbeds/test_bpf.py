"""The compiled IP-in-IP program and a node's constants in it."""

import struct

import pytest

from cnilab.testbeds.lab import bpf


def compiled(tmp_path, *markers):
    built = tmp_path / "ipip.bpf.o-0123"
    built.write_bytes(b"ELF" + b"..".join(struct.pack("=I", m) for m in markers) + b"end")
    return str(built)


def test_every_marker_becomes_the_nodes_own(tmp_path):
    built = compiled(tmp_path, bpf.TUN_INDEX, bpf.NODE_ADDRESS, bpf.UNDERLAY_INDEX, bpf.TUN_INDEX)
    filled = bpf.fill(built, 7, 9, "192.0.2.11")
    seven, nine = struct.pack("=I", 7), struct.pack("=I", 9)
    assert filled == b"ELF" + b"..".join([seven, bytes([192, 0, 2, 11]), nine, seven]) + b"end"


def test_a_program_of_another_source_is_refused_with_the_file_to_remove(tmp_path):
    built = compiled(tmp_path, bpf.TUN_INDEX, bpf.NODE_ADDRESS)
    with pytest.raises(ValueError, match=rf"no marker 0xc41ab11: .* rm {built}$"):
        bpf.fill(built, 7, 9, "192.0.2.11")
