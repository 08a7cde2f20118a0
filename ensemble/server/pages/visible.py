"""Texts whose every character can be seen."""

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Controls, what is unseen or turns the direction of writing, halves of characters, and tags that hide whole texts."""


def visible(text: str) -> str:
    """``text`` with a name such as ⟨U+202E⟩ for each character that would act on a page instead of being seen on it."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))
