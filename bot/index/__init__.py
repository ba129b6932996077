"""The only door to index/: numbers built from the corpus, never text that could be quoted.

    index/current.json           names the build in service; replaced in one rename, so readers never see half an index
    index/build-<id>/            passages.faiss, questions.faiss, sentences.npy, *.keys.npy, bm25/, kept/, manifest.json
    index/.encoding-<identity>/  vectors of a build that is under way or was killed, which the next one takes up
    index/encoder-<identity>/    the exported encoder, shared by builds
    index/converted/             the text of files that are not Markdown, so that a receipt can be checked without converting them again

Passages are cut again from corpus/ at start and compared with the manifest: what differs is named in an IndexStaleError. Where the corpus lies elsewhere
(the setting `texts`) their cards and places come from kept/, and each text when it is shown.
"""

from bot.index.building import Plan, build_index
from bot.index.kept import Kept, read_kept
from bot.index.reading import Features, PassageIndex, check_index, open_index
from bot.index.shared import Documents, Progress, alone, current_build
from bot.index.stores import load_index, store_of

__all__ = [
    "Documents",
    "Features",
    "Kept",
    "PassageIndex",
    "Plan",
    "Progress",
    "alone",
    "build_index",
    "check_index",
    "current_build",
    "load_index",
    "open_index",
    "read_kept",
    "store_of",
]
