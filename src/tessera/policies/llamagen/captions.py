"""Captions as LlamaGen's T5 was given them: the cleaning of its sampling scripts, twice over.

What FoundationVision/LlamaGen:language/t5.py does to a text (as PixArt and DeepFloyd IF before it): web
addresses, tags, file names and numbers that look like part of a shop's page go, dashes and quotation marks
become one kind each, all is lower case. An ordinary prompt loses capitals, brackets, slashes and a final
dash; one that speaks of a click on something loses that, too.

Two steps there need packages that are no dependency here. `ftfy` mends broken characters, and is used where
it is installed. BeautifulSoup takes the tags out; here the parser of the standard library that it stands on
does, and they differ where an ampersand stands before a letter and begins no entity.
"""

import html
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from urllib.parse import unquote_plus

LETTER = "[a-zA-Z]"
DASHES = (
    "\\-\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40"
    "\u301c\u3030\u30a0\ufe31\ufe32\ufe58\ufe63\uff0d"
)
SIGNS = re.escape("#®•©™&@·º½¾¿¡§~)(][}{|\\/*")  # each row of these becomes a space
FILES = "(?:png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4)"
DOMAINS = "(?:com|co|ru|net|org|edu|gov|it)"
MANY_JOINTS = 3  # with more hyphens and underscores than that, all of them are spaces


def _address(scheme: str) -> str:
    """Returns the pattern of an address: the scheme by itself, or a domain with its path."""
    return rf"\b(?:{scheme}:(?:/{{1,3}}|[a-zA-Z0-9%])|[a-zA-Z0-9.\-]+[.]{DOMAINS}[\w/-]*\b/?(?!@))"


Rules = tuple[tuple[str, str], ...]  # pattern and what stands in its place, in order

ADDRESSES: Rules = (
    ("<person>", "person"),
    (_address("https?"), ""),
    (_address("www"), ""),
)
SPELLING: Rules = (
    (r"@[\w\d]+\b", ""),  # a nickname
    ("[\u31c0-\u9fff]+", ""),  # Chinese characters and their company
    (f"[{DASHES}]+", "-"),
    ("[`´«»“”¨]", '"'),
    ("[‘’]", "'"),
    ("&quot;?", ""),
    ("&amp", ""),
    (r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", " "),  # the address of a machine
    (r"\d:\d\d\s+$", ""),
    (r"\\n", " "),
    (r"#\d{1,3}\b", ""),
    (r"#\d{5,}\b", ""),
    (r"\b\d{6,}\b", ""),
    (rf"\S+\.{FILES}", ""),
    ("[\"']{2,}", '"'),
    (r"[.]{2,}", " "),
    (f"[{SIGNS}]+", " "),
    (r"\s+\.\s+", " "),
)
PAGES: Rules = (
    (rf"\b{LETTER}{{1,3}}\d{{3,15}}\b", ""),  # article numbers
    (rf"\b{LETTER}+\d+{LETTER}+\b", ""),
    (rf"\b\d+{LETTER}+\d+\b", ""),
    (r"(?:worldwide\s+)?(?:free\s+)?shipping", ""),
    (r"(?:free\s)?download(?:\sfree)?", ""),
    (r"\bclick\b\s(?:for|on)\s\w+", ""),
    (rf"\b{FILES}(?:\simages?)?", ""),
    (r"\bpage\s+\d+\b", ""),
    (rf"\b\d*{LETTER}+\d+{LETTER}+\d+[a-zA-Z\d]*\b", " "),
    ("\\b\\d+\\.?\\d*[x\u0445×]\\d+\\.?\\d*\\b", ""),  # measures, with a Latin or a Cyrillic x
    (r"\b\s+:\s+", ": "),
    (r"(\D[,./])\b", r"\1 "),
    (r"\s+", " "),
    (r"^[\"']([\w\W]+)[\"']$", r"\1"),
    (r"^['_,\-:;]", ""),
    (r"['_,\-:+]$", ""),
    (r"^\.\S+$", ""),
)


def cleaned(caption: str) -> str:
    """Returns the caption as the encoder is to read it."""
    return _once(_once(caption))


def cleaning_word() -> str:
    """Returns what a digest says of the cleaning: some captions read otherwise where ftfy is missing."""
    return "ftfy" if find_spec("ftfy") is not None else "without ftfy"


def _once(caption: str) -> str:
    text = _replaced(unquote_plus(caption).strip().lower(), ADDRESSES)
    text = _replaced(_without_tags(text), SPELLING)
    if len(re.findall("[-_]", text)) > MANY_JOINTS:
        text = re.sub("[-_]", " ", text)
    return _replaced(_mended(text), PAGES).strip()


def _replaced(text: str, rules: Rules) -> str:
    for pattern, instead in rules:
        text = re.sub(pattern, instead, text)
    return text


def _mended(text: str) -> str:
    if find_spec("ftfy") is not None:
        from ftfy import fix_text  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only if installed

        text = fix_text(text)
    return html.unescape(html.unescape(text)).strip()


class _Text(HTMLParser):
    """Hears the text between tags."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _without_tags(text: str) -> str:
    parser = _Text()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)
