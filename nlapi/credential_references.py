"""Reads credentials from where references point: `env:NAME`, `file:PATH`, or `cmd:COMMAND` of a password manager."""

from __future__ import annotations

import os
import shlex
import subprocess
from functools import cache
from pathlib import Path

from nlapi.errors import CredentialError, MissingCredentialError, file_faults

VARIABLE, FILE, COMMAND = "env:", "file:", "cmd:"
REFERENCE_FORMS = "env:NAME, file:PATH or cmd:COMMAND"

# In bytes. A credential is a line of a header; a certificate or a whole disk is a mistake.
MAX_CREDENTIAL_BYTES = 64 * 1024
# In seconds: a password manager may wait for a finger on a key.
COMMAND_SECONDS = 120


def is_reference(text: str) -> bool:
    """Return whether a text refers to a credential and is not one itself."""
    return text.startswith((VARIABLE, FILE, COMMAND)) and bool(text.partition(":")[2].strip())


def read_reference(reference: str, option: str) -> str:
    """Return the credential that a reference points to. `option` names where the reference stands, for errors.

    MissingCredentialError when there is nothing, CredentialError for a command that fails.
    """
    kind, _, location = reference.partition(":")
    if kind == "env":
        return read_variable(location, option)
    return _read_file(location, option) if kind == "file" else _read_command(location, option)


def read_variable(name: str, option: str) -> str:
    """Return the value of an environment variable that an option names. MissingCredentialError when it has none."""
    value = os.environ.get(name)
    if not value:
        raise MissingCredentialError(f"the variable {name} is not set, which {option} reads", hint=f"export {name}=...")
    return value


def _read_file(location: str, option: str) -> str:
    path = Path(location).expanduser()
    message, hint = f"{path} cannot be read, which {option} names", "put the credential there, and nothing else"
    with file_faults(message, MissingCredentialError, hint=hint), path.open("rb") as stream:
        content = stream.read(MAX_CREDENTIAL_BYTES + 1)
    return _checked(content, f"{path}, which {option} names,")


@cache
def _read_command(command: str, option: str) -> str:
    """Return the first line that a command prints; the same command is run once in a process."""
    # Without a shell, so that nothing in the line is expanded. Its standard error and input are the terminal's, where a
    # password manager asks for its own password.
    try:
        words = [os.path.expanduser(word) for word in shlex.split(command)]  # noqa: PTH111 - words are not paths
        done = subprocess.run(words, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"the command that {option} names cannot be run: {reason}"
        raise CredentialError(message, hint='`cmd:sh -c "..."` runs a line of a shell') from None
    except subprocess.TimeoutExpired:
        message = f"the command that {option} names gave nothing in {COMMAND_SECONDS} s"
        raise CredentialError(message, hint="run it by hand: does it wait for you?") from None
    if done.returncode:
        message = f"the command that {option} names failed with exit code {done.returncode}"
        raise CredentialError(message, hint="run it by hand; is the password manager unlocked?")
    # `pass` and others print further fields below the password.
    return _checked(
        done.stdout[: MAX_CREDENTIAL_BYTES + 1].strip().partition(b"\n")[0], f"the command that {option} names"
    )


def _checked(content: bytes, source: str) -> str:
    if len(content) > MAX_CREDENTIAL_BYTES:
        raise CredentialError(f"{source} gives more than a credential", hint="one line is taken, of 64 KB at most")
    text = content.decode("utf-8", "replace").strip().removeprefix("\ufeff")
    if not text:
        raise MissingCredentialError(f"{source} gives nothing", hint="put the credential there, and nothing else")
    return text
