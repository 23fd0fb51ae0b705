"""Rules of lines: when alerts open, and how these behave."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from inspection.api import etag
from inspection.api.etag import PRECONDITIONS, IfMatch
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.problems import declared
from inspection.api.shapes import Body, View
from inspection.api.text import Name, Reason
from inspection.domain.access import Permission, Principal
from inspection.domain.alert import AlertKind
from inspection.domain.rule import DEFAULT_RULES, Rule, rule_of
from inspection.errors import NotFoundError
from inspection.store import lines, rules
from inspection.store.rules import RuleChange

router = APIRouter(tags=["rules"])

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Configuring = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]

#: A year.
_LONGEST_S: Final = 31_536_000
Seconds = Annotated[float, Field(ge=0, le=_LONGEST_S)]
Count = Annotated[int, Field(ge=0, le=100_000)]
_OWN: Final = {"kind", "is_enabled", "reason"}


class RuleBody(Body):
    """A rule; what is left out has the default of its kind, and each kind takes its own keys."""

    kind: AlertKind
    is_enabled: bool = True
    k: Count | None = Field(default=None, description="ng: so many NG …", examples=[2])
    n: Count | None = Field(default=None, description="… of the last n; trend: scores looked at")
    window_s: Seconds | None = Field(default=None, description="rate: length of the window")
    expected_rate: float | None = Field(default=None, description="rate: NG share that is usual")
    confidence: float | None = Field(default=None, description="rate, trend: above 0.5")
    least_count: Count | None = Field(default=None, description="rate: fewer NG never alert")
    blocks: Count | None = Field(default=None, description="trend: blocks that are compared")
    limit_s: Seconds | None = Field(default=None, description="backlog: so long a frame may wait")
    on_delay_s: Seconds | None = Field(default=None, description="it must hold so long first")
    off_delay_s: Seconds | None = Field(default=None, description="it must be gone so long")
    repeat_s: Seconds | None = Field(default=None, description="told again so often; null: never")
    escalate_after_s: Seconds | None = Field(default=None, description="null: never")
    reason: Reason | None = None

    def rule(self, name: str) -> Rule:
        """Return the rule.

        Raises:
            ConfigurationError: a key is not of its kind, or a value cannot be.
        """
        settings = {
            key: getattr(self, key) for key in type(self).model_fields if key in self._settings
        }
        return rule_of(self.kind, settings, name=name, is_enabled=self.is_enabled)

    @property
    def _settings(self) -> set[str]:
        # Null is a value where it means "never"; elsewhere it is as good as nothing.
        never = {"repeat_s", "escalate_after_s"}
        given = self.model_fields_set - _OWN
        return {key for key in given if key in never or getattr(self, key) is not None}


class RuleView(View):
    """A rule with all settings of its kind."""

    rule: str = Field(examples=["ng"])
    kind: AlertKind
    is_enabled: bool
    k: int | None = None
    n: int | None = None
    window_s: float | None = None
    expected_rate: float | None = None
    confidence: float | None = None
    least_count: int | None = None
    blocks: int | None = None
    limit_s: float | None = None
    on_delay_s: float
    off_delay_s: float
    repeat_s: float | None = Field(description="null: never")
    escalate_after_s: float | None = Field(description="null: never")


@router.get("/lines/{line}/rules", operation_id="list_rules", responses=declared(400, 404))
def list_rules(
    line: Name, given: Given, _caller: Looking, *, cursor: Cursor = None, limit: Limit = 50
) -> Page[RuleView]:
    """List the rules of a line with their settings, by name."""
    with given.database.read() as connection:
        found = lines.get_line(connection, line).rules
    return page_of(
        [_view(rule) for rule in found], key=lambda view: view.rule, cursor=cursor, limit=limit
    )


@router.get("/lines/{line}/rules/{rule}", operation_id="get_rule", responses=declared(404))
def get_rule(
    line: Name, rule: Name, response: Response, given: Given, _caller: Looking
) -> RuleView:
    """Show a rule of a line."""
    with given.database.read() as connection:
        view = _view(rules.get_rule(connection, line, rule).rule)
    etag.tag(response, view)
    return view


@router.put(
    "/lines/{line}/rules/{rule}",
    operation_id="put_rule",
    responses=declared(404) | PRECONDITIONS | {201: {"description": "the line has a new rule"}},
)
def put_rule(  # noqa: PLR0913 - parts of one request
    line: Name,
    rule: Name,
    body: RuleBody,
    response: Response,
    given: Given,
    caller: Configuring,
    *,
    if_match: IfMatch = None,
) -> RuleView:
    """Give a line a rule, or change the one of this name, which `If-Match` must name then."""
    wanted = body.rule(rule)
    change = RuleChange(at=given.clock(), by=caller.name, reason=body.reason or "")
    with given.database.write() as connection:
        line_id = lines.line_id(connection, line)
        known = {one.name: one for one in lines.lock_line(connection, line).rules}
        if rule in known:
            etag.check(if_match, _view(known[rule]))
        elif if_match is not None:
            raise NotFoundError(f"line {line} has no rule {rule!r}; leave If-Match out to add it")
        else:
            response.status_code = HTTPStatus.CREATED
        rules.set_rule(connection, line_id, wanted, change)
    view = _view(wanted)
    etag.tag(response, view)
    return view


@router.post("/lines/{line}/rules/{rule}/reset", operation_id="reset_rule", responses=declared(404))
def reset_rule(
    line: Name, rule: Name, response: Response, given: Given, caller: Configuring
) -> RuleView:
    """Let a rule that every line has be as it is without a word."""
    default = next((one for one in DEFAULT_RULES if one.name == rule), None)
    if default is None:
        names = ", ".join(one.name for one in DEFAULT_RULES)
        raise NotFoundError(f"there is no default of a rule {rule!r}; there are: {names}")
    change = RuleChange(at=given.clock(), by=caller.name, reason="reset")
    with given.database.write() as connection:
        rules.set_rule(connection, lines.line_id(connection, line), default, change)
    view = _view(default)
    etag.tag(response, view)
    return view


@router.delete(
    "/lines/{line}/rules/{rule}",
    operation_id="delete_rule",
    status_code=HTTPStatus.NO_CONTENT,
    responses=declared(404, 409) | PRECONDITIONS,
)
def delete_rule(
    line: Name, rule: Name, given: Given, caller: Configuring, *, if_match: IfMatch = None
) -> None:
    """Remove a rule that was added and has never opened an alert; others can be disabled."""
    change = RuleChange(at=given.clock(), by=caller.name)
    with given.database.write() as connection:
        lines.lock_line(connection, line)
        etag.check(if_match, _view(rules.get_rule(connection, line, rule).rule))
        rules.remove_rule(connection, line, rule, change)


def _view(rule: Rule) -> RuleView:
    settings: dict[str, Any] = dict(rule.settings)
    return RuleView(rule=rule.name, kind=rule.kind, is_enabled=rule.is_enabled, **settings)
