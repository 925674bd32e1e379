"""What is wrong with a field is said in the language of whoever fills in the form."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

from app.agreement.labelers.schemas import Moment
from app.web.forms import checked
from app.web.schemas import Body, LongText
from app.web.translation import speak, speak_as_before


class Form(Body):
    """One field for each way to be wrong."""

    text: Annotated[str, Field(max_length=1200)] = ""
    filled: LongText = "x"
    count: Annotated[int, Field(ge=2, le=9)] = 3
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    kind: Literal["a", "b"] = "a"
    some: Annotated[list[str], Field(min_length=1, max_length=2)] | None = None
    day: Moment | None = None


WRONG = [
    ("text", "x" * 1201, "hold at most 1,200 characters", "höchstens 1.200 Zeichen schreiben"),
    ("filled", "", "fill this in", "bitte ausfüllen"),
    ("filled", " ", "must not be blank", "darf nicht leer sein"),
    ("count", 1, "must be at least 2", "mindestens 2 angeben"),
    ("count", 10, "must be at most 9", "höchstens 9 angeben"),
    ("count", "2.5", "must be a whole number", "muss eine ganze Zahl sein"),
    ("share", 0.0, "must be more than 0", "mehr als 0 angeben"),
    ("share", 1.0, "must be less than 1", "weniger als 1 angeben"),
    ("share", float("nan"), "must be a number", "muss eine Zahl sein"),
    ("kind", "c", "choose one of those offered", "eine der angebotenen Möglichkeiten wählen"),
    ("kind", None, "choose one of those offered", "eine der angebotenen Möglichkeiten wählen"),
    ("text", None, "fill this in", "bitte ausfüllen"),
    ("some", [], "choose at least 1", "mindestens 1 auswählen"),
    ("some", ["a", "b", "c"], "choose at most 2", "höchstens 2 auswählen"),
    ("day", "soon", "must be a day, as 2026-05-31", "muss ein Tag sein, wie 2026-05-31"),
]


@pytest.mark.parametrize(("field", "value", "english", "german"), WRONG)
def test_what_is_wrong_is_said_in_both_languages(field, value, english, german):
    _, errors = checked(Form, {field: value})
    before = speak("de")
    _, fehler = checked(Form, {field: value})
    speak_as_before(before)

    assert (errors, fehler) == ({field: english}, {field: german})


def test_a_field_that_is_not_sent_at_all_is_asked_for():
    class Asked(Body):
        needed: str

    assert checked(Asked, {}) == (None, {"needed": "fill this in"})
