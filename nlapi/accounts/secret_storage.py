"""Puts secrets into the keyring of the system and reads them from there, where the system has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nlapi.accounts.login import Secrets
from nlapi.errors import CredentialError, MissingCredentialError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "nlapi"

# What a backend raises is its own affair: D-Bus, the Keychain and the Credential Manager each have errors of their own.
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
    return "" if _stores(backend) else "this system has none"


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
    """Return whether a backend keeps what it is given: that of a system without a keyring, and `null`, do not."""
    module = type(backend).__module__
    return not module.startswith(("keyring.backends.fail", "keyring.backends.null"))


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
