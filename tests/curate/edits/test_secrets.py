"""Keys and passwords, and the words and code that look like them."""

import pytest

from curate.documents import as_text
from curate.edits.personal_data import PersonalDataSettings, find_personal_data
from curate.edits.secrets import PREFIXES, TOKENS

SECRETS = PersonalDataSettings(email=None, ip_address=None, phone=None, iban=None, card=None)
BODY = "MIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhVcRmEHvK4dYxQw\n" * 3
MIXED = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7" * 3


def cut(text: str) -> list[str]:
    spans = find_personal_data(as_text([text]), SECRETS)
    return [text.encode()[start:end].decode() for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)]


@pytest.mark.parametrize(
    "token",
    [
        "ASIA" + "QJ7MZXW4RT2KDPL3",
        "gho" + "_" + MIXED[:36],
        "github_pat" + "_" + MIXED[:30],
        "glpat" + "-" + MIXED[:20],
        "xapp" + "-1-" + MIXED[:30],
        "hooks.slack" + ".com/services/T0AB/B0CD/" + MIXED[:24],
        "ya29" + "." + MIXED[:40],
        "GOCSPX" + "-" + MIXED[:28],
        "rk" + "_test_" + MIXED[:24],
        "whsec" + "_" + MIXED[:32],
        "sk" + "-ant-api03-" + MIXED[:60],
        "hf" + "_" + MIXED[:34],
        "npm" + "_" + MIXED[:36],
        "pypi" + "-" + MIXED[:60],
        "SG" + "." + MIXED[:22] + "." + MIXED[:43],
    ],
)
def test_every_issuers_form_is_cut_whole_wherever_it_stands(token: str) -> None:
    assert cut(f"it was {token}.\n") in ([token], [token + "."])
    assert cut(f'"{token}"') == [token]
    assert cut(f"x{token}") == []


def test_every_form_begins_with_a_prefix_that_makes_a_region() -> None:
    openings = {token.replace("\\", "").replace("(?:", "").lower()[:2] for token in TOKENS}
    assert openings <= {prefix[:2] for prefix in PREFIXES} | {"gh", "xo"}


def test_a_key_block_is_cut_whole_and_one_without_its_end_to_the_end_of_its_lines() -> None:
    block = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}-----END OPENSSH PRIVATE KEY-----"
    assert cut(f"before\n{block}\nafter") == [block]
    assert cut(f"{block}\n{block}") == [block, block]
    open_block = f"-----BEGIN PRIVATE KEY-----\n{BODY.rstrip()}"
    assert cut(f"{open_block}\n\nThe text goes on here.") == [open_block]
    assert cut(f"{open_block}\n\n{block}") == [open_block, block]
    assert cut("the line -----BEGIN PRIVATE KEY----- opens a key") == []
    assert cut(f"-----BEGIN CERTIFICATE-----\n{BODY}-----END CERTIFICATE-----") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password=hunter2Hunter", "hunter2Hunter"),
        ("'passwd' => 'x9!kQz7pLm'", "x9!kQz7pLm"),
        ('{"client_secret": "8f14e45fceea167a5a36dedd4bea2543"}', "8f14e45fceea167a5a36dedd4bea2543"),
        ("AWS_SECRET_ACCESS_KEY = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ8sT1vW4y", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ8sT1vW4y"),
        ("access_token: 9a0b1c2d3e4f5a6b7c8d", "9a0b1c2d3e4f5a6b7c8d"),
    ],
)
def test_random_looking_values_of_telling_names_are_cut(text: str, value: str) -> None:
    assert cut(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "password: required, 8 characters",
        "token=next_token_of_the_stream",
        "pwd: /usr/local",
        "secret = settings.SECRET_KEY_NAME_1",
        "password = input('Password')",
        "api_key=YOUR_API_KEY_HERE_123",
        "password=aaaaaaa1a1",
        "token: 12345678901234567890",
        "password=\nnextline99AA",
        "user:password@host and http://user:password@host",
    ],
)
def test_words_code_and_blanks_stay(text: str) -> None:
    assert cut(text) == []
