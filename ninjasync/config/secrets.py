"""From a secret's reference to the secret: read late, handed over once, shown never.

Knows where secrets may be kept; must not log, keep or print one.
"""

import codecs
import logging
import os
import string
import subprocess
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from ninjasync.config.example import is_left_from_example
from ninjasync.config.schema import Config
from ninjasync.config.section import SecretReference
from ninjasync.errors import ConfigurationError
from ninjasync.model.message import Message, as_message, number, text, word

log = logging.getLogger(__name__)

_COMMAND_SECONDS = 60


def read_duo_secret_key(config: Config) -> SecretStr:
    """Return Duo's secret key; raises ConfigurationError, naming the key, where it is not to be had."""
    return read_secret("[duo] secret_key", config.duo.secret_key, config.file)


def read_ninjaone_token(config: Config) -> SecretStr:
    """Return NinjaOne's SCIM token; raises ConfigurationError, naming the key, where it is not to be had."""
    return read_secret("[ninjaone] secret_token", config.ninjaone.secret_token, config.file)


def read_api_client_secret(config: Config) -> SecretStr:
    """Return the secret of the public API's client app; raises ConfigurationError as the others do."""
    return read_secret("[ninjaone.api] client_secret", config.ninjaone.api.client_secret, config.file)


def read_ledger_url(config: Config) -> SecretStr:
    """Return the URL of the ledger's database, where it is in one; raises ConfigurationError as the others do."""
    assert config.state.url is not None
    return read_secret("[state] url", config.state.url, config.file)


def read_both(config: Config) -> tuple[SecretStr, SecretStr]:
    """Return NinjaOne's token and Duo's secret key; raises ConfigurationError, which lists all that are missing.

    The public API's secret is looked for as well where that is set up.
    """
    secrets: list[SecretStr] = []
    errors: list[ConfigurationError] = []
    for read in (
        read_ninjaone_token,
        read_duo_secret_key,
        *([read_api_client_secret] if config.ninjaone.api.url else []),
    ):
        try:
            secrets.append(read(config))
        except ConfigurationError as error:
            errors.append(error)
    if len(errors) > 1:
        raise ConfigurationError(
            Message("{} secrets cannot be had.", number(len(errors))),
            "ninjasync check shows each.",
            mistakes=tuple(Message("{} {}", as_message(error.message), as_message(error.hint)) for error in errors),
        )
    if errors:
        raise errors[0]
    token, secret_key, *_ = secrets
    return token, secret_key


def read_secret(key: str, secret: SecretStr | SecretReference, whole_path: Callable[[str], Path]) -> SecretStr:
    """Return what ``secret`` is or refers to; ``whole_path`` tells where a relative path starts.

    Raises ConfigurationError, which names ``key``, where it is not to be had.
    """
    if isinstance(secret, SecretStr):
        text = secret.get_secret_value()
    elif secret.env:
        text = _from_environment(key, secret.env)
    elif secret.file:
        text = _from_file(key, whole_path(secret.file))
    elif secret.keyring:
        text = _from_keyring(key, secret.keyring)
    else:
        text = _from_command(key, secret.command)
    return expect_sendable(key, text.strip(_AROUND))


def read_environment(key: str, name: str) -> SecretStr:
    """Return the secret in an environment variable; raises ConfigurationError, which names ``key``."""
    return expect_sendable(key, _from_environment(key, name).strip(_AROUND))


# What an editor may leave around a secret: blanks, line ends, a byte order mark.
_AROUND = string.whitespace + "\ufeff\u200b\xa0"
# No key and no token is shorter; and to hide so short a text would hide half of every message.
_SHORTEST = 8


def decode(data: bytes) -> str:
    """Return the text of a file as an editor may save it: UTF-8, or UTF-16 with its mark. Raises UnicodeDecodeError."""
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf_16 else "utf-8-sig")


def expect_sendable(key: str, text: str) -> SecretStr:
    """Return ``text`` as a secret; raises ConfigurationError where it cannot be a key or a token."""
    if not text:
        raise ConfigurationError(
            Message("{}: the secret is empty where it is kept.", word(key)), "Put the secret there."
        )
    if text.casefold().startswith("bearer "):
        raise ConfigurationError(
            Message('{}: the token begins with the word "Bearer".', word(key)),
            "Keep the token alone; ninjasync adds that word.",
        )
    # It travels in an HTTP header; a stray quote or line break from copying would fail there without a cause.
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigurationError(
            Message("{}: the secret holds a character that no key or token has.", word(key)),
            "Copy it once more from the console.",
        )
    if is_left_from_example(text):
        raise ConfigurationError(
            Message("{}: the secret is still the example's (FILL-IN, XXXX).", word(key)),
            "Copy your own from the console.",
        )
    if len(text) < _SHORTEST:
        raise ConfigurationError(
            Message(f"{{}}: the secret is shorter than {_SHORTEST} characters, which no key or token is.", word(key)),
            "Copy all of it from the console.",
        )
    return SecretStr(text)


def _from_environment(key: str, name: str) -> str:
    value = os.environ.get(name, "")
    if not value.strip():
        raise ConfigurationError(
            Message("{}: the environment variable {} is not set.", word(key), text(name)),
            Message("Set {} before ninjasync starts.", text(name)),
        )
    return value


def _from_file(key: str, path: Path) -> str:
    try:
        # Windows keeps its permissions elsewhere; there the mode says nothing.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            log.warning("%s: the secrets file %s may be read by others; take that away: chmod 600 %s", key, path, path)
        return decode(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
        raise ConfigurationError(
            Message("{}: the secrets file {} cannot be read: {}.", word(key), text(path), text(why)),
            "Check the path and who may read it.",
        ) from error


def _from_keyring(key: str, reference: str) -> str:
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise ConfigurationError(
            Message("{}: the keyring needs the extra package keyring.", word(key)),
            "Install it, in the folder of ninjasync's source: pip install '.[keyring]'",
        ) from error
    service, _, user = reference.partition("/")
    try:
        value = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise ConfigurationError(
            Message("{}: the keyring could not be read: {}.", word(key), text(error)),
            "On a machine without a desktop use { file } instead.",
        ) from error
    if value is None:
        raise ConfigurationError(
            Message("{}: the keyring has no entry {}.", word(key), text(reference)),
            Message("Make it: keyring set {} {}.", text(service), text(user)),
        )
    return str(value)


def _from_command(key: str, command: tuple[str, ...]) -> str:
    name = command[0]
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            command,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = "took over a minute" if isinstance(error, subprocess.TimeoutExpired) else f"could not run: {error}"
        raise ConfigurationError(
            Message("{}: the command {} {}.", word(key), text(name), text(why)), "Try it by hand as this user."
        ) from None
    if done.returncode:
        raise ConfigurationError(
            Message("{}: the command {} ended with exit code {}.", word(key), text(name), number(done.returncode)),
            "Try it by hand as this user.",
        )
    try:
        return decode(done.stdout)
    except UnicodeDecodeError:
        raise ConfigurationError(
            Message("{}: the command {} printed something that is not text.", word(key), text(name)),
            "Try it by hand as this user.",
        ) from None
