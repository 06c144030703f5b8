"""In which words is a language model asked whether a document answers a query?"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lexmax.errors import EncoderError

INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
"""What is asked of documents where nobody says something else (Qwen3-Reranker's own)."""

# Private characters, which no template writes.
_QUERY, _DOCUMENT = "\ue000q\ue000", "\ue000d\ue000"


@dataclass(frozen=True, slots=True)
class YesNoPrompt:
    """The words around a query and a document.

    Names of special tokens are special in `head` and `tail` only: query, document and the words
    between them are text.

    Attributes:
        head: Comes first.
        query_lead: Before the query.
        document_lead: Between query and document.
        document_end: Behind the document.
        tail: Comes last; behind it the model says yes or no.
    """

    head: str
    query_lead: str
    document_lead: str
    document_end: str
    tail: str


def qwen_prompt(instruction: str = INSTRUCTION) -> YesNoPrompt:
    """The prompt of Qwen3-Reranker (arXiv 2506.05176, appendix; its model card)."""
    return YesNoPrompt(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
        'and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n",
        f"<Instruct>: {instruction}\n<Query>: ",
        "\n<Document>: ",
        "",
        "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    )


def chat_prompt(tokenizer: Any, special: Iterable[str]) -> YesNoPrompt:
    """What a chat template makes of messages of the roles query and document.

    Args:
        tokenizer: Of the transformers library, with the template.
        special: Contents of its special tokens.

    Raises:
        EncoderError: if the template fails, or does not write both once and in this order.
    """
    messages = [{"role": "query", "content": _QUERY}, {"role": "document", "content": _DOCUMENT}]
    try:
        written: str = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception as error:
        raise _unfit(f"it fails ({error})") from error
    if written.count(_QUERY) != 1 or written.count(_DOCUMENT) != 1:
        raise _unfit("it does not write each of them once")
    before, _, rest = written.partition(_QUERY)
    between, document, after = rest.partition(_DOCUMENT)
    if not document:
        raise _unfit("it writes the document first")
    names = sorted(map(re.escape, special), key=len, reverse=True)
    pattern = re.compile("|".join(names) or r"(?!)")
    if pattern.search(between):
        raise _unfit("it writes a special token between them")
    cut = max((found.end() for found in pattern.finditer(before)), default=0)
    first = pattern.search(after)
    end = len(after) if first is None else first.start()
    return YesNoPrompt(before[:cut], before[cut:], between, after[:end], after[end:])


def _unfit(reason: str) -> EncoderError:
    return EncoderError(
        "the chat template cannot be used for messages of the roles query and document: "
        f"{reason}; expected one that writes the query, then the document; save the model with the "
        "template of a reranker"
    )
