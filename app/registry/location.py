"""Where a model lies, as one line of text: a folder, `org/name@revision`, or `endpoint:NAME`."""

import re
from dataclasses import dataclass

from app.errors import InvalidError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}", re.ASCII)
REVISION = re.compile(r"[0-9a-f]{40}")
ENDPOINT = "endpoint:"
MAX_ENDPOINT_NAME = 200


@dataclass(frozen=True)
class Location:
    """Exactly one of a folder, a hub id with its revision, or a name at the configured endpoint."""

    path: str | None = None
    hub_id: str | None = None
    hub_revision: str | None = None
    endpoint_model: str | None = None

    def __str__(self) -> str:
        if self.hub_id is not None:
            return f"{self.hub_id}@{self.hub_revision}"
        if self.endpoint_model is not None:
            return ENDPOINT + self.endpoint_model
        return self.path or ""


def location_from(text: str) -> Location:
    """Read one line; what is neither a hub id nor an endpoint's model is taken for a path."""
    text = text.strip()
    if text.startswith(ENDPOINT):
        return Location(endpoint_model=text.removeprefix(ENDPOINT))
    hub_id, at, revision = text.partition("@")
    if at and not text.startswith("/"):
        return Location(hub_id=hub_id, hub_revision=revision)
    return Location(path=text)


def check_one_place(location: Location) -> None:
    """Check that the location names one place.

    Raises:
        InvalidError: it names none or several, or a hub id without its revision.
    """
    places = [location.path, location.hub_id, location.endpoint_model]
    if sum(place is not None for place in places) != 1:
        raise InvalidError(
            "Give one location: path, hub_id with hub_revision, or endpoint_model.",
            code="one_location",
        )
    if location.hub_revision is not None and location.hub_id is None:
        raise InvalidError("hub_revision goes with a hub_id.", code="one_location")


def check_hub_id(location: Location, organizations: str) -> None:
    """Check the form of a hub id and that its organization is allowed.

    Raises:
        InvalidError: it is malformed, from elsewhere, or not pinned to a commit.
    """
    hub_id, revision = location.hub_id or "", location.hub_revision or ""
    if not HUB_ID.fullmatch(hub_id) or ".." in hub_id:
        raise InvalidError("The hub id must look like organization/name.", code="bad_hub_id")
    allowed = {name.strip() for name in organizations.split(",") if name.strip()}
    if hub_id.partition("/")[0] not in allowed:
        raise InvalidError(
            "Models of this hub organization may not be registered; "
            "an operator can add it to PODIUM_HUB_ORGANIZATIONS.",
            code="hub_organization_not_allowed",
        )
    if not REVISION.fullmatch(revision):
        raise InvalidError(
            "The hub revision must be a full commit hash of 40 hexadecimal digits, "
            "not a branch or a tag, so that the model cannot change.",
            code="bad_hub_revision",
        )


def check_endpoint_model(location: Location, sampler_url: str | None) -> None:
    """Check the name of an endpoint's model.

    Raises:
        InvalidError: no endpoint is configured, or the name is empty or too long.
    """
    if sampler_url is None:
        raise InvalidError(
            "No endpoint is configured; an operator sets PODIUM_SAMPLER_URL.", code="no_endpoint"
        )
    name = location.endpoint_model or ""
    if not name.strip() or len(name) > MAX_ENDPOINT_NAME or not name.isprintable():
        raise InvalidError(
            f"The endpoint's model name must have 1 to {MAX_ENDPOINT_NAME} printable characters.",
            code="bad_endpoint_model",
        )
