"""Records in = kept + held out + dropped by reason + quarantined by reason: the check that nothing disappears."""

from collections.abc import Mapping

from curate.errors import AccountingError

_REPORT = "No corpus may be built on sums that do not add up: this is an error of Corpuscle's, please report it with this message"


def check_sums(
    source: str,
    *,
    records: int,
    documents: int,
    kept: int,
    held_out: int,
    dropped: Mapping[str, int],
    refused: Mapping[str, int],
    quarantined: Mapping[str, int],
) -> None:
    """Check the sums of one source. dropped: documents by the reason in the ledger, neither kept nor held out; refused: records
    that gather dropped as not wanted, by reason; quarantined: records by reason.

    Raises AccountingError, with every number, unless records = documents + refused + quarantined and
    documents = kept + held out + dropped.
    """
    shares = {"documents": documents, "kept": kept, "held out": held_out}
    reasons = {f"{kind} {reason}": number for kind, by_reason in _kinds(dropped, refused, quarantined) for reason, number in by_reason.items()}
    if negative := [f"{name} {number:,}" for name, number in {"records": records, **shares, **reasons}.items() if number < 0]:
        raise AccountingError(f"source {source!r}: a count is negative ({', '.join(negative)}); nothing built on these sums may be trusted. {_REPORT}")
    gathered, selected = documents + sum(refused.values()) + sum(quarantined.values()), kept + held_out + sum(dropped.values())
    if gathered != records:
        found = f"{documents:,} documents + {_listed('refused', refused)} + {_listed('quarantined', quarantined)}"
        raise AccountingError(f"source {source!r}: {records:,} records went in, but {gathered:,} are accounted for: {found}. {_REPORT}")
    if selected != documents:
        found = f"{kept:,} kept + {held_out:,} held out + {_listed('dropped', dropped)}"
        raise AccountingError(f"source {source!r}: {documents:,} documents were gathered, but {selected:,} have a fate: {found}. {_REPORT}")


def _kinds(dropped: Mapping[str, int], refused: Mapping[str, int], quarantined: Mapping[str, int]) -> list[tuple[str, Mapping[str, int]]]:
    return [("dropped", dropped), ("refused", refused), ("quarantined", quarantined)]


def _listed(kind: str, by_reason: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(by_reason.items()))
    return f"{sum(by_reason.values()):,} {kind}" + (f" ({reasons})" if reasons else "")
