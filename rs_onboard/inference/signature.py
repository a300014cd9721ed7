# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Sign model folders and check their signatures: ed25519 over the bytes of the card.

The card holds the hash of every file, so its signature covers the folder. The signature lies beside
it (`card.yaml.sig`, 64 bytes), keys are PEM files, and any tool can check it:
`openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in card.yaml -sigfile card.yaml.sig`.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rs_onboard.inference.card import CARD_FILE
from rs_onboard.inference.errors import SignatureError

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURE_FILE = f'{CARD_FILE}.sig'
SIGNATURE_BYTES = 64

# A file of some hundred keys; a larger one is another file.
MAX_KEY_FILE_BYTES = 100_000

_PUBLIC_PEM = re.compile(rb'-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----', re.DOTALL)


@dataclass(frozen=True)
class TrustedKeys:
    """Public keys whose signatures are believed.

    Attributes:
        file: Where they were read from.
        keys: The keys by fingerprint.
    """

    file: Path
    keys: dict[str, Any]


def generate_key(private: Path, public: Path) -> str:
    """Write a new pair of keys.

    Args:
        private: File for the private key, readable by its owner alone.
        public: File for the public key.

    Returns:
        The fingerprint.

    Raises:
        FileExistsError: One of the files is there already; a key is never overwritten.
        SignatureError: The library is missing.
    """
    ed25519, serialization = _library('to make keys')
    for path in (private, public):
        if path.exists():
            raise FileExistsError(
                f'{path}: found a file; expected none, since a lost key cannot be made again. '
                'Choose another name.'
            )
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb') as file:
        file.write(pem)
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return _fingerprint(key.public_key(), serialization)


def sign_folder(folder: Path, private: Path) -> str:
    """Sign the card of a model folder; an older signature is replaced.

    Check the folder first (`rs_onboard models verify`): a signature vouches for it as it is.

    Args:
        folder: The model folder.
        private: File of the private key.

    Returns:
        The fingerprint of the key.

    Raises:
        SignatureError: The key is no ed25519 key, or the library is missing.
        OSError: Card or key cannot be read.
    """
    ed25519, serialization = _library('to sign')
    card = (folder / CARD_FILE).read_bytes()
    try:
        key = serialization.load_pem_private_key(private.read_bytes(), password=None)
    except (ValueError, TypeError) as exc:
        raise SignatureError(
            f'{private}: found no private key in PEM form without password ({exc}); make one with '
            '"rs_onboard models keygen".'
        ) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SignatureError(
            f'{private}: found a key of type {type(key).__name__}; expected an ed25519 key. '
            'Make one with "rs_onboard models keygen".'
        )
    beside = folder / f'{SIGNATURE_FILE}.new'
    beside.write_bytes(key.sign(card))
    beside.replace(folder / SIGNATURE_FILE)
    return _fingerprint(key.public_key(), serialization)


def load_trusted_keys(file: Path) -> TrustedKeys:
    """Read public keys: any number in PEM form in one file, with text between them as comment.

    Raises:
        SignatureError: The file is missing or holds no ed25519 key, or the library is missing.
    """
    ed25519, serialization = _library('to check signatures')
    if not file.is_file() or file.stat().st_size > MAX_KEY_FILE_BYTES:
        raise SignatureError(
            f'trusted_keys {str(file)!r}: found no key file of at most {MAX_KEY_FILE_BYTES} bytes; '
            'expected public keys in PEM form. Check the parameter.'
        )
    keys = {}
    for pem in _PUBLIC_PEM.findall(file.read_bytes()):
        try:
            key = serialization.load_pem_public_key(pem)
        except ValueError as exc:
            raise SignatureError(
                f'{file}: found a public key that cannot be read ({exc}); expected ed25519 keys in '
                'PEM form. Copy it again.'
            ) from None
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise SignatureError(
                f'{file}: found a key of type {type(key).__name__}; expected ed25519 keys. '
                'Remove it, or make another with "rs_onboard models keygen".'
            )
        keys[_fingerprint(key, serialization)] = key
    if not keys:
        raise SignatureError(
            f'{file}: found no public key; expected at least one in PEM form. Append the .pub file '
            'that "rs_onboard models keygen" wrote.'
        )
    return TrustedKeys(file, keys)


def check_signature(folder: Path, card: bytes, trusted: TrustedKeys) -> str:
    """Check the signature of a card against keys.

    Args:
        folder: The model folder, for the signature.
        card: The bytes of the card that will be used, read once.
        trusted: The keys.

    Returns:
        The fingerprint of the key that signed it.

    Raises:
        SignatureError: There is no signature, or none of the keys made it for these bytes.
    """
    path = folder / SIGNATURE_FILE
    if not path.is_file():
        raise SignatureError(
            f'{path}: no signature, but require_signed asks for one. Sign the folder with '
            '"rs_onboard models sign", or set require_signed to false.'
        )
    size = path.stat().st_size
    if size != SIGNATURE_BYTES:
        raise SignatureError(
            f'{path}: found {size} bytes; a signature has {SIGNATURE_BYTES}. Copy it again, or '
            'sign the folder again.'
        )
    signature = path.read_bytes()
    wrong = import_module('cryptography.exceptions').InvalidSignature
    for fingerprint, key in trusted.keys.items():
        try:
            key.verify(signature, card)
        except wrong:
            continue
        return fingerprint
    raise SignatureError(
        f'{path}: found a signature that no key of {trusted.file} ({", ".join(trusted.keys)}) made '
        f'for this {CARD_FILE}. The card was changed after it was signed, or signed with another '
        'key: copy the folder again, sign it again, or add the public key.'
    )


def _fingerprint(key: Any, serialization: Any) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _library(purpose: str) -> tuple[Any, Any]:
    """Import the ed25519 and serialisation modules, only where signatures are used.

    Raises:
        SignatureError: The library is not installed.
    """
    try:
        return (
            import_module('cryptography.hazmat.primitives.asymmetric.ed25519'),
            import_module('cryptography.hazmat.primitives.serialization'),
        )
    except ImportError:
        raise SignatureError(
            f'the Python package cryptography is missing; it is needed {purpose}. Install it '
            '(apt: python3-cryptography, pip: cryptography), or set require_signed to false.'
        ) from None
