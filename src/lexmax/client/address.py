"""Where is the service, and what is shown to it?"""

from dataclasses import dataclass, field

from lexmax.client.retries import Retries
from lexmax.errors import InputError

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Address:
    """How a service is reached.

    Attributes:
        url: Its address, without a path or with that of a proxy.
        key: Shown as Authorization: Bearer; None shows none. It is in no text of this value.
        timeout_s: Seconds for each of connecting, sending and waiting for more of the reply.
        retries: What is asked again.

    Raises:
        InputError: if the url is not one of http or https, or the time is not above 0.
    """

    url: str = DEFAULT_URL
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    retries: Retries = field(default_factory=Retries)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise InputError(
                f"url: found {self.url!r}; expected http://... or https://..., as in {DEFAULT_URL}"
            )
        if not self.timeout_s > 0:
            raise InputError(f"timeout_s: found {self.timeout_s}; expected seconds above 0")

    @property
    def base(self) -> str:
        """The address that paths are put behind."""
        return self.url.rstrip("/")

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        shown = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        return {"accept": "application/json", "content-type": "application/json", **shown}
