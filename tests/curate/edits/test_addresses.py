"""Which addresses are public, and what around a number says that it is no address."""

import ipaddress

import pytest

from curate.edits.addresses import accept_email, accept_ip4, accept_ip6, is_public

SET_APART = """
0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 169.254.1.1 172.16.0.1 172.31.255.255 192.0.2.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
255.255.255.255 ::1 fe80::1 fc00::1 2001:db8::1 ff02::1 ::ffff:1.2.3.4
"""
PUBLIC = "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 223.255.255.255 2606:4700::1111 2a00:1450::1"


@pytest.mark.parametrize("address", SET_APART.split())
def test_addresses_that_are_set_apart_are_not_public(address: str) -> None:
    assert not is_public(address.encode())


@pytest.mark.parametrize("address", PUBLIC.split())
def test_others_are_public_as_python_says_too(address: str) -> None:
    assert is_public(address.encode())
    assert ipaddress.ip_address(address).is_global


def accepted(text: str, address: str, accept: object = accept_ip4) -> bool:
    start = text.encode().index(address.encode())
    return accept(text.encode(), start, start + len(address.encode())) is not None  # type: ignore[operator]


@pytest.mark.parametrize("before", ["version ", "v", "Chrome/", "rev1.1 ", "Section\u00a0", "\n* ", "Раздел ", "1.", "a-"])
def test_words_and_marks_before_a_quad_can_make_it_a_version(before: str) -> None:
    assert not accepted(before + "4.8.12.3 is", "4.8.12.3")


@pytest.mark.parametrize("before", ["", "at ", "(", "http://", "版", "in\u00a0", "\n\n81.2.69.160 "])
def test_other_things_before_it_do_not(before: str) -> None:
    assert accepted(before + "84.23.118.7 is", "84.23.118.7")


@pytest.mark.parametrize("text", ["256.1.1.1", "01.2.3.4", "1.2.3.4.5"])
def test_numbers_that_are_no_quad_are_none(text: str) -> None:
    assert not accepted(f"is {text}", text if text.count(".") == 3 else text[:7])


def test_groups_with_colons_need_the_form_of_an_address() -> None:
    assert accepted("is 2606:4700:90d2::13a now", "2606:4700:90d2::13a", accept_ip6)
    for text in ("12:34:56", "a::b", "00:1a:2b:3c:4d:5e", "1:2:3:4:5:6:7", "1::2::3:4:5:6"):
        assert not accepted(f"is {text} now", text, accept_ip6)


def test_an_address_that_no_mail_server_takes_is_none() -> None:
    assert accepted("x a@b.cc y", "a@b.cc", accept_email)
    assert not accepted("icon@2x.png", "icon@2x.png", accept_email)
    assert not accepted("a" * 250 + "@b.cc", "a" * 250 + "@b.cc", accept_email)
