"""What an evaluation knows besides its input, and how much it may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from salus.core.errors import InvalidExpression, TooCostly
from salus.standards.fhir.fhirpath.values import Collection, Node

STEPS_MAX = 2_000_000
ITEMS_MAX = 200_000
STRING_LENGTH_MAX = 1_000_000

Resolver = Callable[[str], dict[str, Any] | None]


class Budget:
    """How many items an evaluation may still visit."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Count steps.

        Raises:
            TooCostly: the evaluation has visited more items than its limit.
        """
        self.left -= steps
        if self.left < 0:
            raise TooCostly("The expression visits more items than the limit; narrow it")


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller supplies.

    Args:
        resource: `%resource`, the resource that holds the input; None: the input itself.
        root: `%rootResource`, the container of a contained resource; None: the same as `resource`.
        resolve: answers resolve() for references that lead outside `root`; None: they resolve to nothing.
        expand: answers memberOf(value set, coding or code): True, False, or None for unknown.
        conforms: answers conformsTo(profile) for profiles that are not base types; None: refused.
        variables: further `%name` constants.
        now: the present moment (timezone-aware), for now(), today() and timeOfDay().
        trace: is told (name, values) by trace().
        reference_stubs: resolve() answers a stub of the type that an unresolvable reference names.
        steps_max: most items that one evaluation may visit.
        budget: what several evaluations may spend together, instead of `steps_max` for each.
    """

    resource: dict[str, Any] | None = None
    root: dict[str, Any] | None = None
    resolve: Resolver | None = None
    expand: Callable[[str, Any], bool | None] | None = None
    conforms: Callable[[str, Any], bool] | None = None
    variables: Mapping[str, Any] = {}
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    trace: Callable[[str, list[Any]], None] | None = None
    reference_stubs: bool = False
    steps_max: int = STEPS_MAX
    budget: Budget | None = None


NOTHING_SUPPLIED = Environment()


class Context:
    """Where in an evaluation a closure runs.

    Attributes:
        focus: `$this` as a collection; the input of names and functions that start a path.
        index, total: `$index` and `$total`, None outside of their functions.
        root: the input of the whole expression.
        variables: what defineVariable() has defined so far.
    """

    __slots__ = ("budget", "environment", "focus", "index", "root", "total", "variables")

    def __init__(self, environment: Environment, root: Collection) -> None:
        self.environment = environment
        self.root = root
        self.focus = root
        self.index: int | None = None
        self.total: Collection | None = None
        self.variables: dict[str, Collection] = {}
        self.budget = environment.budget or Budget(environment.steps_max)

    def enter(self, focus: Collection, index: int | None = None) -> Context:
        """Return the context of a function's argument that is evaluated for each item."""
        inner = Context.__new__(Context)
        inner.environment = self.environment
        inner.root = self.root
        inner.focus = focus
        inner.index = self.index if index is None else index
        inner.total = self.total
        inner.variables = self.variables
        inner.budget = self.budget
        self.budget.spend(1)
        return inner

    def bounded(self, items: Collection) -> Collection:
        """Return the items, unless there are more than a collection may hold.

        Raises:
            TooCostly: the collection is too large.
        """
        self.budget.spend(len(items))
        self.check_count(len(items))
        return items

    def check_count(self, count: int) -> None:
        """Refuse to gather more items than a collection may hold.

        Raises:
            TooCostly: they are more.
        """
        if count > ITEMS_MAX:
            raise TooCostly(f"The expression gathers more than {ITEMS_MAX} items; narrow it")

    def resource(self) -> Node | None:
        """Return `%resource` as a node."""
        supplied = self.environment.resource
        if supplied is not None:
            return resource_node(supplied)
        first = self.root[0] if self.root else None
        return first if isinstance(first, Node) else None

    def root_resource(self) -> Node | None:
        """Return `%rootResource` as a node."""
        supplied = self.environment.root
        return self.resource() if supplied is None else resource_node(supplied)


def resource_node(resource: dict[str, Any]) -> Node:
    """Return the node of a whole resource."""
    return Node(resource, str(resource.get("resourceType", "")))


def check_length(length: int) -> None:
    """Refuse to build a string of this length when it is longer than a string may be.

    Raises:
        TooCostly: the string would be too long.
    """
    if length > STRING_LENGTH_MAX:
        raise TooCostly(f"The expression builds a string of more than {STRING_LENGTH_MAX} characters")


def bounded_string(text: str) -> str:
    """Return the text, unless it is longer than a string may be.

    Raises:
        TooCostly: the string is too long.
    """
    check_length(len(text))
    return text


def single(items: Collection, what: str) -> Any:  # an item, or None
    """Return the only item of a collection, None of an empty one.

    Raises:
        InvalidExpression: there are several.
    """
    if not items:
        return None
    if len(items) > 1:
        raise InvalidExpression(f"{what} takes one item, not {len(items)}; choose one, e.g. by first()")
    return items[0]
