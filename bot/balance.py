"""What a passage claims is not shown without the other side: the corpus's claims decide which passages belong together.

hits + claims ─balanced→ an unreviewed passage stands behind one that answers it
              ─two_sides→ the two hits that disagree lead, the stronger evidence first
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.records import TIERS, Claim, Hit, Passage, Stance

OPPOSITE = {"supports": "disputes", "disputes": "supports"}


def balanced(hits: Sequence[Hit], claims: Sequence[Claim], passages: Sequence[Passage]) -> tuple[Hit, ...]:
    """The hits, each unreviewed one behind a passage that qualifies or disputes what it says, where the claims know one."""
    shown = list(hits)
    for hit in hits:
        answers = _disputing(hit.passage, claims) if hit.passage.status == "unreviewed" else []
        if answers and not any(stance.covers(other.passage) for stance in answers for other in shown):
            passage = next((one for one in passages if answers[0].covers(one)), None)
            if passage:
                shown.insert(shown.index(hit), Hit(passage, hit.score))
    return tuple(shown)


def two_sides(hits: tuple[Hit, ...], found: Sequence[Hit], claims: Sequence[Claim]) -> tuple[tuple[Hit, ...], str | None]:
    """Where a reviewed passage found for the query disputes what the first one supports, or the reverse: both, the stronger evidence leading.

    Returns the hits and the id of the claim, None where no one disagrees.
    """
    lead = hits[0]
    for claim in claims:
        own = {stance.stance for stance in claim.stances if stance.covers(lead.passage)} & set(OPPOSITE)
        wanted = {OPPOSITE[stance] for stance in own}
        spans = [stance for stance in claim.stances if stance.stance in wanted]
        others = (hit for hit in found if hit.passage.status == "reviewed" and any(stance.covers(hit.passage) for stance in spans))
        other = next((hit for hit in others if hit.passage != lead.passage), None)
        if len(own) == 1 and other:
            pair = sorted((lead, other), key=lambda hit: TIERS.index(hit.passage.tier))
            rest = [hit for hit in hits if hit.passage not in (lead.passage, other.passage)]
            return (*pair, *rest), claim.id
    return hits, None


def _disputing(passage: Passage, claims: Sequence[Claim]) -> list[Stance]:
    made = [claim for claim in claims if any(one.covers(passage) and one.stance == "supports" for one in claim.stances)]
    return [one for claim in made for one in claim.stances if one.stance != "supports" and one.document_id != passage.document_id]
