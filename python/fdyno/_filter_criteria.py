"""Which stream records reach a handler: event filtering as Lambda's event source mappings for DynamoDB have it.

The operators, and that a record passes if any of the filters lets it through:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html. What is particular to DynamoDB (`exists` looks
at leaves, numbers are text in a record and never meet `numeric`):
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html. The forms of `anything-but`, and what ignores case:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html. Lists, and `$or`: the README of
https://github.com/aws/event-ruler, AWS's library for such patterns.

A pattern that AWS would refuse is a `ValueError`, when the event source is made. This file knows nothing of streams.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Union

#: AWS grants ten filters to an event source on request, five without one.
MOST_FILTERS = 10
#: Characters of one pattern: `Pattern` in Lambda's API.
LONGEST_PATTERN = 4096
#: Bounds of what is compared as a number.
LARGEST_NUMBER = 5e9

Test = Callable[[Any], bool]
Path = tuple[str, ...]


class _Missing:
    """Stands for a field that the record does not have."""


_MISSING = _Missing()


class FilterCriteria:
    """Compiled filters; `admits` says whether a record passes one of them."""

    def __init__(self, patterns: list[_Fields]) -> None:
        self._patterns = patterns

    @classmethod
    def parse(cls, filters: Any) -> FilterCriteria | None:
        """From AWS's ``{"Filters": [{"Pattern": "…"}]}``, from one pattern or from several; `None` if there is none.

        A pattern is a mapping or its JSON text.
        """
        patterns = list(_listed(filters))
        if len(patterns) > MOST_FILTERS:
            raise ValueError(f"filters: {len(patterns)} patterns; an event source has at most {MOST_FILTERS}")
        return cls([_pattern(pattern) for pattern in patterns]) if patterns else None

    def admits(self, record: Mapping[str, Any]) -> bool:
        """Whether a record, in the shape that a handler sees, passes."""
        return any(pattern.matches(record, record) for pattern in self._patterns)


def _listed(filters: Any) -> Iterator[Any]:
    if filters is None:
        return
    if isinstance(filters, Mapping) and (not filters or isinstance(filters.get("Filters"), (list, tuple))):
        unknown = set(filters) - {"Filters"}
        if unknown:
            raise ValueError(f"filters: FilterCriteria has no member {sorted(map(str, unknown))[0]!r}")
        for filter in filters.get("Filters", ()):
            if not isinstance(filter, Mapping) or set(filter) != {"Pattern"}:
                raise ValueError(f'filters: {filter!r} is no filter: {{"Pattern": "…"}}')
            yield filter["Pattern"]
    elif isinstance(filters, (Mapping, str)):
        yield filters
    elif isinstance(filters, (list, tuple)):
        yield from filters
    else:
        raise ValueError(f"filters: {filters!r} is neither AWS's FilterCriteria nor a pattern nor a list of patterns")


def _pattern(pattern: Any) -> _Fields:
    try:
        text = pattern if isinstance(pattern, str) else json.dumps(pattern)
        parsed = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"filters: the pattern {pattern!r} is no JSON: {error}") from None
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"filters: a pattern of {len(text)} characters; at most {LONGEST_PATTERN} are allowed")
    if not isinstance(parsed, dict):
        raise ValueError(f"filters: the pattern {text} is no JSON object")
    return _fields(parsed, ())


# The tree of a pattern. `root` is the whole record: `exists: false` looks for its path there, lists notwithstanding.


class _Leaf:
    """The tests of one field: one of them has to hold for one of its values."""

    def __init__(self, path: Path, tests: list[Test], absent: bool) -> None:
        self._path = path
        self._tests = tests
        self._absent = absent

    def matches(self, value: Any, root: Any) -> bool:
        if any(test(leaf) for leaf in _leaves(value) for test in self._tests):
            return True
        return self._absent and not _has_leaf(root, self._path)


class _Fields:
    """Fields that all have to match, and groups of alternatives of which one each has to."""

    def __init__(self, fields: dict[str, Node], alternatives: list[_Fields]) -> None:
        self._fields = fields
        self._alternatives = alternatives

    def matches(self, value: Any, root: Any) -> bool:
        if isinstance(value, list) and value:
            # All fields of one match lie in one element.
            return any(self.matches(element, root) for element in value)
        members = value if isinstance(value, Mapping) else {}
        if self._alternatives and not any(fields.matches(members, root) for fields in self._alternatives):
            return False
        return all(node.matches(members.get(name, _MISSING), root) for name, node in self._fields.items())


Node = Union[_Leaf, _Fields]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for element in value:
            yield from _leaves(element)
    elif not isinstance(value, (Mapping, _Missing)):
        yield value


def _has_leaf(value: Any, path: Path) -> bool:
    if isinstance(value, list):
        return any(_has_leaf(element, path) for element in value)
    if not path:
        return not isinstance(value, (Mapping, _Missing))
    return isinstance(value, Mapping) and _has_leaf(value.get(path[0], _MISSING), path[1:])


# Compilation.


def _where(path: Path) -> str:
    return "filters: " + json.dumps(".".join(path))


def _fields(pattern: dict[str, Any], path: Path) -> _Fields:
    if not pattern:
        raise ValueError(f"{_where(path)} has no fields" if path else "filters: a pattern without fields")
    fields: dict[str, Node] = {}
    alternatives: list[_Fields] = []
    for name, value in pattern.items():
        inner = (*path, name)
        if name == "$or" and isinstance(value, list):
            if len(value) < 2 or not all(isinstance(element, dict) for element in value):
                raise ValueError(f"{_where(inner)} needs at least two objects")
            # The names below are those of the fields beside it.
            alternatives += [_fields(element, path) for element in value]
        elif isinstance(value, dict):
            fields[name] = _fields(value, inner)
        elif isinstance(value, list):
            fields[name] = _leaf(value, inner)
        else:
            raise ValueError(f"{_where(inner)} must be an object or a list of rules, not {json.dumps(value)}")
    return _Fields(fields, alternatives)


def _leaf(rules: list[Any], path: Path) -> _Leaf:
    if not rules:
        raise ValueError(f"{_where(path)} is an empty list: no record could match")
    tests: list[Test] = []
    absent = False
    for rule in rules:
        if isinstance(rule, list):
            raise ValueError(f"{_where(path)}: a rule is a value or an object, not {json.dumps(rule)}")
        if not isinstance(rule, dict):
            tests.append(_equals(rule))
            continue
        if len(rule) != 1:
            raise ValueError(f"{_where(path)}: {json.dumps(rule)} must have exactly one operator")
        ((operator, operand),) = rule.items()
        if operator == "exists":
            if not isinstance(operand, bool):
                raise ValueError(f"{_where(path)}: exists takes true or false, not {json.dumps(operand)}")
            if operand:
                tests.append(lambda leaf: True)
            else:
                absent = True
        else:
            tests.append(_operation(operator, operand, path))
    return _Leaf(path, tests, absent)


def _operation(operator: str, operand: Any, path: Path) -> Test:
    if operator in ("prefix", "suffix"):
        if isinstance(operand, dict) and set(operand) == {"equals-ignore-case"}:
            return _affix(operator, _text(operand["equals-ignore-case"], operator, path), ignore_case=True)
        return _affix(operator, _text(operand, operator, path), ignore_case=False)
    if operator == "equals-ignore-case":
        return _equals_ignoring_case(_text(operand, operator, path))
    if operator == "anything-but":
        return _anything_but(operand, path)
    if operator == "numeric":
        return _numeric(operand, path)
    raise ValueError(
        f"{_where(path)}: Lambda has no operator {operator!r}: prefix, suffix, equals-ignore-case, anything-but, numeric, "
        "exists"
    )


def _text(operand: Any, operator: str, path: Path) -> str:
    if not isinstance(operand, str):
        raise ValueError(f"{_where(path)}: {operator} takes a string, not {json.dumps(operand)}")
    return operand


def _equals(expected: Any) -> Test:
    # By JSON text: true is not 1, and AWS takes 300 and 300.0 for different values.
    text = json.dumps(expected)
    return lambda leaf: json.dumps(leaf) == text


def _affix(operator: str, affix: str, ignore_case: bool) -> Test:
    wanted = affix.lower() if ignore_case else affix

    def holds(leaf: Any) -> bool:
        if not isinstance(leaf, str):
            return False
        text = leaf.lower() if ignore_case else leaf
        return text.startswith(wanted) if operator == "prefix" else text.endswith(wanted)

    return holds


def _equals_ignoring_case(expected: str) -> Test:
    wanted = expected.lower()
    return lambda leaf: isinstance(leaf, str) and leaf.lower() == wanted


def _anything_but(operand: Any, path: Path) -> Test:
    if isinstance(operand, dict):
        if len(operand) != 1 or not set(operand) <= {"prefix", "suffix", "equals-ignore-case"}:
            raise ValueError(
                f"{_where(path)}: anything-but takes values, or one of prefix, suffix and equals-ignore-case, not "
                f"{json.dumps(operand)}"
            )
        ((operator, inner),) = operand.items()
        texts = inner if isinstance(inner, list) and inner else [inner]
        tests = [_operation(operator, _text(text, operator, path), path) for text in texts]
    else:
        values = operand if isinstance(operand, list) else [operand]
        kinds = {"text" if isinstance(value, str) else "number" if _is_number(value) else "other" for value in values}
        if len(kinds) != 1 or "other" in kinds:
            raise ValueError(
                f"{_where(path)}: anything-but takes strings only or numbers only, not {json.dumps(operand)}"
            )
        tests = [_equals(value) for value in values]
    return lambda leaf: not any(test(leaf) for test in tests)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _numeric(operand: Any, path: Path) -> Test:
    """One comparison, or a lower and then an upper bound."""
    wrong = f'{_where(path)}: numeric takes ["=", 5], ["<", 5] or [">", 0, "<=", 5], not {json.dumps(operand)}'
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise ValueError(wrong)
    operators, bounds = operand[::2], operand[1::2]
    if not all(isinstance(operator, str) and operator in _COMPARISONS for operator in operators):
        raise ValueError(wrong)
    if not all(_is_number(bound) and abs(bound) <= LARGEST_NUMBER for bound in bounds):
        raise ValueError(f"{wrong}, of numbers from -5e9 to 5e9")
    if len(operators) == 2:
        if not (operators[0].startswith(">") and operators[1].startswith("<")):
            raise ValueError(wrong)
        if bounds[0] >= bounds[1]:
            raise ValueError(f"{_where(path)}: numeric {json.dumps(operand)}: the lower bound is not below the upper one")
    if path[-1] in ("N", "NS"):
        warnings.warn(
            f"{_where(path)}: numeric matches no {path[-1]}: numbers are text in a stream record, on AWS as well",
            stacklevel=2,
        )
    comparisons = [(_COMPARISONS[operator], bound) for operator, bound in zip(operators, bounds)]
    return lambda leaf: _is_number(leaf) and all(compare(leaf, bound) for compare, bound in comparisons)
