"""One function per national rule: the text as the country writes it, in; whether its check holds, out.

Every function takes the number without spaces, dots, slashes and hyphens, in upper case (`normalise`).
The algorithms are the countries' published ones; `identifiers.toml` names the source of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from salus.standards.nationalid.checksums import (
    is_date,
    is_short_date,
    luhn_holds,
    mod_11_10_holds,
    verhoeff_holds,
    weighted,
)

_SPANISH_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_FINNISH_SIGNS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_IRISH_LETTERS = "WABCDEFGHIJKLMNOPQRSTUV"
_ITALIAN_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12,
         14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def _digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdecimal()


def nine_digits(text: str) -> bool:
    """Nine digits; no check digit is published."""
    return _digits(text, 9)


def portuguese_nif(text: str) -> bool:
    """Modulo 11 with weights 9 to 2; a check of 10 is written 0."""
    if not _digits(text, 9) or text[0] == "0":
        return False
    check = 11 - weighted(text, range(9, 1, -1)) % 11
    return int(text[8]) == (0 if check > 9 else check)


def estonian_isikukood(text: str) -> bool:
    """Century and sex, date, serial; modulo 11 in two rounds (EVS 585; the Lithuanian rule is the same)."""
    if not _digits(text, 11) or text[0] not in "123456":
        return False
    century = 1800 + (int(text[0]) - 1) // 2 * 100
    if not is_date(century + int(text[1:3]), int(text[3:5]), int(text[5:7])):
        return False
    check = weighted(text, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(text, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return int(text[10]) == check


def latvian_personas_kods(text: str) -> bool:
    """Date and century with modulo 11; codes from 2017 begin with 32 and carry neither."""
    if not _digits(text, 11):
        return False
    if text.startswith("32"):
        return True
    if not is_short_date(text[4:6], text[2:4], text[:2]) or text[6] not in "012":
        return False
    return int(text[10]) == (1 + weighted(text, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10


def french_nir(text: str) -> bool:
    """Thirteen characters and the key 97 - number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    number = re.sub(r"^(.{5})2([AB])", lambda found: found[1] + ("19" if found[2] == "A" else "18"), text)
    if not _digits(number, 15) or number[0] not in "123478":
        return False
    return int(number[13:]) == 97 - int(number[:13]) % 97


def spanish_dni(text: str) -> bool:
    """Eight digits (or X, Y, Z and seven: NIE) and the letter of the remainder by 23."""
    if re.fullmatch(r"[XYZ0-9]\d{7}[A-Z]", text, re.ASCII) is None:
        return False
    number = text[0].translate(str.maketrans("XYZ", "012")) + text[1:8]
    return text[8] == _SPANISH_LETTERS[int(number) % 23]


def italian_codice_fiscale(text: str) -> bool:
    """Sixteen characters; the last is the sum of position values modulo 26 (D.M. 23.12.1976)."""
    shape = r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"
    if re.fullmatch(shape, text) is None:
        return False
    even = {**{str(n): n for n in range(10)}, **{chr(65 + n): n for n in range(26)}}
    total = sum(_ITALIAN_ODD[char] if at % 2 == 0 else even[char] for at, char in enumerate(text[:15]))
    return ord(text[15]) - 65 == total % 26


def german_kvnr(text: str) -> bool:
    """One letter, eight digits, check digit: weights 1 and 2 in turn, cross sums, modulo 10."""
    if re.fullmatch(r"[A-Z]\d{9}", text, re.ASCII) is None:
        return False
    number = f"{ord(text[0]) - 64:02d}{text[1:9]}"
    products = (int(digit) * (1 + at % 2) for at, digit in enumerate(number))
    return int(text[9]) == sum(product // 10 + product % 10 for product in products) % 10


def austrian_svnr(text: str) -> bool:
    """Three digits, check digit, birth date; modulo 11 (the month may be 13 to 15)."""
    if not _digits(text, 10) or text[0] == "0":
        return False
    return int(text[3]) == weighted(text, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11


def belgian_nrn(text: str) -> bool:
    """Eleven digits; 97 - first nine modulo 97, with a 2 before them for births from 2000."""
    if not _digits(text, 11):
        return False
    return any(int(text[9:]) == 97 - int(prefix + text[:9]) % 97 for prefix in ("", "2"))


def dutch_bsn(text: str) -> bool:
    """Eleven test: weights 9 to 2 and -1; the sum is a multiple of 11."""
    return _digits(text, 9) and text != "000000000" and weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def finnish_hetu(text: str) -> bool:
    """Date, century sign (none: the hyphen of 19xx), serial, and the sign of the remainder by 31."""
    found = re.fullmatch(r"(\d\d)(\d\d)(\d\d)([+A-FU-Y]?)(\d{3})([0-9A-Y])", text, re.ASCII)
    if found is None:
        return False
    day, month, year, century, serial, sign = found.groups()
    base = 1800 if century == "+" else 1900 if century in "UVWXY" else 2000
    number = int(day + month + year + serial)
    return is_date(base + int(year), int(month), int(day)) and sign == _FINNISH_SIGNS[number % 31]


def swedish_personnummer(text: str) -> bool:
    """Ten or twelve digits with a date (day + 60: samordningsnummer) and Luhn on the last ten."""
    number = text.replace("+", "")
    if not (_digits(number, 10) or _digits(number, 12)):
        return False
    short = number[-10:]
    day = int(short[4:6])
    return is_short_date(short[:2], short[2:4], str(day - 60 if day > 60 else day)) and luhn_holds(short)


def danish_cpr(text: str) -> bool:
    """Ten digits beginning with a date; since 2007 the modulo 11 check no longer holds for all."""
    return _digits(text, 10) and is_short_date(text[4:6], text[2:4], text[:2])


def polish_pesel(text: str) -> bool:
    """Date with the century in the month, serial, weights 1 3 7 9, modulo 10."""
    if not _digits(text, 11):
        return False
    month = int(text[2:4])
    century = (1900, 2000, 2100, 2200, 1800)[month // 20]
    if not is_date(century + int(text[:2]), month % 20, int(text[4:6])):
        return False
    return int(text[10]) == -weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10


def czech_rodne_cislo(text: str) -> bool:
    """Date (month + 50 for women, + 20 when serials ran out), modulo 11; nine digits before 1954."""
    if not (_digits(text, 9) or _digits(text, 10)):
        return False
    month = int(text[2:4]) % 50
    if not is_short_date(text[:2], str(month - 20 if month > 20 else month), text[4:6]):
        return False
    if len(text) == 9:
        return int(text[:2]) < 54
    return int(text[9]) == int(text[:9]) % 11 % 10


def bulgarian_egn(text: str) -> bool:
    """Date with the century in the month, and modulo 11."""
    if not _digits(text, 10):
        return False
    month = int(text[2:4])
    century = (1900, 1800, 2000, 0, 0)[month // 20]
    if not century or not is_date(century + int(text[:2]), month % 20, int(text[4:6])):
        return False
    return int(text[9]) == weighted(text, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10


def romanian_cnp(text: str) -> bool:
    """Sex and century, date, county, serial; weights 279146358279, modulo 11, 10 is written 1."""
    if not _digits(text, 13) or text[0] == "0" or not is_short_date(text[1:3], text[3:5], text[5:7]):
        return False
    check = weighted(text, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return int(text[12]) == (1 if check == 10 else check)


def croatian_oib(text: str) -> bool:
    """Eleven digits, ISO 7064 MOD 11,10."""
    return _digits(text, 11) and mod_11_10_holds(text)


def slovenian_emso(text: str) -> bool:
    """Date with three digits of the year, register, serial; weights 765432765432, modulo 11."""
    if not _digits(text, 13):
        return False
    year = int(text[4:7]) + (1000 if text[4] == "9" else 2000)
    if not is_date(year, int(text[2:4]), int(text[:2])):
        return False
    return int(text[12]) == -weighted(text, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11 % 10


def greek_amka(text: str) -> bool:
    """Date, serial, Luhn."""
    return _digits(text, 11) and is_short_date(text[4:6], text[2:4], text[:2]) and luhn_holds(text)


def irish_ppsn(text: str) -> bool:
    """Seven digits and the letter of the sum modulo 23; a second letter counts nine times."""
    if re.fullmatch(r"\d{7}[A-W][A-IW]?", text, re.ASCII) is None:
        return False
    second = text[8:]
    extra = 0 if second in ("", "W") else 9 * (ord(second) - 64)
    return text[7] == _IRISH_LETTERS[(weighted(text[:7], range(8, 1, -1)) + extra) % 23]


def hungarian_taj(text: str) -> bool:
    """Nine digits; weights 3 and 7 in turn, modulo 10 (Act XX of 1996, annex)."""
    return _digits(text, 9) and int(text[8]) == weighted(text[:8], (3, 7, 3, 7, 3, 7, 3, 7)) % 10


def luxembourgish_matricule(text: str) -> bool:
    """Date, serial, a Luhn digit and a Verhoeff digit, each over the first eleven."""
    if not _digits(text, 13) or not is_date(max(1, int(text[:4])), int(text[4:6]), int(text[6:8])):
        return False
    return luhn_holds(text[:12]) and verhoeff_holds(text[:11] + text[12])


def maltese_id(text: str) -> bool:
    """Up to seven digits and a letter; there is no check digit."""
    return re.fullmatch(r"\d{3,7}[MGAPLHBZ]", text, re.ASCII) is not None


def norwegian_fodselsnummer(text: str) -> bool:
    """Date (day + 40: D number), serial, two modulo 11 digits."""
    if not _digits(text, 11):
        return False
    return (
        weighted(text, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def icelandic_kennitala(text: str) -> bool:
    """Date, two serial digits, modulo 11 digit, century."""
    return _digits(text, 10) and weighted(text, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


RULES: dict[str, Callable[[str], bool]] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        nine_digits, portuguese_nif, estonian_isikukood, latvian_personas_kods, french_nir, spanish_dni,
        italian_codice_fiscale, german_kvnr, austrian_svnr, belgian_nrn, dutch_bsn, finnish_hetu,
        swedish_personnummer, danish_cpr, polish_pesel, czech_rodne_cislo, bulgarian_egn, romanian_cnp,
        croatian_oib, slovenian_emso, greek_amka, irish_ppsn, hungarian_taj, luxembourgish_matricule,
        maltese_id, norwegian_fodselsnummer, icelandic_kennitala,
    )
}  # fmt: skip
