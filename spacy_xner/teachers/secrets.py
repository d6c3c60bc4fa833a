"""Keys of hosted models: they come from the environment and are kept out of what is written."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

# Names of settings that hold secrets. Not `key` alone: spaCy has spans_key, and a `max_tokens` is
# no token.
NAMES = re.compile(
    r"(?:api|access|secret|private|subscription)[_-]?key$"
    r"|(?:^|[_-])(?:token|secret|passw(?:or)?d|authorization|bearer|headers?|cookies?|credentials?)$",
    re.IGNORECASE,
)
QUERIES = re.compile(r"(?:^|[_-])(?:key|sig|signature)$", re.IGNORECASE)
# Prefixes that providers give their keys, and values of the header `Authorization`.
VALUES = re.compile(r"(?<![\w-])(?:(?:sk|pk|gsk|xai|hf)[_-][\w-]{16,}|(?:Bearer|Basic) \S+)")
VARIABLES = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
# Shorter values, such as "true", occur in innocent text.
SHORTEST = 8
# They write the addresses of requests, and some providers want the key there.
LOGGERS = ("urllib3.connectionpool", "httpx")


def known_secrets() -> list[str]:
    """The values of the environment's variables whose names end as those of secrets do."""
    found = {x for name, x in os.environ.items() if VARIABLES.search(name) and len(x) >= SHORTEST}
    return sorted(found, key=len, reverse=True)


def mask(text: str) -> str:
    """Put *** in the place of all secrets of the environment, and of what looks like a key.

    text (str): For a message.
    RETURNS (str): Without them.
    """
    for secret in known_secrets():
        text = text.replace(secret, "***")
    return VALUES.sub("***", text)


def find_secret(config: Mapping[str, Any], *, place: str = "") -> str | None:
    """The first setting that seems to hold a secret, by its name or its value.

    config (Mapping[str, Any]): A config, or a section of one.
    place (str): Where the section is.
    RETURNS (Optional[str]): E.g. "components.llm.model.headers"; None if there is none. Never the
        value.
    """
    for name, value in config.items():
        path = f"{place}.{name}".strip(".")
        if isinstance(value, str | dict | list) and value and NAMES.search(str(name)):
            return path
        for part in value if isinstance(value, list) else [value]:
            inner = find_secret(part, place=path) if isinstance(part, Mapping) else None
            if inner or (isinstance(part, str) and _is_secret(part)):
                return inner or path
    return None


def _is_secret(value: str) -> bool:
    if VALUES.search(value) or any(secret in value for secret in known_secrets()):
        return True
    if not value.startswith(("http://", "https://")):
        return False
    url = urlsplit(value)
    queries = [name for name, _ in parse_qsl(url.query)]
    return bool(url.password) or any(QUERIES.search(q) or NAMES.search(q) for q in queries)


class _Mask(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask(record.getMessage()), ()
        return True


@contextmanager
def masked_logs() -> Iterator[None]:
    """Mask the secrets in what HTTP libraries log, for as long as the context lasts."""
    found = _Mask()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addFilter(found)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(found)
