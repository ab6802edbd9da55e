"""Plain twins of the personal-data edit: every pattern over one whole document, and regions as sets of positions."""

from curate.edits.patterns import patterns, search
from curate.edits.personal_data import PersonalDataSettings
from curate.kernels.regions import AFTER, ASSIGNED_WITHIN, BEFORE, MARK_GAP, MARKS

Span = tuple[int, int, str]


def find(text: str, settings: PersonalDataSettings) -> list[Span]:
    """Start, end (bytes) and word of every span of a text."""
    encoded = text.encode()
    taken: list[Span] = []
    for pattern in patterns(frozenset(settings.replacements), public_ips_only=settings.public_ips_only):
        new = [(start, end, settings.replacements[pattern.kind]) for start, end in search(pattern, encoded)]
        taken += [span for span in new if not any(span[0] < end and start < span[1] for start, end, _ in taken)]
    return sorted(taken)


def regions(text: bytes, alone: list[str], assigned: list[str], to_the_end: list[str]) -> list[tuple[int, int, int]]:
    """Start, end and kinds of trigger (1 at signs, 2 marks, 4 phrases) of every region of a text."""
    triggers = [(p, 1) for p in range(len(text)) if text[p : p + 1] == b"@" or bracketed(text, p)]
    triggers += [(p, 2) for p in clustered(text)]
    reaching = set()
    lower = text.lower()
    for phrases, way in ((alone, "alone"), (assigned, "assigned"), (to_the_end, "end")):
        for phrase in phrases:
            for start in range(len(text)):
                stop = start + len(phrase)
                if lower[start:stop] != phrase.encode():
                    continue
                joined = start > 0 and (chr(text[start - 1]).isalnum() or text[start - 1] == 95) and text[start - 1] < 128
                if (way == "alone" and joined) or (way == "assigned" and not {*b"=:"} & {*text[stop : stop + ASSIGNED_WITHIN]}):
                    continue
                triggers.append((stop - 1, 4))
                if way == "end":
                    reaching.add(stop - 1)
    found: list[tuple[int, int, int]] = []
    for p, kind in sorted(triggers):
        low, high = max(0, p - BEFORE), len(text) if p in reaching else min(len(text), p + AFTER)
        while low > 0 and text[low] > 32:
            low -= 1
        while high < len(text) and text[high] > 32:
            high += 1
        high = min(high + 1, len(text))
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]), found[-1][2] | kind)
        else:
            found.append((low, high, kind))
    return found


def bracketed(text: bytes, p: int) -> bool:
    """Whether [at], (at), [dot] or (dot) stands at p, one space allowed inside."""
    forms = [b" " * one + word + b" " * other for one in (0, 1) for other in (0, 1) for word in (b"at", b"dot")]
    return text[p : p + 1] in (b"[", b"(") and any(text[p + 1 :].lower().startswith((form + b"]", form + b")")) for form in forms)


def clustered(text: bytes) -> list[int]:
    """The places of marks that are at least the MARKS-th of their cluster."""
    places = [p for p in range(len(text)) if text[p] in b"0123456789:" or (text[p] == 46 and p > 0 and text[p - 1] in b"0123456789")]
    run, found = 0, []
    for k, p in enumerate(places):
        run = run + 1 if k and p - places[k - 1] <= MARK_GAP else 1
        if run >= MARKS:
            found.append(p)
    return found
