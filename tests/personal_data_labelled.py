"""Sentences with marked personal data, all invented, and look-alikes in which nothing may be cut.

A label is written into the sentence as «kind:value»; reserved names and numbers are used where there are any (example.org,
documentation addresses are left in by default, so public addresses are of no particular owner).
"""

import re

_MARK = re.compile(r"«(\w+):([^»]*)»")

# Tokens are put together from pieces, so that no scanner takes this file for a leak.
_AWS = "AKIA" + "QJ7MZXW4RT2KDPL3"
_GITHUB = "ghp" + "_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
_SLACK = "xoxb" + "-123456789012-abcdefGHIJKL"
_GOOGLE = "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"
_STRIPE = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
_OPENAI = "sk" + "-proj-" + "Zx81kLmQ0pWvR7tYb3NcD5fG"
_JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NSJ9" + ".dozjgNryP4J3jVmNHl0w5N"
_PEM = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7\n-----END RSA PRIVATE KEY-----"

_SENTENCES = (
    "Write to «email:anna.schmidt@example.org», or to «email:o'neil+news@mail.example.co.uk».",
    "Kontakt: «email:jürgen.groß@beispiel-müller.de» (Büro).",
    "邮箱是«email:wang.wei@example.cn»，谢谢。",
    "Пишите на «email:иван@пример.рф».",
    "You can reach «email:jane [at] example [dot] org» any day.",
    "«email:j.doe (at) example.com» answers.",
    "メールは«email:tanaka_t@example.co.jp»まで。",
    "The login came from «ip_address:84.23.118.7» at noon.",
    "サーバー「«ip_address:91.198.33.250»」に接続した。",
    "http://«ip_address:45.33.32.156»:8080/index and [«ip_address:2a02:8108:8ac0:1f4:c5b2:19ff:fe3a:77d1»].",
    "AAAA «ip_address:2606:4700:90d2::13a»",
    "Call «phone:+49 30 901820-55» or «phone:+1 (415) 867-3309» now.",
    "Ruf mich an: «phone:+43 (0)664 1234567».",
    "From abroad «phone:0044 20 7946 0958», at home «phone:020 7946 0958».",
    "Tél. «phone:01 42 68 53 00», portable «phone:06.12.34.56.78»",
    "Office: «phone:(212) 867-5309 x204», fax «phone:646-867-5310».",
    "Telefon «phone:030/12345678» und Handy «phone:0171-1234567».",
    "电话：«phone:13812345678»",
    "電話番号は«phone:03-1234-5678»です。",
    "My phone number is «phone:7946 0958».",
    "Call me at «phone:9498777106» please.",
    "«phone:416 60 039» office",
    "Überweisen Sie auf «iban:DE89 3704 0044 0532 0130 00» bis Freitag.",
    "IBAN: «iban:GB82WEST12345698765432», «iban:FR14 2004 1010 0505 0001 3M02 606».",
    "Naar «iban:nl91abna0417164300» graag",
    "«iban:BE71 0961 2345 6769» with the note 7",
    "Card «card:4111 1111 1111 1111», expires 12/29.",
    "«card:378282246310005» and «card:5555-5555-5555-4444»",
    "Tarjeta «card:6011000990139424».",
    "My card «card:630427373398» is lost.",
    f"export AWS_ACCESS_KEY_ID=«secret:{_AWS}»",
    f"git clone https://«secret:{_GITHUB}»@github.com/a/b",
    f'"slack": "«secret:{_SLACK}»", key=«secret:{_GOOGLE}»',
    f"stripe «secret:{_STRIPE}» and «secret:{_OPENAI}»",
    f"Authorization: Bearer «secret:{_JWT}»",
    f"the file\n«secret:{_PEM}»\nmust not be shared",
    'password = "«secret:Tr0ub4dor&3»"',
    "api_key: «secret:9f8e7d6c5b4a39281706f5e4d3c2b1a0»",
    "DB_PASSWORD=«secret:hJ8!kq2Lm9»;",
    "postgres://«secret:admin:q9Xs2vLp»@db.example.org/app",
)


def _read(sentence: str) -> tuple[str, list[tuple[str, int, int]]]:
    """A sentence without its marks, and its labels: kind, start and end in characters."""
    text, labels, at = "", [], 0
    for mark in _MARK.finditer(sentence):
        text += sentence[at : mark.start()]
        labels.append((mark[1], len(text), len(text) + len(mark[2])))
        text += mark[2]
        at = mark.end()
    return text + sentence[at:], labels


LABELLED = [_read(sentence) for sentence in _SENTENCES]

LOOK_ALIKES: dict[str, list[str]] = {
    "version numbers": [
        "version 4.18.0.477",
        "Chrome/91.0.244.124 Safari",
        "v2.3.4.5",
        "release 8.8.4.4 is out",
        "libfoo-1.2.3.4.tar.gz",
        "4.2.1.3. Methods",
        "Version: 5.15.0.91",
    ],
    "object numbers": ["1.3.6.1.4.1.311.21", "2.5.29.17.1", "1.2.840.113549.1.1.11"],
    "special addresses": [
        "192.168.1.17",
        "10.0.0.1 and 127.0.0.1",
        "192.0.2.44",
        "198.51.100.7",
        "203.0.113.200",
        "224.0.0.251",
        "255.255.255.0",
        "169.254.10.20",
        "fe80::1ff:fe23:4567:890a",
        "2001:db8:85a3::8a2e:370:7334",
        "::1",
    ],
    "code with colons": ["std::vector<int>::iterator", "Foo::Bar::baz()", "a::b::c", "at 12:34:56:78", "00:1a:2b:3c:4d:5e", "d::e", "abcd::1"],
    "books and journals": [
        "ISBN 978-0-306-40615-7",
        "ISBN 0-306-40615-2",
        "ISSN 0317-8471",
        "ISBN 9783161484100",
        "doi:10.1016/j.cell.2020.123456",
        "arXiv 2306.01116",
        "EAN 4006381333931",
    ],
    "dates and times": [
        "2021-03-04 10:11:12",
        "04.03.2021 - 05.03.2021",
        "01/02/2003 04:05",
        "20210304T101112Z",
        "1614852672",
        "1614852672123",
        "12.11.1999, 13.11.1999",
        "07-08-2015",
        "1990 2000 2010 2020",
    ],
    "hashes and ids": [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "123e4567-e89b-12d3-a456-426614174000",
        "sha256:e3b0c44298fc1c149afbf4c8996fb924",
        "d41d8cd98f00b204e9800998ecf8427e",
    ],
    "decimal numbers": [
        "3.14159265358979323846",
        "0.4111111111111111",
        "1,234,567,890",
        "100 000 000 people",
        "6.02214076e23",
        "-0.0123456789",
        "12 345 678,90",
        "+12.5 and +1000000",
    ],
    "order numbers": [
        "Order 4111-1111-22",
        "order 1234567890123456",
        "#20231231-000123",
        "invoice 004530012",
        "INV-2021-000456",
        "part 0612-345",
        "Item 5123456789012345",
    ],
    "lists of numbers": ["01 02 03 04 05 06 07 08", "03 00 00 00 00 1f", "1 2 3 4 5 6 7 8 9 10 11 12", "200 300 4000 5000", "18 15 23 42 16"],
    "addresses of places": ["Boston, MA 02110-1301", "48.8577, +2.295", "+48.8577000, +002.2950", "12345-6789"],
    "names with at signs": ["@handle said", "npm i left-pad@1.3.0", "icon@2x.png", "a @ b", "x@y", "meet @ 5.30pm", "user@localhost"],
    "words about secrets": [
        "password: required field",
        "token = get_token(request)",
        "secret: to be announced",
        "the api_key parameter",
        "password=$PASSWORD",
        "sk-learn-contrib-estimators-library",
        "passwords are hashed",
        "token: my_access_token_value",
        "api_key = os.environ['KEY']",
    ],
    "not an account": ["DE89 3704 0044 0532 0130 01", "GB82 WEST 1234 5698 7654 3", "IT IS 2020 AND THE YEAR 2021 WENT", "NO12 3456 7890 123"],
    "not a card": ["4111 1111 1111 1112", "1234 5678 9012 3456", "0000000000000000", "9999 9999 9999 9995"],
}
