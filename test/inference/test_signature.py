# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where signatures are asked for, only what a trusted key signed is loaded."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rs_onboard.inference import signature as signature_module
from rs_onboard.inference.errors import ModelError, SignatureError
from rs_onboard.inference.model import load_model
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.inference.signature import (
    SIGNATURE_FILE,
    generate_key,
    load_trusted_keys,
    sign_folder,
)

MODELS = Path(__file__).parents[1] / 'data' / 'models'
ONE = RuntimeSettings(provider='cpu', threads=1)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(MODELS / 'colour-scene', tmp_path / 'model')


@pytest.fixture
def keys(tmp_path):
    """Make two pairs of keys and a file that trusts the first."""
    pytest.importorskip('cryptography')
    for name in ('ours', 'theirs'):
        generate_key(tmp_path / f'{name}.key', tmp_path / f'{name}.pub')
    return tmp_path


def load(folder, keys, *names):
    trusted = keys / 'trusted.pem'
    trusted.write_bytes(b''.join((keys / f'{name}.pub').read_bytes() for name in names))
    return load_model(folder, task='scene', settings=ONE, trusted=load_trusted_keys(trusted))


def test_a_signed_folder_loads_and_says_who_signed_it(folder, keys):
    signer = sign_folder(folder, keys / 'ours.key')
    assert load(folder, keys, 'ours').signed_by == signer
    assert load(folder, keys, 'theirs', 'ours').signed_by == signer
    assert len(signer) == 16


def test_without_keys_nothing_is_asked(folder):
    assert load_model(folder, task='scene', settings=ONE).signed_by == ''


def test_a_card_changed_after_signing_is_refused(folder, keys):
    sign_folder(folder, keys / 'ours.key')
    card = folder / 'card.yaml'
    card.write_text(card.read_text().replace('Test model', 'Best model'))
    message = r'card.yaml.sig: found a signature that no key of .*trusted.pem .* made for this card'
    with pytest.raises(SignatureError, match=message):
        load(folder, keys, 'ours')
    sign_folder(folder, keys / 'ours.key')
    load(folder, keys, 'ours')


def test_a_graph_changed_after_signing_is_refused_by_its_hash(folder, keys):
    sign_folder(folder, keys / 'ours.key')
    graph = folder / 'fp32.onnx'
    graph.write_bytes(graph.read_bytes()[:-1] + b'\0')
    with pytest.raises(ModelError, match=r'found sha256 .*; the card says'):
        load(folder, keys, 'ours')


def test_a_signature_by_another_key_is_refused(folder, keys):
    sign_folder(folder, keys / 'theirs.key')
    with pytest.raises(SignatureError, match='signed with another key: copy the folder again'):
        load(folder, keys, 'ours')


def test_a_missing_or_cut_signature_is_refused(folder, keys):
    with pytest.raises(SignatureError, match=r'card.yaml.sig: no signature, but require_signed'):
        load(folder, keys, 'ours')
    sign_folder(folder, keys / 'ours.key')
    path = folder / SIGNATURE_FILE
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SignatureError, match='found 40 bytes; a signature has 64'):
        load(folder, keys, 'ours')


def test_a_missing_library_is_said_with_its_packages(folder, tmp_path, monkeypatch):
    original = signature_module.import_module

    def without(name):
        if name.startswith('cryptography'):
            raise ModuleNotFoundError(name)
        return original(name)

    monkeypatch.setattr(signature_module, 'import_module', without)
    (tmp_path / 'trusted.pem').write_text('any')
    message = r'package cryptography is missing; .* \(apt: python3-cryptography, pip: cryptography'
    for action in (
        lambda: load_trusted_keys(tmp_path / 'trusted.pem'),
        lambda: sign_folder(folder, tmp_path / 'trusted.pem'),
        lambda: generate_key(tmp_path / 'a', tmp_path / 'b'),
    ):
        with pytest.raises(SignatureError, match=message):
            action()
    # Whoever asks for no signature needs no library.
    load_model(folder, task='scene', settings=ONE)


def test_the_library_is_not_imported_before_it_is_needed():
    code = (
        'import sys, rs_onboard.inference.model; '
        'sys.exit(any(name.startswith("cryptography") for name in sys.modules))'
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_keys_are_private_and_never_overwritten(keys):
    assert stat.S_IMODE((keys / 'ours.key').stat().st_mode) == 0o600
    before = (keys / 'ours.key').read_bytes()
    for private, public in (('ours.key', 'new.pub'), ('new.key', 'ours.pub')):
        with pytest.raises(FileExistsError, match=r'ours\.(key|pub): found a file; expected none'):
            generate_key(keys / private, keys / public)
    assert (keys / 'ours.key').read_bytes() == before


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'found no public key; expected at least one in PEM form'),
        (b'-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', 'that cannot be read'),
        (b'x' * 200_000, 'found no key file of at most 100000 bytes'),
    ],
)
def test_a_file_without_trusted_keys_is_refused(keys, content, message):
    (keys / 'trusted.pem').write_bytes(content)
    with pytest.raises(SignatureError, match=message):
        load_trusted_keys(keys / 'trusted.pem')


def test_keys_of_another_kind_are_refused(folder, keys):
    rsa = pytest.importorskip('cryptography.hazmat.primitives.asymmetric.rsa')
    from cryptography.hazmat.primitives import serialization

    key = rsa.generate_private_key(65537, 2048)
    (keys / 'rsa.pub').write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    with pytest.raises(
        SignatureError, match=r'rsa.pub: found a key of type .*RSA.*; expected ed25'
    ):
        load_trusted_keys(keys / 'rsa.pub')
    (keys / 'rsa.key').write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(SignatureError, match=r'rsa.key: found a key of type .*RSA.*; expected an'):
        sign_folder(folder, keys / 'rsa.key')


def test_what_is_no_private_key_is_refused(folder, keys):
    with pytest.raises(SignatureError, match=r'ours.pub: found no private key in PEM form'):
        sign_folder(folder, keys / 'ours.pub')


def test_a_missing_file_of_keys_is_refused(keys):
    with pytest.raises(SignatureError, match=r"trusted_keys '.*none.pem': found no key file"):
        load_trusted_keys(keys / 'none.pem')


def test_openssl_agrees(folder, keys):
    tool = shutil.which('openssl')
    usage = subprocess.run(
        [tool or 'true', 'pkeyutl', '-help'], capture_output=True, text=True, check=False
    )
    if '-rawin' not in usage.stderr + usage.stdout:
        pytest.skip('no openssl that knows ed25519')
    sign_folder(folder, keys / 'ours.key')
    command = [tool, 'pkeyutl', '-verify', '-pubin', '-inkey', str(keys / 'ours.pub'), '-rawin']
    command += ['-in', str(folder / 'card.yaml'), '-sigfile', str(folder / SIGNATURE_FILE)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
