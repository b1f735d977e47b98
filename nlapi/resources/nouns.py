"""Finds the noun that an operation or an id is about, and the field of an item that is its id.

The noun of `GET /accounts/{id}/ad_sets`, of `POST /ad_sets/filter` and of `/ad_sets/{id}:pause` is ("ad", "sets").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.command_verbs import is_verb
from nlapi.english.intents import PLAIN_VERBS, STOPWORDS, VERBS
from nlapi.english.words import name_key, name_words, singular, singular_last, singular_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import READ_METHODS, Operation, Parameter, as_list
from nlapi.resources.paths import EXTENSION, FORMATS, position, segments
from nlapi.resources.paths import Place as Place
from nlapi.resources.schemas import SchemaReader, ref_of

_JOINTS = lexicon.words("resources/words", "noun_joints")
_NUMBERS = lexicon.words("resources/words", "number_words")

QUERY_WORDS = lexicon.words("resources/words", "query_words")
"""Segments that name a way of reading a collection, and no resource: /flows/filter, /conversations.info."""

VERSION = lazy_pattern(r"v?\d+(?:[.\w-]*)?|apis?|rest", re.IGNORECASE)
"""A segment that every path of an API may begin with: v1, 2010-04-01, api, rest."""

_PLACEHOLDER = lazy_pattern(r"\{[^{}]*\}")
_FIELD_SEGMENT = lexicon.pattern("resources/words", "field_segment", re.IGNORECASE)
# Verbs that begin a segment as a command: `getStatus`. `viewSettings` and `new_leads` name resources.
_IMPERATIVES = PLAIN_VERBS - lexicon.stems("resources/words", "noun_openings")

Words = tuple[str, ...]

ID_WORDS = lexicon.words("resources/words", "id_words")
"""Last words of the names of arguments that take an id."""

NAME_WORDS = lexicon.words("resources/words", "name_words")
"""Last words of the names of arguments that take another identifying field."""

_ID_FIELDS = lexicon.ordered("resources/words", "id_fields")
_NAME_FIELDS = tuple(lexicon.text("resources/words", "name_fields").split())
_ALTERNATIVES = lexicon.ordered("resources/words", "alternatives")

# Last words of the names of path parameters that say how or when to read, and identify nothing.
_NON_ID_WORDS = lexicon.words("resources/words", "non_id_words")

# Qualifiers of ids that another system issues.
_FOREIGN_QUALIFIERS = lexicon.words("resources/words", "foreign_qualifiers")

_FIELD_OBJECT_NAMES = lexicon.ordered("resources/words", "field_object_names")
# Words in the description of an argument that takes an id, and of one that takes a name.
_DESCRIBED_ID = lexicon.pattern("resources/words", "described_id", re.IGNORECASE)
_ID_MENTION = lazy_pattern(r"\b(?:id|ids|identifier|uuid|guid)\b")
_NAME_MENTION = lazy_pattern(r"\b(?:name|login|slug|handle|username|hostname|example\.com)\b")
# Letters of a name that may be short for a noun, and characters of a description that are looked at, at most.
_LONGEST_ABBREVIATION = 4
_OPENING = 120
_IDS_ALONE = tuple((word,) for word in sorted(ID_WORDS))


def noun_of(operation: Operation) -> tuple[str, ...]:
    """Return the words of the noun of an operation, in the number of the path; () without one."""
    return path_noun(operation) or id_noun(operation.id)


def path_noun(operation: Operation) -> tuple[str, ...]:
    """Return the noun of the path alone; () where the path has none: /search."""
    verb, *others = name_words(operation.id) or ("",)
    if others == [operation.method.lower()]:
        verb = ""  # Task_Post of /api/Task
    return _path_noun(operation.route, operation.method in READ_METHODS, verb)


def home_route(route: str) -> str:
    """Return a route without the segments that name the field of a placeholder: /variables[/name]/{name}."""
    return _FIELD_SEGMENT.sub("", route)


def singular_noun(operation: Operation) -> tuple[str, ...]:
    """Return the noun of an operation in the singular: ("ad", "set")."""
    return singular_last(noun_of(operation))


@lru_cache(maxsize=16384)
def _path_noun(route: str, reads: bool, verb: str) -> tuple[str, ...]:
    """Return the noun of a path; `verb` is the first word of the id, with which `/shelves/{id}/resolve` may end."""
    parts = list(_literal_parts(home_route(route)))
    for index in range(len(parts) - 1, -1, -1):
        words = name_words(parts[index])
        if not words or set(words) <= FORMATS or VERSION.fullmatch(parts[index]):
            continue
        if words == (verb,) and singular(verb) == verb and 0 < index == len(parts) - 1:
            continue
        noun = _without_verb(words, reads=reads, is_first=index == 0)
        if noun:
            return noun
    return ()


def _literal_parts(route: str) -> Iterator[str]:
    """Yield the literal parts of a path in order, also divided at dots and colons: /chat.post, /runs/{id}:cancel."""
    for segment in route.split("/"):
        literal = EXTENSION.sub("", _PLACEHOLDER.sub("", segment))
        yield from (part for part in re.split(r"[.:()]", literal) if part)


def _without_verb(words: Sequence[str], *, reads: bool, is_first: bool) -> tuple[str, ...]:
    """Return the words of a segment without its leading verb; () for a segment that is a verb."""
    first = words[0]
    if len(words) == 1:
        is_plural_word = singular(first) != first
        # A GET has the verb of its method, so that /{id}/schedule ends in a noun there.
        is_verb = first in QUERY_WORDS or (stem(first) in VERBS and not is_plural_word and not reads)
        return () if is_verb and not is_first else tuple(words)
    if words[-1] == "count" and singular(words[-2]) != words[-2]:
        words = words[:-1]  # collections_count
    if stem(first) in _IMPERATIVES:
        noun_words = words[1:]
        end = next((index for index, word in enumerate(noun_words) if word in _JOINTS), len(noun_words))
        return tuple(noun_words[:end])
    return tuple(words)


def id_noun(id: str) -> tuple[str, ...]:
    """Return the noun of an operation id such as `ListBuckets` or `buckets/list`; () where it is only a verb."""
    parts = [part for part in re.split(r"[/.:]", id) if part]
    words = [word for part in parts[-1:] for word in name_words(part) if word.isalpha()]
    while words and (stem(words[0]) in VERBS or words[0] in STOPWORDS):
        words = words[1:]
    end = next((index for index, word in enumerate(words) if word in _JOINTS), len(words))
    return tuple(words[:end]) or (name_words(parts[-2]) if len(parts) > 1 else ())


def is_single(operation: Operation) -> bool:
    """Return whether the path ends in a placeholder, so that the operation is about one item."""
    return EXTENSION.sub("", operation.route.rstrip("/")).endswith("}")


def is_id_argument(place: Place, parameter: Parameter | None = None) -> bool:
    """Return whether the value for a place identifies an item, as every path parameter but a closed choice does."""
    location, name = place
    words = name_words(bare_name(name))
    if parameter is not None and ("enum" in parameter.schema or parameter.schema.get("type") == "boolean"):
        return False
    if location == "path":
        return bool(words) and (words[-1] not in _NON_ID_WORDS or words[-1] in ID_WORDS)
    if words in (("id",), ("ids",), ("uuid",), ("uuids",)):
        return True
    # Outside of a path, `page_number` and `sort_key` are more frequent than keys and numbers of items.
    return len(words) > 1 and (words[-1] in ID_WORDS - _NUMBERS or words[0] == "id")


def bare_name(name: str) -> str:
    """Return the name of an argument without Django's way of comparing: `code` of `code__iexact`."""
    head, _, lookup = name.rpartition("__")
    return head if head and lookup in ("exact", "iexact") else name


def has_collection_name(operation: Operation, place: Place) -> bool:
    """Return whether a placeholder is named like the items before it, as `version` is in /versions/{version}."""
    pairs = pairwise(segments(operation.route)) if place[0] == "path" else ()
    collection_words = next((name_words(part.text) for part, following in pairs if following.parameter == place[1]), ())
    return collection_words != singular_words("_".join(collection_words)) == singular_words(place[1])


def noun_in_name(name: str) -> Words:
    """Return the noun that an argument or a property identifies by its name, in the singular; () without one.

    `campaignIds` identify a campaign, `project_name_or_id` a project; `id` and `name` have no noun.
    """
    words = name_words(bare_name(name))
    noun_words = [word for word in words if word not in ID_WORDS and word not in ("or", "by")]
    while len(noun_words) > 1 and noun_words[-1] in NAME_WORDS and (words[-1] in NAME_WORDS or "or" in words):
        noun_words = noun_words[:-1]
    if not noun_words or (len(noun_words) == 1 and noun_words[0] in NAME_WORDS - {"username"}):
        return ()
    return (*noun_words[:-1], singular(noun_words[-1]))


def target_noun(operation: Operation, place: Place) -> Words:
    """Return the noun that the value for a place identifies, in the singular: by its name, else by the path before it.

    `campaign_id` identifies a campaign, and so does the `id` of /campaigns/{id}; () where neither has a noun. Where the
    name is short for a noun of its description, it is that one: `a_id`, an article identifier.
    """
    if noun := noun_in_name(place[1]):
        return spelled_out_noun(operation, place) or noun
    if place[0] != "path":
        return singular_noun(operation) if set(name_words(place[1])) <= ID_WORDS else ()
    return noun_in_path(operation, place[1])


def noun_in_path(operation: Operation, parameter: str) -> Words:
    """Return the noun before the placeholder of a parameter, in the singular: campaign, of /campaigns/{id}."""
    path = segments(home_route(operation.route))
    literals = [segment.text for segment in path[: position(path, parameter)] if not segment.parameter]
    if operation.method not in READ_METHODS and len(literals) > 1 and _is_command(literals[-1]):
        literals.pop()  # /webhooks/regenerate-token/{id}
    return singular_words(literals[-1]) if literals else ()


def spelled_out_noun(operation: Operation, place: Place) -> Words:
    """Return the noun, in the singular, that the name of a parameter is short for, by its description; () without one.

    The `orgid` of "Id of the organization unit" is that of an organization unit, and so is an `ou_id`.
    """
    short = noun_in_name(place[1])
    if len(short) != 1 or len(short[0]) > _LONGEST_ABBREVIATION or place[0] == "body":
        return ()
    descriptions = (entry.description for entry in operation.parameters if (entry.location, entry.name) == place)
    return _spelled_out(short[0], next(descriptions, ""))


@lru_cache(maxsize=16384)
def _spelled_out(short: str, description: str) -> Words:
    for match in _DESCRIBED_ID.finditer(description[:_OPENING]):
        words = name_words(match["behind"] or match["before"] or "")
        for first, word in enumerate(words):
            initials = "".join(entry[0] for entry in words[first:])
            if (word != short and word.startswith(short)) or (len(short) > 1 and initials == short):
                return singular_last(words[first:])
    return ()


def _is_command(segment: str) -> bool:
    """Return whether a segment of several words begins with a verb in the imperative; `deploy_keys` are items."""
    first, *others = name_words(segment) or ("",)
    return others == list(singular_last(tuple(others))) != [] and singular(first) == first and is_verb(stem(first))


def wider_nouns(noun: Words) -> Iterator[Words]:
    """Yield a noun, and the noun without its qualifiers: a `source_account_id` takes the id of an account."""
    if noun:
        yield noun
    for start in range(1, len(noun)):
        if noun[start - 1] not in _FOREIGN_QUALIFIERS:
            yield noun[start:]


def id_field(
    reader: SchemaReader,
    schema: object,
    argument: str,
    noun: Words,
    item_noun: Words,
    parameter: Parameter | None = None,
) -> str | None:
    """Return the path of the field that an argument takes, of an item with this schema; None where no field fits.

    `noun` is the noun that the argument identifies and `item_noun` that of the item, in the singular. `uri` means the
    last segment of an address.
    """
    argument = bare_name(argument)
    properties = {name_key(name): (name, inner) for name, inner in reader.properties(schema).items()}
    types = set(reader.types(parameter.schema)) - {"null"} if parameter is not None else set()

    def fits(key: str) -> bool:
        field_types = set(reader.types(properties[key][1])) - {"null"} if key in properties else {"object"}
        # A text may hold a number; where a whole number is wanted, descriptions are careless of `id` alone.
        is_same_type = (
            not types or not field_types or "string" in types or key == "id" or field_types <= {"integer", "number"}
        )
        return is_same_type and not field_types & {"array", "object", "boolean"}

    same_name, ref = properties.get(name_key(argument)), ref_of(parameter.schema) if parameter is not None else ""
    if same_name and ref and [name for name, inner in properties.values() if ref_of(inner) == ref] == [same_name[0]]:
        return same_name[0]  # it alone has the very schema of the argument
    text = _description_text(parameter) if parameter is not None else ""
    is_same_noun, mentions_name = _is_same_noun(noun, item_noun), _NAME_MENTION.search(text) is not None
    # `customer` of Stripe is an id and `repo` of GitHub a name: the type of `id` or the description tells which.
    has_text_id = is_same_noun and "id" in properties and "string" in reader.types(properties["id"][1])
    by_id = types == {"integer"} or (not mentions_name and (has_text_id or _ID_MENTION.search(text) is not None))
    names = tuple(_field_names(argument, noun, item_noun, text, by_id=by_id))
    matches = [key for key in names if fits(key)]
    is_direct = name_key(argument) in matches or (matches and noun == item_noun)
    nested = "" if is_direct else _nested_field(reader, properties, argument)
    if nested or matches:
        return nested or properties[matches[0]][0]
    for container in (container for container in _FIELD_OBJECT_NAMES if container in properties):
        inner = {name_key(name): name for name in reader.properties(properties[container][1])}
        for key in (key for key in names if key in inner and key != "".join(noun)):
            return f"{properties[container][0]}.{inner[key]}"
    return "uri" if parameter is not None and parameter.location == "path" and "uri" in properties else None


def _nested_field(reader: SchemaReader, properties: Mapping[str, tuple[str, object]], argument: str) -> str:
    """Return the field of the object in an item with an argument's name: `owner.login`, `user.id` for `user_id`."""
    names = _ID_FIELDS if name_words(argument)[-1:] in _IDS_ALONE else _NAME_FIELDS
    for key in (name_key(argument), "".join(noun_in_name(argument))):
        inner = {name_key(name): name for name in reader.properties(properties[key][1])} if key in properties else {}
        field = next((inner[name] for name in names if name in inner), None)
        if field is not None:
            return f"{properties[key][0]}.{field}"
    return ""


def _is_same_noun(noun: Words, item_noun: Words) -> bool:
    """Return whether two nouns are the same, maybe shortened: org and organization, intent and payment intent."""
    shorter, longer = sorted(("".join(noun[-1:]), "".join(item_noun[-1:])), key=len)
    return (
        shorter == longer
        or (len(shorter) > 2 and longer.startswith(shorter))
        or (bool(item_noun) and set(item_noun) <= set(noun))
    )


def _field_names(argument: str, noun: Words, item_noun: Words, text: str, *, by_id: bool) -> Iterator[str]:
    """Yield the names that the field for an argument may have, the likeliest first.

    `by_id`: an argument named like the item itself (`customer`) takes its id and not its name.
    """
    words = name_words(argument)
    last = words[-1] if words else ""
    prefixes = dict.fromkeys(("".join(noun), *noun[-1:], "".join(item_noun), *item_noun[-1:]))
    if noun == item_noun and last == "id":  # the id identifies a thing that has both: its `room_id` is another's
        yield "id"
    yield name_key(argument)
    if last == "slug":  # the name of a thing is not a slug of it; a uuid may be taken for one
        yield from (*(f"{prefix}slug" for prefix in prefixes), "slug", *(("uuid",) if "uuid" in text else ()))
        return
    if last in ("number", "numbers"):
        yield from (*(f"{prefix}number" for prefix in prefixes), "number")
        return
    if "or" in words:
        for word in (word for word in _ALTERNATIVES if word in words):
            yield from (word, *(f"{prefix}{word}" for prefix in prefixes))
    elif last in NAME_WORDS and len(words) > 1:
        yield last
    if last in ID_WORDS or words[:1] == ("id",) or (by_id and last not in NAME_WORDS):
        yield last.removesuffix("s")
        yield from (f"{prefix}{word}" for prefix in prefixes for word in ("id", "uuid", "key"))
        yield from (name for name in _ID_FIELDS if name != "key" or name not in prefixes)  # what a key is made of
    elif last in NAME_WORDS or _is_same_noun(noun, item_noun):
        yield from (f"{prefix}name" for prefix in prefixes)
        yield from _NAME_FIELDS
    elif item_noun and item_noun[-1] in name_words(text):  # "The reference of the artifact: its digest or a tag"
        yield from (word for word in name_words(text) if word in _ID_FIELDS or word in _NAME_FIELDS)


def _description_text(parameter: Parameter) -> str:
    examples = as_list(parameter.schema.get("examples"))
    return " ".join(map(str, (parameter.description, *examples))).lower()
