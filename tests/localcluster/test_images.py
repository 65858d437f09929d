"""Images are read as a container runtime reads them, and their programs run from what is in the layer alone."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from cnilab.errors import Unavailable
from cnilab.localcluster import images
from cnilab.localcluster.images import Image

pytestmark = pytest.mark.skipif(
    shutil.which("busybox") is None, reason="images are made of busybox-static; type: make system-cluster"
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """An image with a shell and a program, and one with a single file."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "note").write_text("hello\n")
    (folder / "tree/deep").mkdir(parents=True)
    (folder / "tree/deep/leaf").write_text("leaf\n")
    chosen = (
        Image(
            "localhost/one:1", ("ip",), {"/data": folder / "tree"}, entry=("/usr/bin/sh",), user="10001:10001",
            environment={"SVDIR": "/etc/service/enabled"},
        ),
        Image("localhost/two:1", files={"/note": folder / "note"}, shell=False),
    )
    path = folder / "images.tar"
    images.pack(path, [(image, image.contents()) for image in chosen])
    return path


def layers(path):
    """Name of each image to its configuration and its layer's bytes, digests checked on the way."""
    with tarfile.open(path) as tar:
        read = {m.name: tar.extractfile(m).read() for m in tar}
    found = {}
    for entry in json.loads(read["manifest.json"]):
        config, (layer,) = read[entry["Config"]], (read[name] for name in entry["Layers"])
        assert entry["Config"] == hashlib.sha256(config).hexdigest() + ".json"
        digest = "sha256:" + hashlib.sha256(layer).hexdigest()
        assert json.loads(config)["rootfs"]["diff_ids"] == [digest]
        found[entry["RepoTags"][0]] = json.loads(config)["config"], layer
    return found


def test_the_archive_names_its_images_their_users_and_entry_points(packed):
    found = layers(packed)
    assert set(found) == {"localhost/one:1", "localhost/two:1"}
    assert found["localhost/one:1"][0]["User"] == "10001:10001"
    assert found["localhost/one:1"][0]["Entrypoint"] == ["/usr/bin/sh"]
    assert found["localhost/two:1"][0]["Entrypoint"] is None
    assert [e.partition("=")[0] for e in found["localhost/one:1"][0]["Env"]] == ["PATH", "SVDIR"]


def test_an_image_without_a_shell_holds_its_file_and_folders_only(packed):
    with tarfile.open(fileobj=io.BytesIO(layers(packed)["localhost/two:1"][1])) as tar:
        files = {m.name for m in tar if m.isfile()}
        assert files == {"note", "etc/passwd", "etc/group", "etc/nsswitch.conf"}
        assert tar.getmember("tmp").mode == 0o1777
        assert tar.getmember("lib64").linkname == "usr/lib64"
        assert {(m.uid, m.mtime) for m in tar} == {(0, 0)}


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot asks for root")
def test_programs_run_from_the_layer_alone(packed, tmp_path):
    tmp_path.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(layers(packed)["localhost/one:1"][1])) as tar:
        tar.extractall(tmp_path, filter="fully_trusted")

    def inside(command):
        return subprocess.run(
            ["chroot", "--userspec=10001:10001", tmp_path, "/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "iproute2" in inside("ip -V"), "the machine's own ip, not busybox's, also from sh"
    assert inside("cat /data/deep/leaf") == "leaf\n"
    assert inside("id -un").strip() == "bench"


def test_the_same_programs_give_the_same_bytes(packed, tmp_path):
    image = Image("localhost/one:1", ("ip",), user="1:1")
    for name in ("a", "b"):
        images.pack(tmp_path / name, [(image, image.contents())])
    a, b = (layers(tmp_path / name)["localhost/one:1"][1] for name in "ab")
    assert a == b


def test_a_static_program_has_no_libraries_and_a_dynamic_one_its_loader():
    assert images.libraries(Path(shutil.which("busybox")).resolve()) == ()
    assert any("ld-linux" in library for library in images.libraries(Path(shutil.which("ip")).resolve()))


def test_a_missing_program_is_an_error_with_its_package(monkeypatch):
    monkeypatch.setattr(images, "find", lambda program: None)
    with pytest.raises(Unavailable, match="no iperf3 to put into an image; try: sudo apt-get install iperf3"):
        Image("localhost/x:1", ("iperf3",)).contents()
    assert "busybox" in images.missing("flannel")
    assert "netperf" in images.left_out()
