"""Stores the logins of the user: what a login is, a file for each, and its secrets in the keyring or in the file."""

from __future__ import annotations

import hashlib
import re
import secrets as randomness
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from nlapi.errors import CredentialError, MissingCredentialError, file_faults
from nlapi.local_files import locked, remove_file, write_file
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


# In seconds. A token that ends within this time, or within a tenth of its lifetime, is renewed before it is sent: a
# request takes up to 30 s, and a token of one minute must not be renewed at each call.
LEEWAY = 30


class LoginKind(StrEnum):
    """The kinds of logins: a value that the user typed, a reference to one, or tokens of an authorization server."""

    VALUE = "value"
    REFERENCE = "reference"
    OAUTH = "oauth"


class SecretStorage(StrEnum):
    """The places of a login's secrets. NONE: it is a reference, and has none."""

    KEYRING = "keyring"
    FILE = "file"
    NONE = "none"


class ClientAuthMethod(StrEnum):
    """The ways in which a client authenticates to a token endpoint (RFC 8414 §2)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


class Grant(StrEnum):
    """The grants by which a login got its tokens (RFC 6749 §4.1, §4.3 and §4.4, RFC 8628)."""

    CODE = "authorization_code"
    DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
    CLIENT = "client_credentials"
    PASSWORD = "password"  # noqa: S105 - the name of the grant


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSource:
    """The authorization server of a login, as it was when the user logged in, and the client there.

    `revocation_url` is "" where the server has none. `issuer` is "" where only the description names the endpoints.
    `network` is the scope of the token endpoint (nlapi/openapi/egress.py), a NetworkScope by value.
    """

    grant: Grant
    token_url: str
    client_id: str
    client_auth: ClientAuthMethod = ClientAuthMethod.NONE
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    revocation_url: str = ""
    network: str = "public"
    revocation_network: str = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What of a login is secret. `value` is what is sent: a key, USER:PASSWORD or an access token."""

    value: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(text for text in (self.value, self.refresh_token, self.client_secret) if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A stored login; its secrets are apart. `scheme` is the id of the security scheme that it is for.

    `audience` are the sites (`https://host:port`) of the servers that it may go to; a login without one goes to the
    first that the user names, and is for that from then on. Times are in seconds since 1970;
    `expires_at` is 0 where it is not known. `lifetime` is that of a new token, in seconds. `ended` says why the
    authorization server renews it no more, "" while it does.
    """

    scheme: str
    kind: LoginKind
    audience: tuple[str, ...]
    created_at: int
    secret_id: str
    has_refresh_token: bool = False
    storage: SecretStorage = SecretStorage.NONE
    reference: str = ""
    source: TokenSource | None = None
    expires_at: int = 0
    lifetime: int = 0
    ended: str = ""

    def is_expired(self, now: float | None = None) -> bool:
        """Return whether the token has ended, or will before a request could be answered."""
        leeway = min(LEEWAY, self.lifetime // 10)
        return bool(self.expires_at) and (time.time() if now is None else now) >= self.expires_at - leeway

    @property
    def is_renewable(self) -> bool:
        """Return whether the login can get a new token without the user."""
        if self.source is None or self.ended:
            return False
        return self.has_refresh_token or self.source.grant is Grant.CLIENT

    def with_lifetime(self, seconds: int) -> Login:
        """Return the login with a new token that ends after `seconds`; 0 where it is not known."""
        ends = int(time.time()) + seconds if seconds else 0
        return replace(self, expires_at=ends, lifetime=seconds, ended="")


SERVICE = "nlapi"

# A backend may raise anything: D-Bus, the Keychain and the Credential Manager each have their own errors.
_UNLOCK_HINT = "unlock it, or log in again with --store file"


def keyring_fault() -> str:
    """Return why secrets cannot go into a keyring; "" where they can."""
    try:
        import keyring
    except ImportError:
        return "the package keyring is not installed"
    try:
        backend = keyring.get_keyring()
    except Exception as error:
        return f"it cannot be opened: {_reason(error)}"
    return "" if _stores(backend) else "this system has no keyring"


def store_in_keyring(id: str, secrets: Secrets) -> str:
    """Put secrets into the keyring. Return why that was not possible, "" where they are there."""
    if fault := keyring_fault():
        return fault
    import keyring

    text = msgspec.json.encode(secrets).decode()
    try:
        keyring.set_password(SERVICE, id, text)
        # Some backends lose what is too long for them (the Credential Manager of Windows takes 2,560 bytes).
        return "" if keyring.get_password(SERVICE, id) == text else "it did not keep them whole"
    except Exception as error:
        return _reason(error)


def read_from_keyring(id: str, label: str) -> Secrets:
    """Return the secrets of the login that `label` names. CredentialError where the keyring cannot be read."""
    login_again = f"`nlapi auth login {label}` stores it again"
    try:
        import keyring

        text = keyring.get_password(SERVICE, id)
    except ImportError:
        message = f"the login {label} is in the keyring, and the package keyring is not installed"
        raise CredentialError(message, hint='pip install "nlapi[login]"') from None
    except Exception as error:
        message = f"the keyring, where the login {label} is, cannot be read: {_reason(error)}"
        raise CredentialError(message, hint=_UNLOCK_HINT) from None
    if text is None:
        raise MissingCredentialError(f"the keyring has no login {label} any more", hint=login_again)
    try:
        return msgspec.json.decode(text, type=Secrets)
    except msgspec.MsgspecError:
        raise MissingCredentialError(f"the login {label} in the keyring is damaged", hint=login_again) from None


def remove_from_keyring(id: str) -> str:
    """Remove secrets from the keyring. Return why that was not possible; "" where they are gone."""
    try:
        import keyring
        from keyring.errors import PasswordDeleteError

        try:
            keyring.delete_password(SERVICE, id)
        except PasswordDeleteError:
            return "" if keyring.get_password(SERVICE, id) is None else "it refused"
    except Exception as error:
        return _reason(error)
    return ""


def _stores(backend: KeyringBackend) -> bool:
    """Return whether a backend stores secrets: that of a system without a keyring, and `null`, do not."""
    module = type(backend).__module__
    return not module.startswith(("keyring.backends.fail", "keyring.backends.null"))


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


FOLDER = "logins"
PLAIN_NOTICE = "The secrets in this file are in plain text. Only your user may read it. `nlapi auth logout` removes it."


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoginFile:
    """The content of the file of a login. `secrets` is None where the keyring has them."""

    login: Login
    notice: str = ""
    secrets: Secrets | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginKey:
    """The name of a login: the name of an API, and the id of one of its security schemes."""

    api: str
    scheme: str

    def __str__(self) -> str:
        return f"{self.api} {self.scheme}"


class LoginStore:
    """The logins of the user, in `folder`. Each is read, changed and written by one process at a time."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder if folder is not None else user_folder("config") / FOLDER

    def list_keys(self, api: str | None = None) -> tuple[LoginKey, ...]:
        """Return the logins that are stored, of one API or of all; damaged ones too. No secret is read."""
        if api is not None:
            return tuple(sorted(self._keys_of(api), key=str))
        try:
            names = sorted(entry.name for entry in self._folder.iterdir() if entry.is_dir())
        except OSError:
            return ()
        return tuple(key for name in names for key in sorted(self._keys_of(unquote(name)), key=str))

    def _keys_of(self, api: str) -> Iterator[LoginKey]:
        try:
            files = list((self._folder / _file_name(api)).glob("[!.]*.json"))
        except OSError:
            return
        for file in files:
            try:
                scheme = self._read(file, LoginKey(api=api, scheme=unquote(file.stem))).login.scheme
            except CredentialError:
                scheme = unquote(file.stem)
            yield LoginKey(api=api, scheme=scheme)

    def read(self, key: LoginKey) -> Login:
        """Return a login. MissingCredentialError if none exists, CredentialError for a damaged one."""
        return self._read(self._file(key), key).login

    def read_secrets(self, key: LoginKey) -> tuple[Login, Secrets]:
        """Return a login with its secrets; for a reference, the secret behind it. CredentialError as `read`."""
        content = self._read(self._file(key), key)
        login = content.login
        if login.kind is LoginKind.REFERENCE:
            from nlapi.credential_references import read_reference

            return login, Secrets(value=read_reference(login.reference, f"the login {key}"))
        if content.secrets is not None:
            return login, content.secrets
        return login, read_from_keyring(login.secret_id, str(key))

    @contextmanager
    def lock(self, key: LoginKey) -> Iterator[None]:
        """Hold the lock of a login while it is read, renewed and written; other processes wait."""
        with self._writing(), locked(self._file(key)):
            yield

    def write(self, key: LoginKey, login: Login, secrets: Secrets | None, storage: SecretStorage | None = None) -> str:
        """Store a login, replacing an earlier one. Return why its secrets are in the file; "" where they are not.

        `storage` is where the user wants them: in the keyring, where there is one, if they say nothing.
        """
        fault, replaced = "", self._keyring_id(key)
        if secrets is None:
            content = _LoginFile(login=replace(login, storage=SecretStorage.NONE))
        else:
            fault = "you asked for it" if storage is SecretStorage.FILE else store_in_keyring(login.secret_id, secrets)
            if fault and storage is SecretStorage.KEYRING:
                message = f"the login was not stored: the keyring does not take it: {fault}"
                raise CredentialError(message, hint="--store file puts it into a file for you alone")
            content = _LoginFile(login=replace(login, storage=SecretStorage.KEYRING))
            if fault:
                stored = replace(login, storage=SecretStorage.FILE)
                content = _LoginFile(login=stored, notice=PLAIN_NOTICE, secrets=secrets)
        self._write_file(self._file(key), content)
        if replaced and (content.login.storage is not SecretStorage.KEYRING or login.secret_id != replaced):
            remove_from_keyring(replaced)
        return fault

    def _writing(self) -> AbstractContextManager[None]:
        return file_faults(f"{self._folder} cannot be written", hint="set NLAPI_CONFIG_DIR")

    def _write_file(self, file: Path, content: _LoginFile) -> None:
        with self._writing():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # An existing file keeps its mode, and the user may have copied one that others may read.
            if file.exists():
                file.chmod(0o600)
            write_file(file, msgspec.json.format(msgspec.json.encode(content), indent=1))

    def extend(self, key: LoginKey, site: str) -> bool:
        """Let a login go to another site, which the user has named for its API; return whether that is new."""
        with self.lock(key):
            content = self._read(self._file(key), key)
            if site in content.login.audience:
                return False
            login = replace(content.login, audience=(*content.login.audience, site))
            self._write_file(self._file(key), replace(content, login=login))
        return True

    def _keyring_id(self, key: LoginKey) -> str:
        """Return the name of the secrets of a stored login in the keyring; "" where it has none there."""
        try:
            login = self.read(key)
        except CredentialError:
            return ""
        return login.secret_id if login.storage is SecretStorage.KEYRING else ""

    def remove(self, key: LoginKey) -> str:
        """Forget a login. Return why the keyring still has its secrets; "" where nothing is left."""
        file, fault = self._file(key), ""
        with self.lock(key):
            try:
                login = self._read(file, key).login
                fault = remove_from_keyring(login.secret_id) if login.storage is SecretStorage.KEYRING else ""
            except CredentialError:
                pass  # a damaged file, or none
            remove_file(file)
        return fault

    def rename(self, old: str, new: str) -> None:
        """Move the logins of an API to another name; the keyring has them under separate ids."""
        source, target = self._folder / _file_name(old), self._folder / _file_name(new)
        if source.is_dir():
            with self._writing():
                source.rename(target)

    def path(self, key: LoginKey) -> Path:
        """Return the file of a login."""
        return self._file(key)

    def _file(self, key: LoginKey) -> Path:
        return self._folder / _file_name(key.api) / f"{_file_name(key.scheme)}.json"

    def _read(self, file: Path, key: LoginKey) -> _LoginFile:
        login_again = f"`nlapi auth login {key}` stores it again"
        try:
            return msgspec.json.decode(file.read_bytes(), type=_LoginFile)
        except FileNotFoundError:
            hint = f"`nlapi auth login {key}` stores one"
            raise MissingCredentialError(f"there is no login {key}", hint=hint) from None
        except OSError as error:
            raise CredentialError(f"{file} cannot be read: {error.strerror}", hint=login_again) from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            # msgspec names the place (`$.login.kind`), and never a value.
            message = f"{file}, the login {key}, is damaged: {_without_values(error)}"
            raise CredentialError(message, hint=login_again) from None


def new_secret_id() -> str:
    """Return a new name for secrets in the keyring."""
    return randomness.token_hex(12)


def _without_values(error: Any) -> str:
    return re.sub(r"'[^']*'", "...", str(error))[:200]


def _file_name(text: str) -> str:
    """Return a text as the name of a file; one that is too long, with a hash in place of its end."""
    name = quote(text, safe="@ ").replace(".", "%2E")
    return name if len(name) <= 120 else f"{name[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
