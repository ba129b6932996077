"""An Ed25519 signature over the manifest of the build in service, with the `cryptography` library: who built this index, and from which documents.

    openssl genpkey -algorithm ed25519 -out private.pem && openssl pkey -in private.pem -pubout -out public.pem
    python -m bot sign private.pem        -> manifest.sig beside manifest.json; it goes when the build goes
    python -m bot verify reply.json --public-key public.pem

A signature says nothing about a reply by itself: `check_signed` also wants the reply's index and documents to be those of the signed manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from bot.errors import InputError

SIGNATURE = "manifest.sig"  # 64 bytes


def sign(build: Path, private_key: Path) -> Path:
    """Sign the manifest of the build folder; the signature's path. Raises InputError when the key is no unencrypted Ed25519 private key in PEM."""
    key = _key(private_key, lambda data: load_pem_private_key(data, None), Ed25519PrivateKey, "private")
    signature = build / SIGNATURE
    signature.write_bytes(key.sign((build / "manifest.json").read_bytes()))
    return signature


def check_signed(build: Path, public_key: Path, receipt: Mapping[str, Any]) -> None:
    """InputError unless the build's manifest is signed with the key, and index and documents of the receipt, verified before, are the manifest's."""
    key = _key(public_key, load_pem_public_key, Ed25519PublicKey, "public")
    manifest = (build / "manifest.json").read_bytes()
    try:
        key.verify((build / SIGNATURE).read_bytes(), manifest)
    except OSError as error:
        raise InputError(f"{build} is not signed; its operator runs: python -m bot sign private.pem") from error
    except InvalidSignature as error:
        raise InputError(f"the signature of {build} was not made with this key, or its manifest was changed since; ask its operator for the key") from error
    signed = json.loads(manifest)
    if receipt.get("index") != signed["id"]:
        raise InputError("the reply comes from another index than the signed one; verify it against that one")
    for piece in receipt.get("pieces", []):
        if piece["kind"] == "passage" and signed["documents"].get(str(piece.get("document")), "") != piece["document_sha256"]:
            raise InputError(f"document {piece.get('document')} of the reply is not the one in the signed manifest; verify it against the index it came from")


def _key(path: Path, load: Any, kind: Any, name: str) -> Any:
    try:
        key = load(path.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}); make one with: openssl genpkey -algorithm ed25519 -out private.pem") from error
    if not isinstance(key, kind):
        raise InputError(f"{path} is no Ed25519 {name} key; make one with: openssl genpkey -algorithm ed25519 -out private.pem")
    return key
