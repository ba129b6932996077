"""A few of each fault of benchmarks/faults.py, which does hundreds: killed builds, killed feedback, damaged, older and read-only indexes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import faults, throwaway
from bot.chat import Bot


@pytest.fixture(autouse=True)
def _ready(bot: Bot) -> None:
    """The house's index must be there: its encoder is copied."""


def test_killed_builds_leave_a_whole_index(tmp_path: Path) -> None:
    _, _, observed, kills = faults.kill_builds(tmp_path, 4)
    assert kills == 4 and observed.startswith("0 broken") and observed.endswith("swept: True"), observed


def test_killed_writers_of_feedback_lose_no_line_they_acknowledged(tmp_path: Path) -> None:
    assert faults.kill_feedback(tmp_path, 4)[2] == "0 lines lost"


def test_damaged_files_are_noticed_and_made_anew(tmp_path: Path) -> None:
    for _, _, observed, _ in faults.damage(tmp_path, 2):
        assert observed.endswith("wrong answers 0"), observed


def test_a_full_disk_stops_a_build_with_words_and_the_old_index_serves(tmp_path: Path) -> None:
    first, second = throwaway.prepare(tmp_path)
    code, line = throwaway.run(second, before=faults.FULL)
    assert code == 1 and line.startswith("IndexWriteError: the index cannot be written"), line
    assert throwaway.serves(first)


@pytest.mark.parametrize(
    ("before", "what", "told"),
    [
        ("sys.modules['onnxruntime'] = None", "open_bot(settings)", "EncoderError: onnxruntime is not installed"),
        (faults.TAMPERED, "build(settings, force=True)", "EncoderError"),
        (faults.CLOCK, "build(settings, force=True)", ""),
    ],
    ids=["onnxruntime missing", "weights tampered", "clock back"],
)
def test_what_is_missing_tampered_or_wrong_is_told_in_words(tmp_path: Path, before: str, what: str, told: str) -> None:
    first, _ = throwaway.prepare(tmp_path)
    code, line = throwaway.run(first, what, before)
    assert (code, line[: len(told)]) == (1 if told else 0, told), line
    assert throwaway.serves(first)


def test_a_bit_of_the_exported_encoder_flips_and_an_older_index_is_built_anew(tmp_path: Path) -> None:
    first, _ = throwaway.prepare(tmp_path)
    for fault, _, observed, _ in faults._older(first):
        assert "NOT NOTICED" not in observed and observed.endswith("serves again: True"), (fault, observed)
