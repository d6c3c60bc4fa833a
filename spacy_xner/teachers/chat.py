"""`spacy-xner.ChatModel.v1`: a model for spacy-llm behind any server that speaks the chat protocol.

spacy-llm's own OpenAI models take an `endpoint` too. But when they are made they ask OpenAI's host
for a list of models, and send the key there, whatever the endpoint is; and they do not tell
when an answer was withheld or cut short.
"""

import os

# Not collections.abc: spacy-llm checks the signature of __call__ and knows only this one.
from typing import Any, Iterable  # noqa: UP035

import requests
from spacy_llm.models.rest.base import REST

from .faults import ERRORS, MALFORMED, REFUSALS, AnswerError

WITHHELD = {"content_filter", "content_policy_violation"}


class ChatModel(REST):
    """Sends prompts to one address, one request a prompt; nothing is sent to any other.

    name (str): Of the model, as the server knows it.
    endpoint (str): The full address, e.g. http://127.0.0.1:8000/v1/chat/completions.
    config (Dict[str, Any]): Further fields of each request, e.g. temperature and max_tokens.
    variable (str): The variable of the environment that holds the key. If it is not set, no key is
        sent: a local server may want none.
    max_tries (int): So many times a request is sent again after a time-out, HTTP 429 or 503.
    interval (float): Seconds before the first of these; each waits twice as long as the one before.
    max_request_time (float): Seconds until a request is a time-out.
    context_length (Optional[int]): In tokens; a document that is too long for it is prompted in
        parts.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        *,
        config: dict[str, Any],
        variable: str,
        max_tries: int,
        interval: float,
        max_request_time: float,
        context_length: int | None,
    ) -> None:
        self._variable = variable
        super().__init__(
            name=name,
            endpoint=endpoint,
            config=config,
            strict=True,
            max_tries=max_tries,
            interval=interval,
            max_request_time=max_request_time,
            context_length=context_length,
        )

    @property
    def credentials(self) -> dict[str, str]:
        """The header with the key, if there is one."""
        key = os.environ.get(self._variable)
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _verify_auth(self) -> None:
        """Nothing is asked before the first prompt."""

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Ask for the answers to prompts.

        prompts (Iterable[Iterable[str]]): By document.
        RETURNS (Iterable[Iterable[str]]): One answer a prompt.
        RAISES (AnswerError): For an answer that was refused or cut short, and for HTTP errors.
        """
        return [[self._ask(prompt) for prompt in parts] for parts in prompts]

    def _ask(self, prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        response = self.retry(
            call_method=requests.post,
            url=self._endpoint,
            headers=self._credentials,
            json={**self._config, "messages": messages, "model": self._name},
            timeout=self._max_request_time,
            allow_redirects=False,  # a prompt goes to the endpoint and nowhere else
        )
        if response.status_code != requests.codes.ok:
            withheld = _error_code(response) in WITHHELD
            raise AnswerError(REFUSALS if withheld else ERRORS, f"HTTP {response.status_code}")
        choice = response.json()["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        if reason in WITHHELD or message.get("refusal") or not message.get("content"):
            raise AnswerError(REFUSALS)
        if reason == "length":  # entities may be missing
            raise AnswerError(MALFORMED, "cut short")
        return message["content"]

    @staticmethod
    def _get_context_lengths() -> dict[str, int]:
        return {}


def _error_code(response: requests.Response) -> str | None:
    try:
        return str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return None


def make_chat_model(
    name: str,
    endpoint: str,
    config: dict[str, Any] | None = None,
    variable: str = "OPENAI_API_KEY",
    max_tries: int = 5,
    interval: float = 1.0,
    max_request_time: float = 30.0,
    context_length: int | None = None,
) -> ChatModel:
    """Registered as `spacy-xner.ChatModel.v1` in `llm_models`; for the settings see `ChatModel`."""
    return ChatModel(
        name,
        endpoint,
        config=dict(config or {}),
        variable=variable,
        max_tries=max_tries,
        interval=interval,
        max_request_time=max_request_time,
        context_length=context_length,
    )
