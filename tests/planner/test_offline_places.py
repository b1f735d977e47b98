"""Things that are meant by their place among others, and look-ups that need a look-up of their own."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.tools.tool import Call
from tests.describe import parameter, spec
from tests.planner.kit import only, talk
from tests.planner.test_offline_flows import THING, node, path_id
from tests.tables import table

SHELVES = [
    {"id": "sh_1", "name": "Poetry", "created_at": "2026-02-01T10:00:00Z", "height": 120},
    {"id": "sh_2", "name": "Maps", "created_at": "2026-01-01T10:00:00Z", "height": 180},
    {"id": "sh_3", "name": "Plays", "created_at": "2026-03-01T10:00:00Z", "height": 60},
]


def shelves(call: Call) -> Any:
    return SHELVES if call.operation_id == "listShelves" else [{"id": 1, "title": "Emma"}]


@table(
    ("question", "shelf"),
    [
        ("show the books of the second shelf", "sh_2"),
        ("show the books of the last shelf", "sh_3"),
        ("show the books of the oldest shelf", "sh_2"),
        ("list the books of the shelf with the highest height", "sh_2"),
    ],
)
def test_a_read_takes_the_thing_at_a_place(question: str, shelf: str) -> None:
    look, books, end = talk(question, shelves)
    assert only(look) == ("listShelves", {})
    assert only(books) == ("listBooks", {"shelf_id": shelf})
    assert end.text == "1 book: Emma."


def test_nothing_is_picked_where_no_field_tells() -> None:
    *_, asked = talk("show the books of the oldest shelf", lambda call: [{"id": "sh_1", "name": "Poetry"}])
    (missing,) = asked.missing
    assert missing.argument == "shelf_id"
    assert "Nothing in the answer tells which is the oldest shelf" in asked.text


@table("question", ["delete the second shelf", "pause the oldest shelf", "rename the first shelf to X"])
def test_a_change_is_not_made_to_what_is_named_by_its_place(question: str) -> None:
    things = [{"id": "sh_1", "name": "Poetry"}, {"id": "sh_2", "name": "Travel"}]
    *_, asked = talk(question, lambda call: things)
    assert asked.calls == ()


def films() -> Spec:
    """Films, the popular ones, and the people in them, as film databases have them."""
    query = parameter("query", schema={"type": "string"}, required=True)
    things = {"type": "array", "items": THING}
    return spec(
        {
            "/film/popular": {"get": node("popularFilms", "Popular films", answer=things)},
            "/film/{film_id}/credits": {"get": node("filmCredits", "Cast and crew of a film", path_id("film_id"))},
            "/search/person": {"get": node("searchPeople", "Search for people", query, answer=things)},
            "/person/{person_id}/films": {"get": node("personFilms", "Films of a person", path_id("person_id"))},
            "/artists": {"get": node("listArtists", "List artists", answer=things)},
            "/artists/{artist_id}/albums": {"get": node("artistAlbums", "Albums of an artist", path_id("artist_id"))},
            "/albums/{album_id}/songs": {"get": node("albumSongs", "Songs of an album", path_id("album_id"))},
        },
        info={"title": "Films", "version": "1"},
    )


def streams() -> Spec:
    """Films that are searched for, and where each of them is to be seen."""
    title = parameter("title", schema={"type": "string"}, required=True)
    return spec(
        {
            "/films/search": {"get": node("searchFilms", "Search for films", title)},
            "/films/{film_id}/streams": {"get": node("getStreams", "Where to stream a film", path_id("film_id"))},
        },
        info={"title": "Streams", "version": "1"},
    )


def test_a_look_up_looks_up_what_it_needs() -> None:
    albums = [{"id": "al1", "name": "Old", "released_at": "2020-01-01"}, {"id": "al2", "released_at": "2024-01-01"}]

    def answers(call: Call) -> Any:
        if call.operation_id == "listArtists":
            return [{"id": "ar5", "name": "Blue Owl"}]
        return albums if call.operation_id == "artistAlbums" else [{"id": 1}]

    artist, listed, songs, _ = talk("show the songs of the newest album of the artist Blue Owl", answers, api=films())
    assert only(artist)[0] == "listArtists"
    assert artist.goal is not None
    assert artist.goal.operation_id == "albumSongs"
    assert only(listed) == ("artistAlbums", {"artist_id": "ar5"})
    assert only(songs) == ("albumSongs", {"album_id": "al2"})
