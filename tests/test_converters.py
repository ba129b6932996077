"""Files an operator drops into corpus/: read with exact offsets, or refused with a clear message while the rest is read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.corpus import converters, read_corpus
from bot.errors import Problem
from bot.pipeline import build, open_bot
from bot.records import Document
from bot.settings import Settings
from bot.verify import VerifyError, verify

Corpus = Callable[..., Path]
GOOD = "A sentence [@source-2020-study]."
SENTENCE = "Ginger tea can settle the stomach of some people."


def pdf(*pages: str) -> bytes:
    """A small real PDF with one line of text a page."""
    objects: list[bytes] = []
    kids = " ".join(f"{3 + 2 * number} 0 R" for number in range(len(pages)))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    font = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode()
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {4 + 2 * number} 0 R /Resources ".encode()
        objects.append(page + font + b" >>")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
    return data + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def docx(*paragraphs: str) -> bytes:
    from docx import Document as Word

    word = Word()
    for paragraph in paragraphs:
        word.add_paragraph(paragraph)
    out = io.BytesIO()
    word.save(out)
    return out.getvalue()


def dropped(folder: Path, name: str, data: bytes) -> tuple[dict[str, Document], list[Problem]]:
    (folder / name).write_bytes(data)
    refused: list[Problem] = []
    return {document.file: document for document in read_corpus(folder, refused)}, refused


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ginger.txt", SENTENCE.encode()),
        ("ginger.html", f"<html><head><title>x</title><script>alert(1)</script></head><body><p>{SENTENCE}</p></body></html>".encode()),
        ("ginger.pdf", pdf("First page.", SENTENCE)),
        ("ginger.docx", docx("First paragraph.", SENTENCE)),
        ("ginger.csv", f"question,answer\nDoes ginger help?,{SENTENCE}\n".encode()),
    ],
)
def test_each_format_is_quoted_with_exact_offsets(small_corpus: Corpus, settings: Settings, name: str, data: bytes) -> None:
    folder = small_corpus(liver=GOOD)
    documents, refused = dropped(folder, name, data)
    assert refused == []
    document = documents[name]
    assert SENTENCE in document.text and "alert" not in document.text
    bot = open_bot(settings)
    passage = bot.search("does ginger tea settle the stomach", limit=1)[0].passage
    assert passage.file == name
    assert passage.text == bot.documents[document.id].text[passage.start : passage.end]
    assert passage.tier == "unreviewed" and passage.status == "unreviewed"
    assert passage.page == (1 if name.endswith(".pdf") and passage.text.startswith("First") else 2 if name.endswith(".pdf") else None)


def test_a_receipt_of_a_converted_file_verifies_and_notices_a_change(small_corpus: Corpus, settings: Settings) -> None:
    folder = small_corpus(liver=GOOD)
    (folder / "ginger.txt").write_text(SENTENCE, "utf-8")
    bot = open_bot(settings)
    hit = bot.search("ginger tea stomach", limit=1)[0]
    from bot.receipt import make_receipt, sealed

    receipt: dict[str, Any] = json.loads(json.dumps(sealed(make_receipt(bot.index.id, bot.documents, "q", bot.reply("hi").decision, (), (hit,)), {})))
    texts = Path(__file__).parents[1] / "bot" / "replies.toml"
    assert verify(receipt, folder, texts, settings.index / "converted") == 1
    [stored] = (settings.index / "converted").iterdir()
    stored.write_text(SENTENCE.replace("Ginger", "Finger"), "utf-8")
    with pytest.raises(VerifyError, match="converted text was changed"):
        verify(receipt, folder, texts, settings.index / "converted")


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (converters.MAX_UNPACKED + 1))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("broken.pdf", b"%PDF-1.4 and then nothing", "the PDF is broken|no text in it"),
        ("scan.pdf", pdf(""), "no text in it"),
        ("broken.docx", b"PK not a zip", "the Word file is broken"),
        ("bomb.docx", bomb(), "unpacks to more than it should"),
        ("latin.txt", "Käse".encode("latin-1"), "not UTF-8"),
        ("latin.html", "<p>Käse</p>".encode("latin-1"), "not UTF-8"),
        ("empty.txt", b"", "the file is empty"),
        ("script.html", b"<script>alert(1)</script>", "no text in it"),
        ("faq.csv", b"a,b\n1,2\n", "needs the columns 'question' and 'answer'"),
        ("holes.csv", b"question,answer\nq,\n", "a row without a question or without an answer"),
    ],
)
def test_an_unusable_file_is_refused_and_the_rest_is_read(small_corpus: Corpus, name: str, data: bytes, message: str) -> None:
    import re

    documents, refused = dropped(small_corpus(liver=GOOD), name, data)
    assert list(documents) == ["liver.md"]
    [problem] = refused
    assert problem.file == name and re.search(message, problem.message)


def test_an_encrypted_pdf_is_refused(small_corpus: Corpus) -> None:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(SENTENCE))))
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    _, [problem] = dropped(small_corpus(liver=GOOD), "locked.pdf", out.getvalue())
    assert "encrypted" in problem.message


def test_a_file_too_large_is_refused_without_being_read(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    with (folder / "dump.txt").open("wb") as file:
        file.truncate(200_000_000)
    refused: list[Problem] = []
    assert len(read_corpus(folder, refused)) == 1
    assert "200,000,000 bytes" in refused[0].message


def test_a_sidecar_grades_dates_and_names_the_source(small_corpus: Corpus) -> None:
    folder = small_corpus(liver=GOOD)
    (folder / "ginger.txt.yaml").write_text("title: Ginger\ntier: guideline\nas_of: '2024'\nsource: Our clinic\nurl: https://example.org/ginger\n", "utf-8")
    documents, refused = dropped(folder, "ginger.txt", SENTENCE.encode())
    assert refused == []
    [reference] = documents["ginger.txt"].references
    assert (reference.tier, reference.as_of, reference.source) == ("guideline", "2024", "Our clinic")
    (folder / "ginger.txt.yaml").write_text("tier: gossip\n", "utf-8")
    assert "tier must be one of" in dropped(folder, "ginger.txt", SENTENCE.encode())[1][0].message


def test_editing_and_deleting_a_dropped_file_is_honoured(small_corpus: Corpus, settings: Settings) -> None:
    folder = small_corpus(liver=GOOD)
    (folder / "ginger.txt").write_text(SENTENCE, "utf-8")
    assert any(hit.passage.file == "ginger.txt" for hit in open_bot(settings).search("ginger"))
    (folder / "ginger.txt").write_text("Peppermint oil helps some people with cramps.", "utf-8")
    assert build(settings)
    assert "Peppermint" in open_bot(settings).search("peppermint oil", limit=1)[0].passage.text
    (folder / "ginger.txt").unlink()
    assert {hit.passage.file for hit in open_bot(settings).search("peppermint", limit=10)} == {"liver.md"}
