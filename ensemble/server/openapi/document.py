"""The OpenAPI 3.1 document of an application: its routes, described by ``operations``, with JSON Schemas by pydantic.

Source: OpenAPI Specification 3.1.1.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import orjson
from aiohttp import web
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ensemble.errors import EnsembleError, Forbidden, InvalidRequest, LimitExceeded, StoreUnavailable, Unauthenticated
from ensemble.server.auth import OPEN, is_page, scope_of
from ensemble.server.openapi.operations import EVENTS, JSON, OPERATIONS, Operation, Reply, Speaks
from ensemble.server.openapi.replies.anthropic import AnthropicError
from ensemble.server.openapi.replies.openai import OpenAIError

Tree = dict[str, Any]
REF = "#/components/schemas/{model}"
ERRORS: Mapping[Speaks, tuple[Any, ...]] = {
    "openai": (OpenAIError,),
    "anthropic": (AnthropicError,),
    "either": (OpenAIError, AnthropicError),
}
ABOUT = """Several models are asked at once, a judge picks the best answer, and everything is logged.
What is not described here is answered with 404 or 405, in the error shape of the client's protocol."""
AGAIN = frozenset({429, 503})
"""Statuses that may say when to ask again."""
_MODULE = re.compile(rb"ensemble__(?:[a-z]+__)*_?([a-z_]+?)__(?=[A-Z])")
"""How pydantic marks shapes of the same name in several modules; the last module alone tells them apart."""


class Schemas(GenerateJsonSchema):
    """Objects without further keys, and alternatives of which each stands there once."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        """Closed, so that a key which nobody described is found."""
        return {"additionalProperties": False, **super().typed_dict_schema(schema)}

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Two tags may have one shape, which ``oneOf`` would refuse for fitting twice."""
        told = super().tagged_union_schema(schema)
        return {"anyOf": list({orjson.dumps(one): one for one in told["oneOf"]}.values())}


def document(app: web.Application) -> bytes:
    """The document as JSON text.

    Raises:
        LookupError: a route of ``app`` is not described; the sentence says where to.
    """
    routes = list(_routes(app))
    shapes = {_key(shape): shape for _, _, _, operation in routes for shape in _shapes(operation)}
    refs, found = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(shape)) for key, shape in shapes.items()],
        ref_template=REF,
        schema_generator=Schemas,
    )
    schemas = {key: refs[key, "validation"] for key in shapes}
    paths: Tree = {}
    for method, path, told, operation in routes:
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, told, operation, schemas)
    made = {
        "openapi": "3.1.0",
        "info": {"title": "ensemble-judges", "version": version("ensemble-judges"), "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": found.get("$defs", {}),
            "headers": {
                "id": {"description": "Id under which the log has the request.", "schema": {"type": "string"}},
                "wait": {"description": "Seconds after which to ask again.", "schema": {"type": "string"}},
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }
    return _MODULE.sub(rb"\1.", orjson.dumps(made))


def _routes(app: web.Application) -> Iterator[tuple[str, str, str, Operation]]:
    for route in app.router.routes():
        if route.resource is None or route.method == "HEAD":
            continue
        path = route.resource.canonical
        if is_page(path):
            continue  # for people
        operation = OPERATIONS.get((route.method, path))
        if operation is None:
            raise LookupError(
                f"{route.method} {path} is not described: add it to ensemble/server/openapi/operations.py"
            )
        yield route.method, path, (route.handler.__doc__ or "").strip(), operation


def _key(shape: Any) -> str:
    return f"{getattr(shape, '__module__', '')}.{shape!r}"


def _shapes(operation: Operation) -> Iterator[Any]:
    if operation.body is not None:
        yield operation.body
    for reply in operation.replies.values():
        yield from reply.shapes
    yield from ERRORS[operation.speaks]


def _operation(method: str, path: str, told: str, operation: Operation, schemas: Mapping[str, Tree]) -> Tree:
    head, _, rest = told.partition("\n\n")
    scope = None if path in OPEN else scope_of(method, path)
    name = re.sub(r"\W+", "_", path.removeprefix("/v1")).strip("_")
    made: Tree = {
        "operationId": f"{method.lower()}_{name}",
        "tags": [operation.tag],
        "summary": " ".join(head.split()),
        "responses": {str(code): _reply(reply, schemas) for code, reply in operation.replies.items()},
        # The scope that a key needs; in OpenAPI 3.1 it may stand here for keys too.
        "security": [] if scope is None else [{"bearer": [scope]}, {"key": [scope]}],
    }
    if rest:
        made["description"] = " ".join(rest.split())
    if operation.parameters:
        made["parameters"] = [
            {
                "name": one.name,
                "in": one.place,
                "required": one.place == "path",
                "description": one.told,
                "schema": dict(one.schema),
            }
            for one in operation.parameters
        ]
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas[_key(operation.body)]}}}
    shape = _one_of([schemas[_key(error)] for error in ERRORS[operation.speaks]])
    made["responses"] |= {
        str(code): _problem(code, says, shape) for code, says in sorted(_failures(operation, scope).items())
    }
    return made


def _reply(reply: Reply, schemas: Mapping[str, Tree]) -> Tree:
    content: Tree = {kind: {} if kind == EVENTS else {"schema": {"type": "string"}} for kind in reply.text}
    if reply.shapes:
        content = {JSON: {"schema": _one_of([schemas[_key(shape)] for shape in reply.shapes])}} | content
    return {"description": reply.told, "headers": _headers("x-ensemble-request-id", "id"), "content": content}


def _problem(code: int, says: Sequence[str], shape: Tree) -> Tree:
    wait = _headers("Retry-After", "wait") if code in AGAIN else {}
    return {
        "description": "\n".join(f"- {line}" for line in dict.fromkeys(says)),
        "headers": _headers("x-ensemble-request-id", "id") | wait,
        "content": {JSON: {"schema": shape}},
    }


def _headers(name: str, component: str) -> Tree:
    return {name: {"$ref": f"#/components/headers/{component}"}}


def _one_of(shapes: Sequence[Tree]) -> Tree:
    return shapes[0] if len(shapes) == 1 else {"anyOf": list(shapes)}


def _failures(operation: Operation, scope: str | None) -> dict[int, list[str]]:
    """What can go wrong, by status: what the table names, and what any request of its kind risks."""
    every: list[type[EnsembleError]] = [EnsembleError, *operation.errors]
    if scope is not None:
        every += [Unauthenticated, Forbidden, StoreUnavailable]
    if scope == "use" and operation.body is not None:
        every.append(LimitExceeded)
    if operation.body is not None:
        every.append(InvalidRequest)
    told: dict[int, list[str]] = {}
    for error in every:
        # What stands behind a semicolon there is for programs in Python.
        why = "An error inside the server" if error is EnsembleError else (error.__doc__ or "").split("\n")[0]
        why = re.split(r"[.;]", why)[0].replace("``", "`")
        told.setdefault(error.status, []).append(f"`{error.code}`: {why}.")
    if LimitExceeded in every:
        told[429].append("`insufficient_quota`: The budget of the key is spent.")
    if operation.body is not None:
        told[413] = ["`request_too_large`: The body is larger than the server takes."]
        told[415] = ["`invalid_request`: The body is not sent as application/json."]
    return told
