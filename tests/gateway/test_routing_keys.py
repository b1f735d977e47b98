"""Routing keys: what is in one, who refuses which, how they rotate, and that no private key leaks."""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nlapi.errors import UsageError
from nlapi.gateway.control.access import Audience
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.routing_keys.cells import cell_of, list_cells
from nlapi.gateway.routing_keys.key_ring import KeyRegistration, KeyRing, registered_keys, replace_registered
from nlapi.gateway.routing_keys.key_set import encode_set, generate_set
from nlapi.gateway.routing_keys.key_verifier import KeyRefusedError, KeySigner, KeyVerifier
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.model import CanaryState, Decision, VersionRef
from nlapi.routing.table import compile_table
from tests.cli.kit import run
from tests.gateway.clock import Clock
from tests.gateway.kit import Talk, gateway
from tests.routing.kit import example, together
from tests.routing.kit import version as ref

RANK = Decision(objective="rank", version=VersionRef(model="ranker", version="v8"), shard="far", revision=7, rule="br")
RESOLVE = "/v1/objectives/continue-watching/resolve"
SERVE = "/v1/objectives/continue-watching/serve"
BODY = {"input": {}, "context": {"user": "u1"}}


class Signing:
    """A ring, a signer and a verifier with one clock."""

    def __init__(self, folder: Path | None = None, *, audience: str = "nlapi") -> None:
        self.clock = Clock()
        source = f"file:{folder / 'keys.json'}" if folder else ""
        self.ring = KeyRing(source, creates=True, wall_clock=self.clock)
        self.signer = KeySigner(self.ring, audience=audience, wall_clock=self.clock)
        self.verifier = KeyVerifier(self.ring.verifying_keys, wall_clock=self.clock)

    def token(self, client: str = "web", **changes: Any) -> str:
        return self.signer.sign(RANK, client=client, bucket=0, since=1, **changes).token

    def forged(self, *, key: Any = None, algorithm: str = "ES256", header: Any = None, **claims: Any) -> str:
        """A key with other claims, signed by the ring's own private key unless another is named."""
        real = self.token()
        content = jwt.decode(real, options={"verify_signature": False}) | claims
        content = {name: value for name, value in content.items() if value is not None}
        signing = self.ring.signing_key()
        headers = {"kid": signing.kid, "typ": "rk+jwt", **(header or {})}
        return jwt.encode(content, signing.private if key is None else key, algorithm=algorithm, headers=headers)


@pytest.fixture
def signing() -> Signing:
    return Signing()


def test_a_key_names_objective_cell_version_and_revision_and_nothing_of_the_context(signing: Signing) -> None:
    claims = signing.verifier.verify(signing.token(), objective="rank", client="web")
    assert (claims.cell, str(claims.version), claims.rule, claims.revision) == ("ranker@v8", "ranker@v8", "br", 7)
    assert claims.expires_at - claims.issued_at == 900
    header = jwt.get_unverified_header(signing.token())
    assert header == {"alg": "ES256", "typ": "rk+jwt", "kid": signing.ring.signing_key().kid}


def test_one_signature_serves_all_requests_of_a_client_with_one_decision(signing: Signing) -> None:
    assert len({signing.token() for _ in range(100)}) == 1
    assert signing.signer.signatures == 1
    assert signing.token("tv") != signing.token("web")
    before = signing.token()
    signing.clock.now += 301  # a third of the lifetime
    assert signing.token() != before
    signing.clock.now -= 3600  # a clock that jumps back must not hand out keys of the future
    claims = signing.verifier.verify(signing.token())
    assert claims.issued_at <= signing.clock.now


PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


def hmac_with_public_key(signing: Signing) -> str:
    """HS256, whose secret is the public key: what a verifier that follows the header would accept."""
    pem = signing.ring.signing_key().private.public_key().public_bytes(serialization.Encoding.PEM, PUBLIC)
    payload = signing.token().split(".")[1]
    head = json.dumps({"alg": "HS256", "typ": "rk+jwt", "kid": signing.ring.signing_key().kid}).encode()
    signed = base64.urlsafe_b64encode(head).rstrip(b"=").decode() + "." + payload
    mac = hmac.digest(pem, signed.encode(), sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def unsigned(signing: Signing) -> str:
    head = json.dumps({"alg": "none", "typ": "rk+jwt", "kid": signing.ring.signing_key().kid}).encode()
    return base64.urlsafe_b64encode(head).rstrip(b"=").decode() + "." + signing.token().split(".")[1] + "."


def other_payload(signing: Signing) -> str:
    head, _, mac = signing.token().split(".")
    payload = base64.urlsafe_b64encode(json.dumps({"objective": "fraud"}).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}.{mac}"


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (lambda s: "x", "not genuine"),
        (lambda s: "", "not genuine"),
        (lambda s: "a.b.c", "not genuine"),
        (lambda s: s.token() + "A" * 4000, "too long"),
        (lambda s: s.token()[:-8], "not genuine"),
        (other_payload, "not genuine"),
        (unsigned, "signed by no key"),
        (hmac_with_public_key, "signed by no key"),
        (lambda s: s.forged(key=ec.generate_private_key(ec.SECP256R1())), "not genuine"),
        (lambda s: s.forged(header={"kid": "other"}), "signed by no key"),
        (lambda s: s.forged(header={"typ": "JWT"}), "signed by no key"),
        (lambda s: s.forged(aud="production"), "another audience"),
        (lambda s: s.forged(aud=["nlapi", "production"]), "another audience"),
        (lambda s: s.forged(aud=None), "not genuine"),
        (lambda s: s.forged(iss="somebody"), "not genuine"),
        (lambda s: s.forged(exp=None), "lacks a claim"),
        (lambda s: s.forged(cell=7), "lacks a claim"),
        (lambda s: s.forged(bucket=True), "lacks a claim"),
        (lambda s: s.forged(bucket=10_000), "out of range"),
        (lambda s: s.forged(exp=int(s.clock.now) + 90_000), "out of range"),
        (lambda s: s.forged(version="ranker"), "no version"),
        (lambda s: s.forged(iat=900, exp=994), "expired"),
        (lambda s: s.forged(iat=4600, exp=5500), "in the future"),
    ],
)
def test_a_key_that_is_not_good_is_refused_without_a_word_of_it(signing: Signing, refused: Any, reason: str) -> None:
    token = refused(signing)
    with pytest.raises(KeyRefusedError, match=reason) as raised:
        signing.verifier.verify(token, objective="rank")
    assert not token or token[:20] not in str(raised.value)


def test_a_key_of_another_objective_or_client_is_refused(signing: Signing) -> None:
    with pytest.raises(KeyRefusedError, match="another objective"):
        signing.verifier.verify(signing.token(), objective="fraud")
    with pytest.raises(KeyRefusedError, match="another client"):
        signing.verifier.verify(signing.token(), client="tv")


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_an_hour_off_refuses_and_a_few_seconds_do_not(signing: Signing, hours: int) -> None:
    token = signing.token()
    signing.clock.now += 3 * hours
    assert signing.verifier.verify(token)
    signing.clock.now += 3600 * hours
    with pytest.raises(KeyRefusedError, match="expired" if hours > 0 else "in the future"):
        signing.verifier.verify(token)


def test_two_keys_overlap_and_then_the_older_one_is_refused(tmp_path: Path) -> None:
    signing = Signing(tmp_path)
    first, old_kid = signing.token(), signing.ring.signing_key().kid
    KeyRing(f"file:{tmp_path / 'keys.json'}", wall_clock=signing.clock).rotate(3600)  # another process
    changes: list[int] = []
    signing.ring.on_change(lambda: changes.append(len(signing.ring.public_set()["keys"])))
    signing.ring.refresh()
    assert signing.ring.signing_key().kid == old_kid  # the new public key has to be everywhere first
    signing.clock.now += 6
    assert signing.ring.signing_key().kid != old_kid
    assert signing.verifier.verify(first)
    assert jwt.get_unverified_header(signing.token())["kid"] == signing.ring.signing_key().kid
    signing.clock.now += 3600
    signing.ring.refresh()
    assert changes == [2, 1]
    with pytest.raises(KeyRefusedError, match="signed by no key"):
        signing.verifier.verify(first)
    signing.ring.rotate(3600)
    signing.ring.rotate(3600)
    assert len(signing.ring.public_set()["keys"]) == 2


def test_a_key_that_leaked_is_refused_at_once(tmp_path: Path) -> None:
    signing = Signing(tmp_path)
    leaked = signing.token()
    signing.ring.rotate(0)
    with pytest.raises(KeyRefusedError, match="signed by no key"):
        signing.verifier.verify(leaked)
    assert signing.verifier.verify(signing.token())


def test_the_private_keys_are_for_the_user_alone_and_nothing_repeats_them(tmp_path: Path) -> None:
    signing = Signing(tmp_path)
    file = tmp_path / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    private = [key["d"] for key in json.loads(file.read_bytes())["keys"]]
    assert private[0] not in json.dumps(signing.ring.public_set())
    file.chmod(0o644)
    with pytest.raises(UsageError, match="everybody may use"):
        KeyRing(f"file:{file}")
    file.chmod(0o600)
    for content in (b"", b"{}", b'{"keys": []}', file.read_bytes().replace(b'"P-256"', b'"P-384"'), b'{"keys": [1]}'):
        (tmp_path / "bad.json").write_bytes(content)
        (tmp_path / "bad.json").chmod(0o600)
        with pytest.raises(UsageError, match="not a set of routing keys") as raised:
            KeyRing(f"file:{tmp_path / 'bad.json'}")
        assert private[0] not in f"{raised.value!r}{raised.value.__cause__}"
    # A file that became bad leaves a running gateway its keys.
    file.write_bytes(b"{}")
    signing.ring.refresh()
    assert signing.verifier.verify(signing.token())


def test_keys_may_come_from_a_variable_and_are_not_rotated_there() -> None:
    text = encode_set(generate_set(0.0)).decode()
    ring = KeyRing("env:KEYS", environment={"KEYS": text})
    assert len(ring.public_set()["keys"]) == 1
    with pytest.raises(UsageError, match="cannot be rotated"):
        ring.rotate(60)
    for source, reason in (
        ("env:OTHER", "not set"),
        ("KEYS", "not a reference"),
        ("file:/none/keys", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=reason):
            KeyRing(source, environment={})


def test_a_gateway_with_keys_of_its_own_makes_no_others_beside_its_database(tmp_path: Path) -> None:
    ring = KeyRing(f"file:{tmp_path / 'keys.json'}", creates=True)
    with closing(GatewayStore(tmp_path / "gateway.db")) as store:
        assert Gateway(store, Engine(models=tmp_path), keys=ring).keys is ring
    assert not list(tmp_path.glob("*-routing-keys.json"))


def test_every_decision_has_a_cell_that_the_data_plane_has() -> None:
    configuration = example()
    names = {objective: {cell.name for cell in cells} for objective, cells in list_cells(configuration).items()}
    table = compile_table(configuration, 1)
    for random in map(Random, range(300)):
        context = {"user": f"u{random.randint(0, 99)}", "country": random.choice(["BR", "US"]), "device": "tv"}
        for objective in ("continue-watching", "home"):
            assert cell_of(table.decide(objective, context)) in names[objective]
    assert "rows@v3+next" in names["home"]


def test_after_a_rollback_the_cell_of_a_canary_is_served_by_its_base() -> None:
    configuration = example()
    canary = configuration.canaries["wallets"]
    (cell,) = [cell for cell in list_cells(configuration)["payment-fraud"] if cell.canary]
    assert (cell.name, cell.version) == ("fraud@v2!wallets", ref("fraud@v2"))
    stopped = together(
        type(canary)(
            name=canary.name,
            objective=canary.objective,
            version=canary.version,
            base=canary.base,
            state=CanaryState.ROLLED_BACK,
        ),
        start=configuration,
    )
    (cell,) = [cell for cell in list_cells(stopped)["payment-fraud"] if cell.canary]
    assert (cell.name, cell.version) == ("fraud@v2!wallets", ref("fraud@v1"))


# A real gateway from here on.


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with gateway(tmp_path_factory.mktemp("gateway")) as talk:
        yield talk


def resolved(talk: Talk, context: Any = None, *, who: str = "web") -> Any:
    return talk.as_(who).ok("POST", RESOLVE, {"context": context or {"user": "u1"}})


def test_only_a_client_gets_a_key_and_only_an_operator_the_addresses(shared: Talk) -> None:
    web, viewer = resolved(shared), resolved(shared, who="viewer")
    assert 600 <= web["expires_in"] <= 900
    assert web["destination"] == {"url": SERVE, "protocol": "gateway"}
    assert "endpoints" not in web
    assert not {"routing_key", "destination"} & viewer.keys()
    assert viewer["protocol"] == "local"
    shared.as_("web").refused(422, "POST", RESOLVE, {"context": {}, "input": {"x": 1}})


def test_the_public_keys_verify_what_resolve_signed_and_are_tagged(shared: Talk) -> None:
    answer = shared.as_("")("GET", "/.well-known/jwks.json")
    assert all("d" not in key for key in answer.json()["keys"])
    header = {"If-None-Match": answer.headers["etag"]}
    assert shared.as_("")("GET", "/.well-known/jwks.json", headers=header).status == 304
    keys = jwt.PyJWKSet.from_dict(answer.json())
    token = resolved(shared)["routing_key"]
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    assert shared.app is not None
    audience = shared.app.key_audience
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=audience, issuer="nlapi-gateway")
    assert (claims["objective"], claims["client"], claims["cell"]) == ("continue-watching", "web", "ranker@v7")
    assert "u1" not in json.dumps(claims)


def test_a_key_is_good_for_the_gateways_of_its_store_alone(tmp_path: Path) -> None:
    ring = KeyRing(f"file:{tmp_path / 'keys.json'}", creates=True)

    def audience_of(path: Path, key_audience: str = "") -> str:
        with closing(GatewayStore(path)) as store:
            return Gateway(store, Engine(models=tmp_path), keys=ring, key_audience=key_audience).key_audience

    first, second, old = (tmp_path / f"{name}.db" for name in ("first", "second", "old"))
    audience = audience_of(first)
    token = KeySigner(ring, audience=audience).sign(RANK, client="web", bucket=0, since=1).token
    assert KeyVerifier(ring.verifying_keys, audience=audience_of(first)).verify(token).cell
    with pytest.raises(KeyRefusedError, match="another audience"):
        KeyVerifier(ring.verifying_keys, audience=audience_of(second)).verify(token)
    assert audience_of(second, "production") == "production"
    # A store of the time before has no id: the keys that its gateways have signed stay good.
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript((Path(__file__).parent / "store_version_1.sql").read_text(encoding="utf-8"))
    assert audience_of(old) == "nlapi"


def test_serving_takes_a_good_key_and_refuses_every_other(shared: Talk) -> None:
    web, token = shared.as_("web"), resolved(shared)["routing_key"]
    for _ in range(2):
        assert web("POST", SERVE, BODY, headers={"X-Routing-Key": token}).status == 200
    bad = web("POST", SERVE, BODY, headers={"X-Routing-Key": token[:-6] + "AAAAAA"})
    assert (bad.status, bad.json()["type"]) == (401, "urn:nlapi:problem:invalid_routing_key")
    assert token[:-6] not in bad.content.decode()
    foreign = web("POST", "/v1/objectives/recommend/serve", BODY, headers={"X-Routing-Key": token})
    assert (foreign.status, foreign.json()["type"]) == (403, "urn:nlapi:problem:foreign_routing_key")
    assert shared.app is not None
    other = shared.as_(shared.app.access.create_token("tv", Audience.SERVE)[1])
    assert other("POST", SERVE, BODY, headers={"X-Routing-Key": token}).status == 403


def test_a_rotation_on_the_command_line_reaches_the_running_gateway_and_the_audit_log(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        assert talk.app is not None
        web, token = talk.as_("web"), resolved(talk)["routing_key"]
        assert web("POST", SERVE, BODY, headers={"X-Routing-Key": token}).status == 200
        database = str(tmp_path / "gateway.db")
        rotated = run("gateway", "keys", "rotate", "--overlap", "0", "--database", database)
        assert rotated.code == 0, rotated.err
        talk.app.keys.refresh()
        assert web("POST", SERVE, BODY, headers={"X-Routing-Key": token}).status == 401
        fresh = resolved(talk)["routing_key"]
        assert web("POST", SERVE, BODY, headers={"X-Routing-Key": fresh}).status == 200
        (entry,) = talk.ok("GET", "/v1/audit", author="command-line")["data"]
        assert (entry["action"], entry["outcome"]) == ("rotateKeys", "done")
        listed = json.loads(run("gateway", "keys", "list", "--database", database, "-o", "json").out)
        assert [row["state"] for row in listed] == ["signs"]
        private = json.loads((tmp_path / "gateway.db-routing-keys.json").read_bytes())["keys"][0]["d"]
        assert private not in (tmp_path / "gateway.db").read_bytes().decode("latin-1")
        assert private not in rotated.out + rotated.err + json.dumps(listed)


def test_a_gateway_whose_clock_jumps_an_hour_gives_keys_that_are_good(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = 1_800_000_000.0
    with gateway(tmp_path, wall_clock=clock) as talk:
        web = talk.as_("web")
        for jump in (3600, -7200):
            before = resolved(talk)["routing_key"]
            clock.now += jump
            after = resolved(talk)["routing_key"]
            assert web("POST", SERVE, BODY, headers={"X-Routing-Key": before}).status == 401
            assert web("POST", SERVE, BODY, headers={"X-Routing-Key": after}).status == 200


def watch(talk: Talk, etag: str = "", **query: Any) -> Any:
    return talk("GET", "/v1/routing", headers={"If-None-Match": etag} if etag else {}, **query)


def test_the_number_of_an_objective_changes_with_its_own_routing_alone(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        first = watch(talk, objectives="continue-watching")
        numbers = watch(talk).json()["objectives"]
        rule = {
            "name": "br",
            "objective": "recommend",
            "model": "popular",
            "version": "v1",
            "when": {"country": ["BR"]},
        }
        talk.ok("POST", "/v1/rules", rule)
        talk.ok("POST", "/v1/shards", {"name": "far", "protocol": "json", "endpoints": ["http://127.0.0.1:9"]})
        assert watch(talk, first.headers["etag"], objectives="continue-watching").status == 304
        after = watch(talk).json()
        assert {name for name in numbers if after["objectives"][name] != numbers[name]} == {"recommend"}
        talk.ok("PATCH", "/v1/models/ranker/versions/v7", {"description": "the same"})
        changed = watch(talk, first.headers["etag"], objectives="continue-watching")
        assert changed.status == 200
        assert watch(talk, wait="61").status == 422


def test_a_watch_ends_with_the_next_change_or_when_the_gateway_stops(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        assert talk.app is not None
        etag = watch(talk).headers["etag"]
        answers: list[Any] = []
        threads = [threading.Thread(target=lambda: answers.append(watch(talk, etag, wait="60"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        talk.ok("PATCH", "/v1/objectives/recommend", {"timeout_ms": 900})
        for thread in threads:
            thread.join(30)
        assert [answer.status for answer in answers] == [200, 200]
        assert watch(talk, etag, wait="0.01").status == 200
        current = watch(talk).headers["etag"]
        assert watch(talk, current, wait="0.01").status == 304
        talk.app.begin_drain()
        assert watch(talk, current, wait="60").status == 304


def test_keys_are_registered_again_where_an_older_copy_of_the_database_has_none() -> None:
    store = GatewayStore()
    registration = KeyRegistration(store, KeyRing.beside(":memory:"))
    registration.join()
    with store.transaction():
        replace_registered(store, ())
    registration.check()
    assert len(registered_keys(store)) == 1
    assert list(registration.issues()) == []
