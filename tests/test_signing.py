"""The optional signature of the index: made with a key of OpenSSL's kind, checked only when asked for."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.chat import Bot
from bot.errors import InputError
from bot.settings import Settings

pytest.importorskip("cryptography", reason="pip install 'kratom-faq[sign]'")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.index import current_build
from bot.signing import check_signed, sign


def pair(folder: Path) -> tuple[Path, Path]:
    """A fresh key pair as PEM files: (private, public)."""
    folder.mkdir(exist_ok=True)
    key, private, public = Ed25519PrivateKey.generate(), folder / "private.pem", folder / "public.pem"
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_signed_index_vouches_for_its_replies_and_for_no_others(bot: Bot, settings: Settings, tmp_path: Path) -> None:
    build, (private, public) = current_build(settings.index), pair(tmp_path / "keys")
    receipt = bot.reply("does kratom harm the liver").receipt()
    with pytest.raises(InputError, match="is not signed"):
        check_signed(build, public, receipt)
    sign(build, private)
    check_signed(build, public, receipt)
    with pytest.raises(InputError, match="not made with this key"):
        check_signed(build, pair(tmp_path / "others")[1], receipt)
    with pytest.raises(InputError, match="another index"):
        check_signed(build, public, {**receipt, "index": "0"})
    passage = next(piece for piece in receipt["pieces"] if piece["kind"] == "passage")
    with pytest.raises(InputError, match="is not the one in the signed manifest"):
        check_signed(build, public, {**receipt, "pieces": [{**passage, "document_sha256": "0"}]})
    manifest = build / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"created"', b'"Created"'))
    with pytest.raises(InputError, match="manifest was changed"):
        check_signed(build, public, receipt)


def test_a_key_of_another_kind_is_refused(settings: Settings, tmp_path: Path) -> None:
    _, public = pair(tmp_path / "keys")
    with pytest.raises(InputError, match="openssl genpkey"):
        sign(current_build(settings.index), public)
    with pytest.raises(InputError, match="cannot be read"):
        sign(current_build(settings.index), tmp_path / "nothing.pem")


def test_the_command_line_signs_and_verifies(
    bot: Bot, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = pair(tmp_path / "keys")
    monkeypatch.setenv("KRATOM_FAQ_INDEX", str(settings.index))
    reply = tmp_path / "reply.json"
    reply.write_text(json.dumps(bot.reply("does kratom harm the liver").to_dict()), "utf-8")
    assert main(["verify", str(reply)]) == 0
    assert main(["verify", str(reply), "--public-key", str(public)]) == 1
    assert main(["sign", str(private)]) == 0
    assert main(["verify", str(reply), "--public-key", str(public)]) == 0
    assert "verified:" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(reply.read_text("utf-8")))
    assert main(["verify", "-", "--public-key", str(public)]) == 0
    receipt = bot.reply("does kratom harm the liver").receipt()
    for wrong, code in (([], 2), ({}, 1), ({**receipt, "pieces": [{}]}, 1), ({**receipt, "pieces": [7]}, 1)):
        reply.write_text(json.dumps(wrong), "utf-8")
        assert main(["verify", str(reply), "--public-key", str(public)]) == code, wrong
    reply.write_text("[" * 20_000, "utf-8")
    assert main(["verify", str(reply)]) == 2
