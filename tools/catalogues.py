"""Bring the gettext catalogues of the fixed words up to date; `python -m tools.catalogues`.

`messages.toml` becomes the template `po/messages.pot`; each `po/LANGUAGE.po` gets the messages it lacks
(empty) and loses those that are gone. A message whose English has changed keeps its translation, marked
`fuzzy`: to be read again. A second run changes nothing. The files are for translators: any tool that knows
gettext edits them, and takes the mark `fuzzy` away from what its user has reviewed.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from salus.primary.wording.catalogue import ENGLISH, LANGUAGES
from salus.primary.wording.messages import Counted, messages, table

FOLDER = Path(__file__).resolve().parents[1] / "src" / "salus" / "primary" / "wording" / "po"
TEMPLATE = "messages.pot"
ABOUT = "The fixed words of documents. What is marked fuzzy has been reviewed by nobody yet."
OURS = "Translated for Salus"
"""The source of a translation that was taken from no published vocabulary."""
TENS = "n % 10 >= 2 && n % 10 <= 4 && (n % 100 < 12 || n % 100 > 14)"
TEENS = "n % 100 >= 11 && n % 100 <= 19"
PLURALS = {
    "cs": "n == 1 ? 0 : n >= 2 && n <= 4 ? 1 : 2",
    "fr": "n > 1",
    "ga": "n == 1 ? 0 : n == 2 ? 1 : n >= 3 && n <= 6 ? 2 : n >= 7 && n <= 10 ? 3 : 4",
    "hr": f"n % 10 == 1 && n % 100 != 11 ? 0 : {TENS} ? 1 : 2",
    "lt": f"n % 10 == 1 && !({TEENS}) ? 0 : n % 10 >= 2 && !({TEENS}) ? 1 : 2",
    "lv": f"n % 10 == 0 || {TEENS} ? 0 : n % 10 == 1 && n % 100 != 11 ? 1 : 2",
    "mt": f"n == 1 ? 0 : n == 2 ? 1 : n == 0 || n % 100 >= 3 && n % 100 <= 10 ? 2 : {TEENS} ? 3 : 4",
    "pl": f"n == 1 ? 0 : {TENS} ? 1 : 2",
    "ro": "n == 1 ? 0 : n == 0 || n % 100 >= 1 && n % 100 <= 19 ? 1 : 2",
    "sk": "n == 1 ? 0 : n >= 2 && n <= 4 ? 1 : 2",
    "sl": "n % 100 == 1 ? 0 : n % 100 == 2 ? 1 : n % 100 == 3 || n % 100 == 4 ? 2 : 3",
}
"""The plural forms of whole numbers by language (Unicode CLDR, plural rules), as gettext writes them.

Of a language that is not named: "n != 1".
"""
FORMS = {"cs": 3, "ga": 5, "hr": 3, "lt": 3, "lv": 3, "mt": 5, "pl": 3, "ro": 3, "sk": 3, "sl": 4}
"""How many forms a language has; two where it is not named."""


HEADER = """# {about}
msgid ""
msgstr ""
"Project-Id-Version: Salus\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""


def main() -> None:
    """Write the template and every catalogue."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / TEMPLATE).write_bytes(written(template(), ""))
    for language in LANGUAGES:
        if language != ENGLISH:
            file = FOLDER / f"{language}.po"
            file.write_bytes(written(updated(language, _old(file, language)), language))


def template() -> Catalog:
    """Return the messages as a gettext template: context, English, in a comment where the words come from."""
    found = Catalog(charset="utf-8")
    for key, message in messages().items():
        texts = (message.one, message.many) if isinstance(message, Counted) else message
        found.add(texts, context=key, auto_comments=[table().about[key.partition(".")[0]]])
    return found


def updated(language: str, old: Catalog | None) -> Catalog:
    """Return the catalogue of a language with exactly the messages of the template, in its order."""
    new = Catalog(locale=language, charset="utf-8")
    new.mime_headers = [("Plural-Forms", plural_forms(language))]
    known = {str(each.context): each for each in old or () if each.id}
    for each in template():
        if each.id:
            _add(new, each, known.get(str(each.context)), forms=FORMS.get(language, 2))
    return new


def plural_forms(language: str) -> str:
    """Return the rule of plurals of a language as gettext writes it."""
    return f"nplurals={FORMS.get(language, 2)}; plural=({PLURALS.get(language, 'n != 1')});"


def _add(catalog: Catalog, message: Message, old: Message | None, *, forms: int) -> None:
    """Add a message with the translation it had; one that is new, or whose English changed, is fuzzy."""
    empty: str | tuple[str, ...] = "" if isinstance(message.id, str) else ("",) * forms
    text = old.string if old is not None and old.string else empty
    is_new = old is None or old.id != message.id
    flags = {"fuzzy"} if is_new or (old is not None and old.fuzzy) else set()
    source = old.user_comments if old is not None and old.user_comments else [OURS]
    catalog.add(
        message.id,
        text,
        context=message.context,
        flags=flags,
        user_comments=source,
        auto_comments=message.auto_comments,
    )


def _old(file: Path, language: str) -> Catalog | None:
    if not file.exists():
        return None
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def written(catalog: Catalog, language: str) -> bytes:
    """Return a catalogue as its file has it: the same bytes for the same messages, no dates, no names."""
    out = BytesIO()
    write_po(out, catalog, width=0, omit_header=True)
    head = HEADER.format(about=ABOUT, language=language, plurals=plural_forms(language))
    return head.encode() + out.getvalue()


if __name__ == "__main__":
    main()
