"""What the keys of a case file may hold: numbers with units, labels, names of files, shapes."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from mscale_uq.infer.methods import METHODS

SAMPLERS = ("auto", *METHODS)
# Labels become names in files and headings: no line breaks, no slashes, no quotes.
LABEL = re.compile(r"\w[^/\\\"'\x00-\x1f\x7f]{0,59}")
NUMBERED = re.compile(r"(0|[1-9]\d{0,8})\.\.(0|[1-9]\d{0,8})")  # "0..299"
MOST_CELLS = 100_000


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float | str) and not isinstance(given, bool)


def _number(given: Any) -> Any:
    if not _is_number(given):
        raise PydanticCustomError("number", "a number, or text such as '1.2 um'")
    return given


def _numbers(given: Any) -> Any:
    if not _is_number(given) and not (isinstance(given, list) and given and all(map(_is_number, given))):
        raise PydanticCustomError("numbers", "a number, text such as '1.2 um', or a list of them")
    return given


def _label(given: Any) -> Any:
    if not isinstance(given, str) or LABEL.fullmatch(given) is None or given != given.strip():
        raise PydanticCustomError(
            "label", "at most 60 characters, a letter or digit first, no slash or quote"
        )
    return given


def _sampler(given: Any) -> Any:
    if given not in SAMPLERS:
        raise PydanticCustomError("sampler", ", ".join(SAMPLERS).replace("{", "("))
    return given


def _choice(given: Any) -> Any:
    if not isinstance(given, int | float | str | bool):
        raise PydanticCustomError("choice", "a number, text, true or false")
    return given


def _files(given: Any) -> Any:
    files = [given] if isinstance(given, str) else given
    if not isinstance(files, list) or not files or not all(isinstance(file, str) for file in files):
        raise PydanticCustomError("files", "the name of a file, or a list of names")
    return files


def _shape(given: Any) -> Any:
    sizes = [given] if isinstance(given, int) else given
    counts = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
    if given != "experiments" and not (counts and sizes):
        raise PydanticCustomError("shape", "a positive number, a list of them, or 'experiments'")
    return given if given == "experiments" else tuple(sizes)


def _names(given: Any) -> Any:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise PydanticCustomError("names", "a name in quotes, or a list of names")
    return names


def _cells(given: Any) -> Any:
    ends = NUMBERED.fullmatch(given) if isinstance(given, str) else None
    if ends is not None:
        numbers = range(int(ends[1]), int(ends[2]) + 1)
        given = [str(number) for number in numbers] if 0 < len(numbers) <= MOST_CELLS else None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise PydanticCustomError("cells", "a list of names in quotes, or numbers from .. to: '0..299'")
    return given


def _held(given: Any) -> Any:
    words = [given] if isinstance(given, str) else given
    if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
        return words
    rows = list(given.values()) if isinstance(given, dict) else []
    numbered = bool(rows) and all(isinstance(r, list) and r and all(type(n) is int for n in r) for r in rows)
    if not isinstance(given, bool) and not numbered:
        allowed = "true, names of outputs, or a table such as { temperature = [3, 7] } of numbers of readings"
        raise PydanticCustomError("held", allowed.replace("{", "(").replace("}", ")"))
    return given


def _is_point(given: Any) -> bool:
    return _is_number(given) or (isinstance(given, list) and bool(given) and all(map(_is_number, given)))


def _points(given: Any) -> Any:
    if not isinstance(given, list) or not all(map(_is_point, given)):
        raise PydanticCustomError("points", "a list of points: numbers, or lists of a number per coordinate")
    return [point if isinstance(point, list) else [point] for point in given]


def _tables(given: Any) -> Any:
    tables = [given] if isinstance(given, dict) else given
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise PydanticCustomError("tables", "a table such as { elements = 8 }, or a list of them")
    return tables


_SCALAR: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}]}
_WORDS: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_SIZES = {"type": "array", "items": {"type": "integer"}}
_SHAPES: dict[str, Any] = {"anyOf": [{"type": "integer"}, _SIZES, {"const": "experiments"}]}
# One check for each, instead of a union, so that one mistake is one message.
Number = Annotated[Any, BeforeValidator(_number), WithJsonSchema(_SCALAR)]
Numbers = Annotated[
    Any, BeforeValidator(_numbers), WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]})
]
Choice = Annotated[Any, BeforeValidator(_choice), WithJsonSchema({})]
Files = Annotated[list[str], BeforeValidator(_files), WithJsonSchema(_WORDS)]
Names = Annotated[list[str], BeforeValidator(_names), WithJsonSchema(_WORDS)]
Cells = Annotated[list[str], BeforeValidator(_cells), WithJsonSchema(_WORDS)]
Points = Annotated[Any, BeforeValidator(_points), WithJsonSchema({"type": "array"})]
Changes = Annotated[list[dict[str, Choice]], BeforeValidator(_tables)]
HoldOut = Annotated[Any, BeforeValidator(_held), WithJsonSchema({})]
Shape = Annotated[Any, BeforeValidator(_shape), WithJsonSchema(_SHAPES)]
Label = Annotated[str, BeforeValidator(_label)]
Sampler = Annotated[str, BeforeValidator(_sampler), WithJsonSchema({"enum": list(SAMPLERS)})]
Count = Annotated[int, Field(ge=1, le=100_000_000, strict=True)]
Switch = Annotated[bool, Field(strict=True)]
