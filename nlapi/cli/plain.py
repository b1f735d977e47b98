"""Plain text on one line, of an API's descriptions in HTML or Markdown."""

from __future__ import annotations

import re

from nlapi.client.safe_text import single_line

_INLINE = "a|abbr|b|code|em|i|kbd|small|span|strong|sub|sup|tt|u"
_BLOCK = "blockquote|br|dd|div|dl|dt|h[1-6]|hr|img|li|ol|p|pre|section|table|tbody|td|th|thead|tr|ul"
# Only these tags of HTML are removed: `<id>` in a description is a placeholder.
_TAGS = (
    (re.compile(rf"</?(?:{_INLINE})(?:\s[^<>]*)?/?>", re.IGNORECASE), ""),
    (re.compile(rf"</?(?:{_BLOCK})(?:\s[^<>]*)?/?>|<!--.*?-->", re.IGNORECASE | re.DOTALL), " "),
)


def plain_text(text: str) -> str:
    """Return a text without HTML tags, entities, line breaks and control characters."""
    from html import unescape

    for tags, replacement in _TAGS:
        text = tags.sub(replacement, text)
    return single_line(unescape(text))
