"""Titles as they stand in addresses: "Grüße aus Köln!" becomes "gruesse-aus-koeln"."""

import re
import unicodedata

SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "ł": "l", "&": " and "})


def main(title: str, longest: int = 60) -> str:
    """Makes a title fit for an address: lower-case ASCII letters, digits and hyphens."""
    text = unicodedata.normalize("NFC", title).lower().translate(SPELLED)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", text)
    slug = ""
    for word in words:
        longer = f"{slug}-{word}" if slug else word
        if len(longer) > longest:
            break
        slug = longer
    return slug or "".join(words)[:longest]
