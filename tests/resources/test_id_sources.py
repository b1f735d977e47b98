"""Where the ids come from that operations take, on small APIs in the manner of well-known ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlapi.openapi.spec import Spec
from nlapi.resources.id_sources import IdSources, id_sources
from tests.resources.described import NUMBER, TEXT, api, first, listed, operation, thing, written
from tests.tables import table

GITHUB = """
    GET /user/repos -> [Repository]
    POST /user/repos (Repository) -> Repository
    GET /user/starred -> [Repository]
    GET /orgs/{org}/repos -> [Repository]
    POST /orgs/{org}/repos (Repository) -> Repository
    GET /user/orgs -> [Org]
    GET /repos/{owner}/{repo} -> Repository
    PATCH /repos/{owner}/{repo} (Repository) -> Repository
    DELETE /repos/{owner}/{repo}
    GET /repos/{owner}/{repo}/issues -> [Issue]
    GET /repos/{owner}/{repo}/issues/{issue_number} -> Issue
    GET /repos/{owner}/{repo}/commits -> [Commit]
    GET /repos/{owner}/{repo}/topics -> [Topic]
    PUT /repos/{owner}/{repo}/topics (Topic) -> [Topic]
    GET /repos/{owner}/{repo}/readme -> Readme
    PUT /repos/{owner}/{repo}/readme (Readme) -> Readme
    DELETE /repos/{owner}/{repo}/readme
    GET /repos/{owner}/{repo}/branches -> [Topic]
    POST /repos/{owner}/{repo}/issues (Issue) -> Issue
    PATCH /repos/{owner}/{repo}/issues/{issue_number} (Issue) -> Issue
    GET /repos/{owner}/{repo}/tags -> [Topic]
    POST /repos/{owner}/{repo}/tags (Topic) -> Topic
    GET /repos/{owner}/{repo}/languages -> [Topic]
    GET /repos/{owner}/{repo}/commit/{commit} -> Commit
    GET /user/starred/{owner}/{repo}
    PUT /user/starred/{owner}/{repo}
    GET /orgs/{org}/teams -> [Team]
    GET /orgs/{org}/teams/{team_slug}/repos -> [Repository]
    DELETE /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}
    GET /orgs/{org}/secrets/{secret_name}/repositories -> [Repository]
    PUT /orgs/{org}/secrets/{secret_name}/repositories/{repository_id}
    DELETE /orgs/{org}/secrets/{secret_name}/repositories/{repository_id}
    GET /teams/{team_id}/members -> [User]
    GET /teams/{team_id}/members/{username}
    PUT /teams/{team_id}/members/{username}
    DELETE /teams/{team_id}/members/{username}
"""


@pytest.fixture
def github(tmp_path: Path) -> Spec:
    user = thing("id", "login")
    numbers = {"repository_id": NUMBER, "issue_number": NUMBER, "team_id": NUMBER}
    schemas = {
        "Repository": thing("id", "name", owner=user),
        "Issue": thing("id", "title", number=NUMBER),
        "User": user,
    }
    schemas |= {"Org": thing("id", "login"), "Team": thing("id", "name", "slug"), "Commit": thing("sha", "message")}
    schemas |= {"Topic": thing("name"), "Readme": thing("text")}
    return api(tmp_path, GITHUB, numbers, **schemas)


@pytest.mark.parametrize(
    ("request_line", "name", "source"),
    [
        ("GET /repos/{owner}/{repo}", "repo", "GET /user/repos .name"),
        ("GET /repos/{owner}/{repo}", "owner", "GET /user/repos .owner.login"),
        ("GET /repos/{owner}/{repo}/issues/{issue_number}", "issue_number", "GET /repos/{owner}/{repo}/issues .number"),
        ("GET /repos/{owner}/{repo}/commit/{commit}", "commit", "GET /repos/{owner}/{repo}/commits .sha"),
        ("GET /orgs/{org}/teams", "org", "GET /user/orgs .login"),
        ("GET /orgs/{org}/teams/{team_slug}/repos", "team_slug", "GET /orgs/{org}/teams .slug"),
        ("DELETE /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}", "repo", "GET /orgs/{org}/repos .name"),
        ("DELETE /teams/{team_id}/members/{username}", "username", "GET /teams/{team_id}/members .login"),
    ],
)
def test_a_path_is_filled_from_what_lists_before_it_or_elsewhere(
    github: Spec, request_line: str, name: str, source: str
) -> None:
    assert first(github, request_line, name) == source


def test_what_is_put_among_others_is_not_listed_there_yet(github: Spec) -> None:
    path = "/orgs/{org}/secrets/{secret_name}/repositories"
    assert first(github, f"DELETE {path}/{{repository_id}}", "repository_id") == f"GET {path} .id"
    assert first(github, f"PUT {path}/{{repository_id}}", "repository_id") == "GET /orgs/{org}/repos .id"
    assert first(github, "PUT /teams/{team_id}/members/{username}", "username") == ""


def test_the_values_that_most_operations_take_are_common(github: Spec) -> None:
    common = id_sources(github).common_values()
    assert {name: source and written(source) for name, source in common.items()} == {
        "owner": "GET /user/repos .owner.login",
        "repo": "GET /user/repos .name",
    }


def test_a_common_value_may_be_listed_nowhere(tmp_path: Path) -> None:
    lines = "".join(f"GET /accounts/{{accountId}}/{name} -> [Thing]\n" for name in ("envelopes", "users", "brands"))
    assert id_sources(api(tmp_path, lines, Thing=thing("id"))).common_values() == {"accountId": None}


def test_a_name_that_says_nothing_is_no_common_value(tmp_path: Path) -> None:
    lines = "GET /pets/{id} -> Pet\nGET /vets/{id} -> Pet\nGET /pets -> [Pet]\nGET /vets -> [Pet]"
    assert id_sources(api(tmp_path, lines, Pet=thing("id"))).common_values() == {}


def test_kubernetes_names_are_those_of_the_kind_in_the_path(tmp_path: Path) -> None:
    pods, kinds = "/api/v1/namespaces/{namespace}/pods", ("Pod", "Service", "Namespace")
    spec = api(
        tmp_path,
        f"""
        GET /api/v1/namespaces -> Namespaces
        GET {pods} -> Pods
        GET {pods}/{{name}} -> Pod
        GET /api/v1/namespaces/{{namespace}}/services -> Services
        GET /api/v1/namespaces/{{namespace}}/services/{{name}} -> Service
        GET /api/v1/watch/namespaces/{{namespace}}/pods -> Event
        GET /api/v1/watch/namespaces/{{namespace}}/pods/{{name}} -> Event
        """,
        **{f"{kind}s": thing("kind", metadata=thing("continue"), items=listed(kind)) for kind in kinds},
        **{kind: thing("kind", metadata=thing("name", "namespace", "uid")) for kind in kinds},
        Event=thing("type", object={"type": "object"}),
    )
    assert first(spec, f"GET {pods}/{{name}}", "name") == f"GET {pods} .metadata.name"
    services = "GET /api/v1/namespaces/{namespace}/services"
    assert first(spec, f"{services}/{{name}}", "name") == f"{services} .metadata.name"
    assert first(spec, f"GET {pods}", "namespace") == "GET /api/v1/namespaces .metadata.name"
    watched = "GET /api/v1/watch/namespaces/{namespace}/pods/{name}"
    assert first(spec, watched, "name") == f"GET {pods} .metadata.name"
    assert id_sources(spec).common_values().keys() == {"namespace"}


def test_what_no_collection_lists_may_be_searched(tmp_path: Path) -> None:
    lines = """
        GET /search query? type? -> {entries: [File]}
        GET /files/{file_id} -> File
        GET /files/{file_id}/comments -> {entries: [Comment]}
        GET /comments/{comment_id} -> Comment
        POST /files/{file_id}/upload_sessions -> Session
        GET /upload_sessions/{upload_session_id} -> Session
        GET /enterprises/{enterprise_id}/device_pinners -> {entries: [Pinner]}
        GET /metadata_templates/enterprise -> {entries: [MetadataTemplate]}
        GET /metadata_templates/{scope}/{template_key}/schema -> MetadataTemplate
    """
    schemas = {name: thing(id=TEXT, name=TEXT) for name in ("File", "Comment", "Session", "Pinner")}
    template = thing("scope", "templateKey", id=TEXT)
    kinds = {"type": {"type": "string", "enum": ["file", "folder"]}, "scope": {"enum": ["global", "enterprise"]}}
    spec = api(tmp_path, lines, kinds, **schemas, MetadataTemplate=template)
    assert first(spec, "GET /files/{file_id}", "file_id") == "GET /search .id"
    assert first(spec, "GET /comments/{comment_id}", "comment_id") == "GET /files/{file_id}/comments .id"
    assert first(spec, "GET /upload_sessions/{upload_session_id}", "upload_session_id") == ""
    assert first(spec, "GET /enterprises/{enterprise_id}/device_pinners", "enterprise_id") == ""
    template_key = first(spec, "GET /metadata_templates/{scope}/{template_key}/schema", "template_key")
    assert template_key == "GET /metadata_templates/enterprise .templateKey"


def test_a_list_that_wants_the_ids_is_no_source_and_a_search_is_told_the_kind(tmp_path: Path) -> None:
    page = thing("total", items=listed("Artist"))
    spec = api(
        tmp_path,
        """
        GET /artists ids* -> {artists: [Artist]}
        GET /artists/{id} -> Artist
        GET /search q* type* -> Found
        GET /me/playlists -> [Playlist]
        GET /playlists/{playlist_id} -> Playlist
        """,
        {"type": {"type": "array", "items": {"type": "string", "enum": ["album", "artist"]}}},
        Artist=thing(id=TEXT, name=TEXT),
        Playlist=thing(id=TEXT, name=TEXT),
        Found={"type": "object", "properties": {"albums": page, "artists": page}},
    )
    assert first(spec, "GET /artists/{id}", "id") == "GET /search type=('artist',) .id"
    assert first(spec, "GET /playlists/{playlist_id}", "playlist_id") == "GET /me/playlists .id"


def test_a_list_may_be_at_a_placeholder(tmp_path: Path) -> None:
    path = "/repositories/{workspace}"
    lines = f"GET /workspaces -> [Workspace]\nGET /repositories -> [Repository]\nGET {path} -> [Repository]"
    text = {"repo_slug": {"type": "string", "description": "The slug or the UUID of the repository."}}
    spec = api(
        tmp_path,
        f"{lines}\nGET {path}/{{repo_slug}} -> Repository",
        text,
        Workspace=thing("slug", "name", "uuid"),
        Repository=thing("name", "uuid"),
    )
    assert first(spec, f"GET {path}/{{repo_slug}}", "workspace") == "GET /workspaces .slug"
    assert first(spec, f"GET {path}/{{repo_slug}}", "repo_slug") == f"GET {path} .uuid"


def test_what_is_kept_below_another_thing_is_listed_there_alone(tmp_path: Path) -> None:
    mysql, linode = "/databases/mysql/{databaseId}/backups", "/instances/{instanceId}/backups"
    spec = api(
        tmp_path,
        f"""
        GET /databases/mysql -> [Database]
        GET {mysql} -> [Backup]
        GET {mysql}/{{backupId}} -> Backup
        GET /instances -> [Instance]
        POST {linode}/{{backupId}}/restore
        """,
        Database=thing("id"),
        Backup=thing("id"),
        Instance=thing("id"),
    )
    assert first(spec, f"GET {mysql}/{{backupId}}", "backupId") == f"GET {mysql} .id"
    assert first(spec, f"POST {linode}/{{backupId}}/restore", "backupId") == ""


@table(
    ("path", "argument", "properties", "field"),
    [
        ("/guilds/{guild_id}/members", "user_id", {"user": thing("id", "name"), "nick": TEXT}, "user.id"),
        ("/deploy_keys", "key_id", {"key": TEXT, "title": TEXT}, None),
        ("/artifacts", "reference", {"id": NUMBER, "digest": TEXT, "tags": {"type": "array"}}, "digest"),
        ("/projects", "project_name_or_id", {"project_id": NUMBER, "name": TEXT}, "project_id"),
        ("/issues", "issueIdOrKey", {"id": TEXT, "key": TEXT}, "key"),
        ("/rooms", "room_id", {"id": TEXT, "room_id": TEXT}, "id"),
        ("/models/{model}/versions", "version", {"version": TEXT, "state": TEXT}, "version"),
        ("/rates", "rate_token", {"id": TEXT, "name": TEXT}, "id"),
        ("/domains", "domain", {"id": TEXT, "name": TEXT}, "name"),
        ("/commits", "branch_or_sha", {"sha": TEXT, "message": TEXT}, "sha"),
    ],
)
def test_the_field_is_the_one_that_the_argument_takes(
    tmp_path: Path, path: str, argument: str, properties: dict[str, object], field: str | None
) -> None:
    told = {"reference": "The reference of the artifact: its digest or a tag.", "domain": "For instance example.com"}
    parameters = {name: {"type": "string", "description": text} for name, text in told.items()}
    spec = api(tmp_path, f"GET {path} -> [One]\nGET {path}/{{{argument}}} -> One", parameters, One=thing(**properties))
    source = first(spec, f"GET {path}/{{{argument}}}", argument)
    assert source == (f"GET {path} .{field}" if field else "")


def test_the_callers_own_thing_is_shown_in_place_of_a_list(tmp_path: Path) -> None:
    lines = "GET /applications/@me -> App\nGET /users/@me -> App\nGET /users/{user_id} -> App\n"
    lines += "GET /applications/{application_id}/emojis -> [App]"
    spec = api(tmp_path, lines, App=thing(id=TEXT))
    assert first(spec, "GET /applications/{application_id}/emojis", "application_id") == "GET /applications/@me .id"
    assert first(spec, "GET /users/{user_id}", "user_id") == ""


def test_some_operations_have_sources_among_themselves(github: Spec) -> None:
    repo = operation(github, "GET /repos/{owner}/{repo}")
    some = [repo, operation(github, "GET /orgs/{org}/repos")]
    assert IdSources(github, some).find_sources(repo, ("path", "repo")) == ()
    (found,) = IdSources(github, [*some, operation(github, "GET /user/orgs")]).find_sources(repo, ("path", "repo"))
    assert written(found) == "GET /orgs/{org}/repos .name"


def test_a_path_that_ends_in_a_format_lists_for_the_paths_below_it(tmp_path: Path) -> None:
    spec = api(tmp_path, "GET /Calls.json -> {calls: [Call]}\nGET /Calls/{Sid}.json -> Call", Call=thing("sid"))
    assert first(spec, "GET /Calls/{Sid}.json", "Sid") == "GET /Calls.json .sid"
