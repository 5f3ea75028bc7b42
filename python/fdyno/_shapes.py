"""Describes botocore's input shapes to Rust, which walks parameters against them before it reads a request."""

from __future__ import annotations

from typing import Any

#: A flat list of shapes; they refer to each other by position, the input shape is the first.
Description = list[dict[str, Any]]


class Unsupported(Exception):
    """The model has a shape this module does not know: such operations take the plain route."""


def describe(shape: Any) -> Description:
    """The description of `shape` and of everything reachable from it."""
    nodes: Description = []
    positions: dict[str, int] = {}

    def place(shape: Any) -> int:
        # Shapes of one name are one shape, except for traits of a member, which validation does not look at.
        if shape.name in positions:
            return positions[shape.name]
        position = positions[shape.name] = len(nodes)
        node: dict[str, Any] = {}
        nodes.append(node)
        node.update(_node(shape, place))
        return position

    place(shape)
    return nodes


def _node(shape: Any, place: Any) -> dict[str, Any]:
    kind = shape.type_name
    if kind == "structure":
        if shape.is_document_type:
            raise Unsupported(shape.name)
        return {
            "type": "structure",
            "members": {name: place(member) for name, member in shape.members.items()},
            "required": list(shape.metadata.get("required", [])),
            "union": bool(shape.is_tagged_union),
        }
    if kind == "list":
        return {"type": "list", "member": place(shape.member), "min": shape.metadata.get("min", 0)}
    if kind == "map":
        return {"type": "map", "key": place(shape.key), "value": place(shape.value)}
    if kind == "string":
        return {"type": "string", "min": shape.metadata.get("min", 0)}
    if kind in ("integer", "long"):
        return {"type": "integer", "min": shape.metadata.get("min")}
    if kind in ("float", "double") and "min" not in shape.metadata:
        return {"type": "float"}
    if kind in ("boolean", "blob", "timestamp"):
        return {"type": kind}
    raise Unsupported(f"{shape.name}: {kind}")
