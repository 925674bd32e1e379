"""Which tags of prompts name a language: pure.

Prompts carry free tags. One that is an ISO 639-1 code, with a script or a region behind it if need
be, says in which language a prompt is: `en`, `pt-BR`, `zh-Hans`, also written `lang:en`.
"""

import re
from collections.abc import Iterable

# ISO 639-1, each between spaces.
CODES = (
    " aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy"
    " da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu"
    " hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb"
    " lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om"
    " or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw"
    " ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu "
)
TAG = re.compile(r"(?:lang(?:uage)?:)?([a-z]{2})(?:[-_](?:[A-Z][a-z]{3}|[A-Z]{2}|[0-9]{3})){0,2}")


def is_language(tag: str) -> bool:
    """Whether a tag names a language."""
    found = TAG.fullmatch(tag)
    return found is not None and f" {found[1]} " in CODES


def languages_of(tags: Iterable[str]) -> list[str]:
    """The tags that name one, in the order given."""
    return [tag for tag in tags if is_language(tag)]
