"""The plain twin of the url family: strings and sets."""

import contextlib
import re
from collections.abc import Mapping, Sequence

AROUND = "".join(map(chr, range(33))) + '<>"'


def host_and_rest(uri: str) -> tuple[str, str] | None:
    """A trimmed URI's host, lower case and ASCII, and all that follows its authority; None where it has no host."""
    uri = uri.strip(AROUND)
    named = re.match(r"([A-Za-z0-9+.-]+):", uri)
    if uri.startswith("//"):
        uri = uri[2:]
    elif named and uri[named.end() :].startswith("//"):
        uri = uri[named.end() + 2 :]
    elif named and not re.match(r"[0-9]+($|[/?#\\])", uri[named.end() :]):
        return None
    authority = re.split(r"[/?#\\]", uri, maxsplit=1)[0]
    rest = uri[len(authority) :]
    place = authority.rpartition("@")[2]
    host = (re.match(r"\[[^\]]*\]?", place) or re.match(r"[^:]*", place))[0].rstrip(".")  # type: ignore[index]
    with contextlib.suppress(UnicodeError):  # such a host stays as it is
        host = host if host.isascii() else host.encode("idna").decode()
    return (lower(host), rest) if host else None


def lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def url_key(host: str, rest: str) -> str:
    return host[4 if host.startswith("www.") and len(host) > 4 else 0 :] + lower(rest)


def letters(text: str) -> str:
    return re.sub("[^a-z0-9]+", "", lower(text))


def count(uri: str | None, lists: Mapping[str, Sequence[str]]) -> list[int]:
    """The five columns of one document."""
    found = host_and_rest(uri or "")
    if found is None or uri is None:
        return [0] * 5
    host, rest = found
    labels = host.split(".")
    listed = {h[0] for entry in lists["domains"] if (h := host_and_rest(entry.lstrip("*").lstrip(".")))}
    urls = {url_key(h[0], h[1].rstrip("/")) for entry in lists["urls"] if (h := host_and_rest(entry))}
    key = url_key(host, rest.partition("#")[0])
    first = len(url_key(host, ""))
    starts = {key[:first], key, *(key[:k] for k in range(first + 1, len(key)) if key[k] in "/?&;")}
    whole = uri.strip(AROUND)
    words = set(re.split("[^a-z0-9]+", lower(whole)))
    return [
        int(any(".".join(labels[k:]) in listed for k in range(len(labels)))),
        int(bool(urls & starts)),
        len(words & {letters(entry) for entry in lists["hard_words"]}),
        len(words & {letters(entry) for entry in lists["soft_words"]}),
        sum(entry in letters(whole) for entry in {letters(entry) for entry in lists["strict_substrings"]}),
    ]
