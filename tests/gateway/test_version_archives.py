"""Versions from archives by URL: whole, as expected, from where it is allowed, and out of no folder but their own."""

from __future__ import annotations

import gzip
import io
import socket
import stat
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from nlapi.errors import DescriptionError
from nlapi.gateway.versions.content_digest import FolderLimits
from nlapi.gateway.versions.library import CONTENT_THREADS
from nlapi.gateway.versions.sources import extract
from nlapi.routing.model import VersionRef
from tests.gateway.kit import STAGES, Talk, document, gateway
from tests.servers import Echo, Received, Reply, Script
from tests.tables import table

VERSIONS = "/v1/models/ranker/versions"
FILES = {"model.toml": b"", "stages.py": STAGES.format(name="archived").encode()}


def zip_bytes(files: dict[str, bytes], top: str = "") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(top + name, data)
    return stream.getvalue()


def tar_bytes(files: dict[str, bytes], top: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(top + name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def archive_id(value: str | bytes) -> str:
    """Return the id of a parameter: an archive holds the time at which it was made, and each worker makes its own."""
    return value if isinstance(value, str) else "archive"


def source(url: str, content: bytes) -> str:
    return f"{url}#sha256={sha256(content).hexdigest()}"


@table(
    ("name", "content"),
    [
        ("v.zip", zip_bytes(FILES)),
        ("v.zip", zip_bytes(FILES, "ranker-v10/")),
        ("v.tar.gz", tar_bytes(FILES)),
        ("v.tgz", tar_bytes(FILES, "ranker-v10/")),
    ],
    ids=archive_id,
)
def test_a_version_is_registered_from_an_archive_by_url(tmp_path: Path, name: str, content: bytes) -> None:
    with Echo(Reply(body=content)) as server, gateway(tmp_path, sources=(f"{server.url}/models/",)) as talk:
        url = source(f"{server.url}/models/{name}?signature=SECRET", content)
        made = talk.ok("POST", VERSIONS, {"version": "v10", "source": url})
        assert made["source"] == source(f"{server.url}/models/{name}", content)
        assert "SECRET" not in str(talk.ok("GET", "/v1/revisions/2"))
        talk.ok("PATCH", "/v1/objectives/continue-watching", {"model": "ranker", "version": "v10"})
        answer = talk.as_("web").ok("POST", "/v1/objectives/continue-watching/serve", {"input": {}})
        assert answer["output"]["version"] == "archived"
        assert len(server.received) == 1
        talk.ok("POST", "/v1/revisions/1/rollback")
        talk.ok("POST", "/v1/revisions/3/rollback")
        assert len(server.received) == 1


def test_all_ways_to_the_same_files_have_one_digest(tmp_path: Path) -> None:
    (tmp_path / "v.zip").write_bytes(zip_bytes(FILES))
    (tmp_path / "v.tar.gz").write_bytes(tar_bytes(FILES, "top/"))
    folder = tmp_path / "elsewhere" / "v1"
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    sources = [
        source(f"{(tmp_path / name).as_uri()}", (tmp_path / name).read_bytes()) for name in ("v.zip", "v.tar.gz")
    ]
    with gateway(tmp_path, sources=(tmp_path.as_uri(),)) as talk:
        digests = {
            talk.ok("POST", VERSIONS, {"version": f"v1{number}", "source": one})["digest"]
            for number, one in enumerate([*sources, folder.as_uri()])
        }
    assert len(digests) == 1


@table(
    ("allowed", "path"),
    [
        ("", "/models/v.zip"),
        ("/models/", "/other/v.zip"),
        ("/models/", "/models/../other/v.zip"),
        ("/models/", "/models/%2e%2e/other/v.zip"),
        ("/models", "/models-of-others/v.zip"),
    ],
)
def test_a_url_that_is_not_allowed_is_not_asked(tmp_path: Path, allowed: str, path: str) -> None:
    content = zip_bytes(FILES)
    with Echo(Reply(body=content)) as server:
        with gateway(tmp_path, sources=(server.url + allowed,) if allowed else ()) as talk:
            problem = talk.refused(
                422, "POST", VERSIONS, {"version": "v10", "source": source(server.url + path, content)}
            )
        if "/../" in path:
            assert "leads out of the folder of models" in problem["detail"]
        else:
            assert "is not an allowed source" in problem["detail"]
            assert "--allow-source" in problem["hint"]
        assert server.received == []


@table(
    "given",
    [
        "file:///etc",
        "file:///etc/../etc/passwd",
        "ftp://127.0.0.1/v.zip",
        "http://user:pw@127.0.0.1/v.zip",
        "http://[::1",
    ],
)
def test_other_urls_are_refused(talk: Talk, given: str) -> None:
    problem = talk.refused(422, "POST", VERSIONS, {"version": "v10", "source": given})
    assert "pw" not in str(problem)


def test_a_link_out_of_an_allowed_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "model.toml").touch()
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "secret")
    with gateway(tmp_path, sources=((tmp_path / "allowed").as_uri(),)) as talk:
        given = {"version": "v10", "source": (tmp_path / "allowed" / "link").as_uri()}
        assert "is not an allowed source" in talk.refused(422, "POST", VERSIONS, given)["detail"]


def test_another_archive_than_the_expected_is_refused(tmp_path: Path) -> None:
    content = zip_bytes(FILES)
    with Echo(Reply(body=content)) as server, gateway(tmp_path, sources=(server.url,)) as talk:
        wrong = {"version": "v10", "source": source(f"{server.url}/v.zip", b"other")}
        assert "has the sha256" in talk.refused(422, "POST", VERSIONS, wrong)["detail"]
        bare = {"version": "v10", "source": f"{server.url}/v.zip"}
        assert "has no sha256" in talk.refused(422, "POST", VERSIONS, bare)["detail"]
        odd = {"version": "v10", "source": source(f"{server.url}/v.rar", content)}
        assert "is not an archive" in talk.refused(422, "POST", VERSIONS, odd)["detail"]


def test_a_redirect_leads_only_where_it_is_allowed(tmp_path: Path) -> None:
    content = zip_bytes(FILES)

    def answer(request: Received) -> Reply:
        if request.path == "/models/inside.zip":
            return Reply(status=302, headers={"Location": "/models/v.zip"})
        if request.path == "/models/outside.zip":
            return Reply(status=302, headers={"Location": "/private/v.zip"})
        if request.path == "/models/loop.zip":
            return Reply(status=302, headers={"Location": "/models/loop.zip"})
        return Reply(body=content)

    with Echo(answer) as server, gateway(tmp_path, sources=(f"{server.url}/models",)) as talk:

        def register(name: str) -> dict[str, str]:
            return {"version": "v10", "source": source(f"{server.url}/models/{name}", content)}

        assert "redirects to" in talk.refused(422, "POST", VERSIONS, register("outside.zip"))["detail"]
        assert "more than 5 times" in talk.refused(422, "POST", VERSIONS, register("loop.zip"))["detail"]
        talk.ok("POST", VERSIONS, register("inside.zip"))


@table(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["a lie about the length", "no end", "not there", "no HTTP", "hangs up"],
)
def test_a_server_that_fails_is_reported_without_a_change(tmp_path: Path, answer: bytes) -> None:
    with Script(answer) as server, gateway(tmp_path, sources=(server.url,)) as talk:
        given = {"version": "v10", "source": source(f"{server.url}/v.zip", zip_bytes(FILES))}
        detail = talk.refused(422, "POST", VERSIONS, given)["detail"]
        assert "cannot be downloaded" in detail or "answers 404" in detail
        assert talk.ok("GET", "/ready")["revision"] == 1
        assert not list((tmp_path / "gateway.db-artifacts").glob("incoming-*"))


def tar_with(kind: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        info = tarfile.TarInfo("model.toml")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    return stream.getvalue()


def zip_link() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        info = zipfile.ZipInfo("model.toml")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    return stream.getvalue()


def twice() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        for _ in range(2):
            file.addfile(tarfile.TarInfo("model.toml"))
    return stream.getvalue()


def long_header() -> bytes:
    """An extended header that claims a gigabyte, which packs well."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**30
    return gzip.compress(info.tobuf() + bytes(2**20))


@table(
    ("content", "message"),
    [
        (zip_bytes({"../evil.py": b""}), "leads out of its folder"),
        (zip_bytes({"a/../../evil.py": b""}), "leads out of its folder"),
        (zip_bytes({"/evil.py": b""}), "leads out of its folder"),
        (zip_bytes({"..\\evil.py": b""}), "leads out of its folder"),
        (zip_bytes({"C:\\evil.py": b""}), "leads out of its folder"),
        (tar_bytes({"../evil.py": b""}), "leads out of its folder"),
        (tar_bytes({"/evil.py": b""}), "leads out of its folder"),
        (tar_with(tarfile.SYMTYPE), "is not a file"),
        (tar_with(tarfile.LNKTYPE), "is not a file"),
        (tar_with(tarfile.FIFOTYPE), "is not a file"),
        (tar_with(tarfile.CHRTYPE), "is not a file"),
        (zip_link(), "is not a file"),
        (twice(), "cannot be extracted"),
        (long_header(), "is damaged"),
        (zip_bytes({"zeros": bytes(2**21)}), "unpacks to more than 1 MiB"),
        (tar_bytes({"zeros": bytes(2**21)}), "unpacks to more than 1 MiB"),
        (zip_bytes({f"{number}": b"" for number in range(11)}), "more than 10 files"),
        (tar_bytes({f"{number}": b"" for number in range(11)}), "more than 10 files"),
        (zip_bytes(FILES)[:-30], "neither a .zip nor"),
        (tar_bytes(FILES)[:-30], "is damaged"),
        (zip_bytes(FILES)[:20] + b"x" * 30 + zip_bytes(FILES)[50:], "is damaged"),
        (b"", "is damaged"),
        (b"nonsense", "neither a .zip nor"),
    ],
    ids=archive_id,
)  # fmt: skip
def test_a_bad_archive_is_refused_and_writes_nothing_outside(tmp_path: Path, content: bytes, message: str) -> None:
    archive, target = tmp_path / "archive", tmp_path / "deep" / "target"
    archive.write_bytes(content)
    target.mkdir(parents=True)
    with pytest.raises(DescriptionError, match=message):
        extract(archive, target, FolderLimits(files=10, total_bytes=2**20))
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(target)}
    assert outside == {archive, target.parent}


def test_a_document_with_what_is_stored_downloads_nothing(tmp_path: Path) -> None:
    content = zip_bytes(FILES)

    def answer(request: Received) -> Reply:
        return Reply(body=content) if "signature=right" in request.target else Reply(status=403)

    with Echo(answer) as server:
        for _ in range(2):  # the second gateway has downloaded nothing itself
            with gateway(tmp_path, sources=(server.url,)) as talk:
                if not server.received:
                    url = source(f"{server.url}/v.zip?signature=right", content)
                    talk.ok("POST", VERSIONS, {"version": "v10", "source": url})
                exported = talk.ok("GET", "/v1/configuration")
                talk.ok("PUT", "/v1/configuration", exported)
                for row in exported["versions"]:
                    row.pop("digest")  # as a person would write it
                assert talk.ok("POST", "/v1/configuration/check", exported)["differences"] == []
                talk.ok("PUT", "/v1/configuration", exported)
                assert len(server.received) == 1


def test_the_source_of_a_version_on_a_remote_shard_is_not_opened(tmp_path: Path) -> None:
    with Echo(Reply(status=403)) as server, gateway(tmp_path, sources=(server.url,)) as talk:
        changed = document()
        changed["shards"].append({"name": "gpu", "protocol": "json", "endpoints": [server.url]})
        remote = {"model": "ranker", "version": "v10", "source": f"{server.url}/v.zip", "shard": "gpu"}
        changed["versions"].append(remote)
        talk.ok("PUT", "/v1/configuration", changed)
        assert not [request for request in server.received if request.path == "/v.zip"]


def test_a_damaged_copy_of_a_downloaded_version_is_downloaded_again(tmp_path: Path) -> None:
    content = zip_bytes(FILES)
    with Echo(Reply(body=content)) as server, gateway(tmp_path, sources=(server.url,)) as talk:
        made = talk.ok("POST", VERSIONS, {"version": "v10", "source": source(f"{server.url}/v.zip", content)})
        assert talk.app is not None
        stages = talk.app.library.artifacts.verify(made["digest"]) / "stages.py"
        stages.chmod(0o600)
        stages.write_text("1 / 0", encoding="utf-8")
        assert not talk.app.library.artifacts.is_sound(made["digest"])
        version = talk.app.publisher.current.configuration.versions[VersionRef(model="ranker", version="v10")]
        assert talk.app.library.reclaim(version) == version
        assert talk.app.library.artifacts.is_sound(made["digest"])
        assert len(server.received) == 2


def test_a_server_that_does_not_answer_holds_up_nothing_but_downloads(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(40) as pool:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with gateway(tmp_path, sources=(url,)) as talk:
            bodies = [{"version": f"x{number}", "source": source(f"{url}/v.zip", b"")} for number in range(40)]
            registrations = [pool.submit(talk, "POST", VERSIONS, body) for body in bodies]
            silent = [server.accept()[0] for _ in range(CONTENT_THREADS)]
            try:
                talk.ok("PATCH", "/v1/objectives/recommend", {"description": "new"})
                talk.ok("POST", "/v1/objectives/recommend/rollback")
                # As large as bodies that are checked in a thread.
                large = {"input": {"x": "y" * 200_000}}
                talk.as_("web").ok("POST", "/v1/objectives/continue-watching/serve", large)
            finally:
                server.close()
                for connection in silent:
                    connection.close()
            assert {registration.result().status for registration in registrations} == {422}
