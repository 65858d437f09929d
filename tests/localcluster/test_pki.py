"""Certificates: checked with openssl, which did not write them alone, and with the real API server elsewhere."""

import base64
import stat
import subprocess

import pytest
import yaml

from cnilab.errors import ClusterError, Unavailable
from cnilab.localcluster import pki


def openssl(*argv, code=0):
    done = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return pki.make(
        tmp_path_factory.mktemp("pki") / "pki",
        servers=("127.0.0.1", "api.example"),
        nodes={"n1": "192.0.2.11"},
        api="https://127.0.0.1:1",
    )


def test_every_certificate_is_the_authoritys(authority):
    names = {p.stem for p in authority.folder.glob("*.crt")} - {"ca"}
    assert names == {"apiserver", "n1", *pki.COMPONENTS}
    for name in names:
        openssl(
            "verify", "-x509_strict", "-CAfile", authority.folder / "ca.crt", authority.folder / f"{name}.crt"
        )


def test_a_stranger_does_not_verify(authority, tmp_path):
    other = pki.Authority.create(tmp_path / "other")
    other.issue("admin", "admin")
    openssl("verify", "-CAfile", authority.folder / "ca.crt", other.folder / "admin.crt", code=2)


def test_names_a_server_answers_to_and_who_may_be_a_server(authority):
    text = openssl(
        "x509", "-in", authority.folder / "apiserver.crt", "-noout", "-ext", "subjectAltName,extendedKeyUsage"
    )
    for name in (
        "IP Address:127.0.0.1",
        "DNS:api.example",
        "DNS:kubernetes.default.svc.cluster.local",
        "Server Auth",
    ):
        assert name in text
    assert "Server Auth" not in openssl(
        "x509", "-in", authority.folder / "admin.crt", "-noout", "-ext", "extendedKeyUsage"
    )
    node = openssl("x509", "-in", authority.folder / "n1.crt", "-noout", "-subject", "-ext", "subjectAltName")
    assert "O = system:nodes, CN = system:node:n1" in node
    assert "IP Address:192.0.2.11" in node


def test_a_subject_keeps_characters_that_mean_something_to_openssl(authority):
    authority.issue("odd", "a/b+c=d", ("g/1", "g2"))
    assert openssl("x509", "-in", authority.folder / "odd.crt", "-noout", "-subject", "-nameopt", "multiline").split()[1:] == [
        *("organizationName", "=", "g/1", "organizationName", "=", "g2", "commonName", "=", "a/b+c=d")
    ]  # fmt: skip


def test_a_kubeconfig_is_whole_and_for_its_owner_only(authority, tmp_path):
    path = authority.kubeconfig("admin", "https://192.0.2.10:6443", tmp_path / "kubeconfig")
    content = yaml.safe_load(path.read_text())
    user = content["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == (authority.folder / "admin.key").read_bytes()
    assert content["clusters"][0]["cluster"]["server"] == "https://192.0.2.10:6443"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700


def test_opensslls_own_words_are_in_the_error(tmp_path):
    with pytest.raises(ClusterError, match=r"openssl x509 .*ca\.crt.* failed: .*CA certificate"):
        pki.Authority(tmp_path).issue("x", "x")


def test_a_machine_without_openssl_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(pki, "find", lambda program: None)
    with pytest.raises(Unavailable, match=r"no openssl.*sudo apt-get install openssl"):
        pki.make(tmp_path / "pki", api="https://127.0.0.1:1")
