"""The folder of a FAQ on another subject: corpus with format guide and example, rules, texts and settings to adapt, and an operator's files brought in.

    init my-faq/ ─templates beside this file, our replies.toml and guardrails.toml→ my-faq/{corpus/, settings.toml, guardrails.toml, …}
    FILE.md ─front matter put before it→ corpus/FILE.md       FILE.pdf ─copied, with a card→ corpus/FILE.pdf, FILE.pdf.yaml

Nothing that is there is overwritten. The emergency and crisis texts and the help lines are taken over as they are.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from bot.corpus import BIBLIOGRAPHY, OWN_TOPICS, SUFFIXES
from bot.errors import InputError
from bot.settings import OWN, PACKAGE

TEMPLATES = Path(__file__).parent
OURS = "this-faq"  # key of the reference that stands for the operator itself
TOPICS = ("general", "articles")
SHARED = ("classifier", "linear", "over", "context")  # tables of guardrails.toml that know no subject
# Fixed texts that know no subject and are taken over with their translations; those in texts.toml take their own's place.
KEPT = re.compile(
    r"(?:emergency|crisis|check)(?:-\w\w)?|emergency-self|crisis-other|language-\w\w|too-long|busy|unavailable|all-clear|thanks|abuse|moved|starting|about-(?!not|authors|licences)\w.*"
)
LINES = ("emergency", "crisis", "always")
ANTIDOTE = "Narcan"  # the step of the emergency texts that is about opioids: it belongs to our subject
OUR_WORDS = re.compile(r"kratom\|(?:krat\||7oh\||7\|)*")  # of our subject, among others in a pattern that is taken over
FENCE = re.compile(r"^:::", re.MULTILINE)
TITLE = re.compile(r"\A#[ \t]+(.+?)[ \t#]*$\n*", re.MULTILINE)


def start(folder: Path, subject: str, today: date) -> list[Path]:
    """Write what is missing of the folder of a FAQ about `subject`; the files written. Raises InputError."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder, new or begun before")
    if not subject.strip() or "\n" in subject:
        raise InputError("the subject is a few words, such as: --subject 'the city library'")
    name = subject.strip()
    words = {"{subject}": name, "{Subject}": name[:1].upper() + name[1:], "{today}": today.isoformat(), "{next_year}": _next_year(today).isoformat()}
    corpus = folder / "corpus"
    files = {
        folder / OWN: (TEMPLATES / OWN).read_text("utf-8").replace("THIS_FOLDER", str(folder)),
        folder / "synonyms.toml": (TEMPLATES / "synonyms.toml").read_text("utf-8"),
        folder / "guardrails.toml": _rules(),
        folder / "guardrails.jsonl": "",
        folder / "replies.toml": _texts(words),
        corpus / "README.md": _filled((TEMPLATES / "guide.md").read_text("utf-8"), {**words, "{folder}": str(folder)}),
        corpus / "about-this-faq.md": _filled((TEMPLATES / "example.md").read_text("utf-8"), words),
        corpus / OWN_TOPICS: "# The topics a document may have, one a line; the last is for those that name none.\n" + "\n".join(TOPICS) + "\n",
        corpus / BIBLIOGRAPHY: json.dumps([_reference(OURS, f"The FAQ about {name}", today, "guideline")], ensure_ascii=False, indent=1) + "\n",
    }
    written = [path for path in files if not path.exists()]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf-8")
    return written


def bring(folder: Path, files: Sequence[Path], today: date) -> list[Path]:
    """Copy an operator's files into the corpus, each with what the format asks for; where they stand now. Raises InputError before anything is copied."""
    corpus = folder / "corpus"
    names = [path.name.casefold() for path in files]
    for path in files:
        if names.count(path.name.casefold()) > 1:
            raise InputError(f"two files are called {path.name}; rename one of them")
        if not path.is_file():
            raise InputError(f"{path} is no file; name files of these formats: .md {' '.join(sorted(SUFFIXES))}")
        if path.suffix != path.suffix.lower():
            raise InputError(f"{path.name}: rename it, its ending in small letters")
        if path.suffix not in {".md", *SUFFIXES}:
            raise InputError(f"{path.name}: {path.suffix or 'a file without an ending'} is not one of .md {' '.join(sorted(SUFFIXES))}; save it as one of them")
        if (corpus / path.name).exists():
            raise InputError(f"{corpus / path.name} is there already; edit it there, or delete it first")
    return [_document(corpus, path, today) if path.suffix == ".md" else _dropped(corpus, path, today) for path in files]


def _document(corpus: Path, path: Path, today: date) -> Path:
    """A Markdown file as a document: its text stays, its title line becomes a field, and text before the first '## ' gets a heading."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8; save it as UTF-8") from error
    target = corpus / path.name
    if text.startswith("---\n"):  # it has front matter already: the build checks it
        shutil.copy(path, target)
        return target
    named = TITLE.match(text)
    title = named.group(1) if named else _spoken(path)
    body = text[named.end() :] if named else text
    body = FENCE.sub(r"\:::", body)
    if not re.match(r"\s*## ", body):
        body = f"## {title}\n\n{body}" if re.search(r"^## ", body, re.MULTILINE) else body
    identity = _identity(path)
    fields = {
        "id": identity,
        "title": title,
        "topic": TOPICS[0],
        "status": "unreviewed",
        "reviewed": today,
        "review_by": _next_year(today),
        "reference": identity,
    }
    bibliography = json.loads((corpus / BIBLIOGRAPHY).read_text("utf-8"))
    if not any(entry["id"] == identity for entry in bibliography):
        bibliography.append(_reference(identity, title, today, "unreviewed"))
        (corpus / BIBLIOGRAPHY).write_text(json.dumps(bibliography, ensure_ascii=False, indent=1) + "\n", "utf-8")
    target.write_text(f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n\n{body.lstrip()}", "utf-8")
    return target


def _dropped(corpus: Path, path: Path, today: date) -> Path:
    """A file of another format as it is, with a card to complete beside it."""
    target = corpus / path.name
    shutil.copy(path, target)
    card = {"title": _spoken(path), "topic": TOPICS[0], "tier": "unreviewed", "as_of": today.isoformat(), "source": "supplied by the operator"}
    note = "# Complete this card. A tier other than unreviewed says that somebody checked the file.\n# url: https://…\n"
    target.with_name(f"{path.name}.yaml").write_text(note + yaml.safe_dump(card, sort_keys=False, allow_unicode=True), "utf-8")
    return target


def _rules() -> str:
    """The starter's guardrails.toml; a rule with `from` takes over what one of ours does, with examples of its own."""
    import tomlkit

    ours: Any = tomlkit.parse((PACKAGE / "guardrails.toml").read_text("utf-8"))
    rules: Any = tomlkit.parse((TEMPLATES / "guardrails.toml").read_text("utf-8"))
    known = {rule["id"]: rule for rule in ours["rule"]}
    for rule in rules["rule"]:
        if source := rule.pop("from", None):
            rule["id"] = source
            for name in ("why", "action", "reply", "contexts", "whole", "patterns"):
                if name in known[source]:
                    rule[name] = known[source][name]
    for name in SHARED:
        rules[name] = ours[name]
    return OUR_WORDS.sub("", str(tomlkit.dumps(rules)))


def _texts(words: dict[str, str]) -> str:
    """Our replies.toml with what names our subject replaced or left out."""
    import tomlkit

    texts: Any = tomlkit.parse((PACKAGE / "replies.toml").read_text("utf-8"))
    own: Any = tomlkit.parse((TEMPLATES / "texts.toml").read_text("utf-8"))
    texts["version"] = "1.0.0"
    for key in [key for key in texts["notice"] if not KEPT.fullmatch(key)]:
        del texts["notice"][key]
    for kind in [kind for kind in texts["line"] if kind not in LINES]:
        del texts["line"][kind]
    for key, notice in texts["notice"].items():
        if key.startswith("emergency"):
            notice["text"] = tomlkit.string("\n".join(line for line in notice["text"].splitlines() if ANTIDOTE not in line) + "\n", multiline=True)
    for key in [key for key in texts["label"] if key.startswith("topic_")]:
        del texts["label"][key]
    for language in texts["interface"].values():
        language["placeholder"] = language["question"]  # the others' words name our subject
    for table in ("notice", "label", "tier"):
        for key, value in own[table].items():
            texts[table][key] = value
    return _filled(str(tomlkit.dumps(texts)), {mark: json.dumps(word, ensure_ascii=False)[1:-1] for mark, word in words.items()})  # as a TOML string has it


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(name, value)
    return text


def _reference(key: str, title: str, today: date, tier: str) -> dict[str, Any]:
    return {"id": key, "type": "webpage", "title": title, "publisher": "supplied by the operator", "custom": {"tier": tier, "as_of": today.isoformat()}}


def _next_year(today: date) -> date:
    return today.replace(year=today.year + 1, day=min(today.day, 28))


def _identity(path: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "document"


def _spoken(path: Path) -> str:
    return path.stem.replace("-", " ").replace("_", " ").strip().capitalize() or "Document"
