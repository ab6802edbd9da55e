"""Check digits of accounts and cards."""

import pytest

from curate.edits.check_digits import IBAN_LENGTHS, has_card_prefix, is_iban, luhn


@pytest.mark.parametrize(
    "account",
    [
        "DE89370400440532013000",
        "GB82WEST12345698765432",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "BE71096123456769",
    ],
)
def test_published_example_accounts_pass_and_fail_with_any_digit_changed(account: str) -> None:
    assert is_iban(account)
    for k in range(2, len(account)):
        if account[k].isdigit():
            assert not is_iban(account[:k] + str((int(account[k]) + 1) % 10) + account[k + 1 :])


def test_an_account_of_another_length_or_country_is_none() -> None:
    assert not is_iban("DE8937040044053201300")
    assert not is_iban("ZZ89370400440532013000")
    assert not is_iban("DEAA370400440532013000")
    assert all(15 <= length <= 33 and len(country) == 2 for country, length in IBAN_LENGTHS.items())


@pytest.mark.parametrize(
    "digits", ["4111111111111111", "378282246310005", "5555555555554444", "6011000990139424", "3530111333300000", "30569309025904", "2223003122003222"]
)
def test_test_numbers_of_the_networks_pass_and_a_changed_or_swapped_digit_fails(digits: str) -> None:
    assert luhn(digits)
    assert has_card_prefix(digits)
    assert not luhn(digits[:-1] + str((int(digits[-1]) + 1) % 10))
    swapped = digits[1] + digits[0] + digits[2:]
    assert digits[0] == digits[1] or not luhn(swapped)


def test_a_prefix_counts_with_its_lengths_only() -> None:
    assert not has_card_prefix("37828224631000")
    assert not has_card_prefix("9780306406157")
    assert has_card_prefix("2720991234567890")
    assert not has_card_prefix("2721991234567890")
