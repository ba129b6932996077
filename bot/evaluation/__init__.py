"""How well the bot answers: golden questions in; figures with intervals, plots, the abstention certificate and a diff of two versions out.

tests/golden/questions_{tune,test}.jsonl ─golden→ Outcome ─figures→ shares, intervals, certificate ─report→ docs/evaluation.md
                                                          └difference→ which questions changed their first passage
tests/golden/messages_{tune,test}.jsonl ─safety→ docs/guardrails.md
tests/golden/conversations_{tune,test}.jsonl ─conversations→ docs/conversations.md
"""

from bot.evaluation.conversations import conversations_markdown
from bot.evaluation.difference import changes, first_passages
from bot.evaluation.figures import certificate, figures, upper_bound, wilson
from bot.evaluation.golden import GOLDEN, Outcome, Question, evaluate, read_questions
from bot.evaluation.report import report_markdown, write_plots
from bot.evaluation.safety import safety_markdown

__all__ = [
    "GOLDEN",
    "Outcome",
    "Question",
    "certificate",
    "changes",
    "conversations_markdown",
    "evaluate",
    "figures",
    "first_passages",
    "read_questions",
    "report_markdown",
    "safety_markdown",
    "upper_bound",
    "wilson",
    "write_plots",
]
