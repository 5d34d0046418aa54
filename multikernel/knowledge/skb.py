"""The system knowledge base: facts about the machine, and rules that answer questions about them,
in clingo.

    skb = Skb(Site.of(topology))
    skb.query("multicast_tree", root=0)      # [{"parent": 0, "child": 4}, …], in sending order
    skb.ask("far(A,B) :- round_trip(A,B,R), R > 2000.")
    skb.facts()                              # each with where it comes from

Guarantees: the same facts give the same answers. Questions are files (questions), found anew at
every query: another file is another question. Only facts whose predicates a rule names are loaded,
so a question about 512 cores costs what it asks for. An answer that claims to be a tree is one over
all cores, or an error says where it was claimed. What is wrong with a rule or a fact is BadInput
with file and line.

Idea: Barrelfish's SKB (SOSP'09 §4.9), which keeps facts and rules in a constraint solver, ECLiPSe
CLP; here they are answer set programs.
"""

import os
from collections.abc import Iterable
from itertools import product
from typing import Any

import clingo
import numpy as np

from multikernel.errors import BadInput
from multikernel.hints import one_of
from multikernel.knowledge import assertions, facts, questions, solver
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.facts import ASSERTED, COSTS, PAIRS_UP_TO, VOCABULARY, Fact, Value
from multikernel.knowledge.questions import Parameter, Question
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree

Answer = dict[str, Any]


class Skb:
    """What is known about a site. Raises BadInput for facts that contradict each other.

    costs: measured or assumed; None for assumed ones. asserted: files of facts, or facts as text.
    rules: directories with further questions, looked through in this order before the ones that
    come along. seconds: how long an answer may take (and then how much memory); None: any time.
    """

    def __init__(
        self,
        site: Site,
        costs: Costs | None = None,
        *,
        asserted: Iterable[str | os.PathLike[str]] = (),
        rules: Iterable[str | os.PathLike[str]] = (),
        seconds: float | None = None,
    ) -> None:
        known = Costs.from_topology(site) if costs is None else costs
        if known.n != site.n:
            raise BadInput(
                "costs of another system", value=f"{known.n} cores", where=f"{site.n} cores here"
            )
        said = [fact for source in asserted for fact in assertions.read(source)]
        self.site = site
        self.seconds = seconds
        self.directories = [questions.directory(path) for path in rules]
        self._facts = facts.merged(
            [
                *facts.discovered(site),
                *facts.of_costs(site, known),
                *_beyond(said, site, known),
                *said,
            ]
        )
        self.costs = _with_asserted(known, self._facts)

    def facts(self) -> tuple[Fact, ...]:
        """All that holds."""
        return self._facts

    def questions(self) -> list[Question]:
        """All that can be asked by name."""
        return questions.every(self.directories)

    def query(self, name: str, /, **parameters: Value) -> list[Answer]:
        """The answer to a question, a dictionary each, in the question's order.

        Raises BadInput for an unknown question, a parameter that is missing, unknown or of another
        kind, and for whatever is wrong with the rules; Unanswered where that took too long.
        """
        question = questions.find(name, self.directories)
        constants = self._constants(question, parameters)
        statements = solver.parse(question.path, str(question.path))
        shape = (question.answer, len(question.fields))
        if shape not in solver.heads_of(statements):
            raise BadInput(
                "no rule derives the answer",
                value=f"{shape[0]} with {shape[1]} arguments",
                where=question.where,
            )
        statements += solver.parse(f"#show. #show {shape[0]}/{shape[1]}.", "")
        found = self._solve(statements, str(question.path), constants)
        rows = sorted((tuple(map(_value, symbol.arguments)) for symbol in found), key=_sortable)
        shown = [place for place, field in enumerate(question.fields) if not field.startswith("_")]
        answers = [{question.fields[place]: row[place] for place in shown} for row in rows]
        if question.tree_from is not None:
            self._tree(question, int(constants[question.tree_from]), answers)
        return answers

    def tree(self, root: int, name: str = "multicast_tree", /, **parameters: Value) -> Tree:
        """The tree that a question answers, from `root`. Raises BadInput, also if the question is
        about no tree.
        """
        question = questions.find(name, self.directories)
        if question.tree_from is None:
            raise BadInput(
                "this question is not answered by a tree", value=name, where=question.where
            )
        return self._tree(
            question, root, self.query(name, **{question.tree_from: root, **parameters})
        )

    def ask(self, rule: str) -> list[Answer]:
        """What follows from rules given as text: {"predicate": …, "arguments": […]} for every atom
        they derive, sorted.

        A `#show` in the text says instead what is shown. Raises BadInput, Unanswered.
        """
        text = rule if rule.rstrip().endswith(".") else rule + "."
        statements = solver.parse(text, "the rule")
        shows = any(str(statement).startswith("#show") for statement in statements)
        if not shows:
            wanted = sorted(solver.heads_of(statements))
            show = "#show. " + " ".join(f"#show {name}/{arity}." for name, arity in wanted)
            statements += solver.parse(show, "")
        found = self._solve(statements, "the rule", {})
        rows = sorted(
            ((symbol.name, *map(_value, symbol.arguments)) for symbol in found), key=_sortable
        )
        return [{"predicate": row[0], "arguments": list(row[1:])} for row in rows]

    def _tree(self, question: Question, root: int, answers: list[Answer]) -> Tree:
        try:
            edges = tuple((int(answer["parent"]), int(answer["child"])) for answer in answers)
            return Tree(root, edges, question.name).check(self.site.cores)
        except (BadInput, ValueError) as error:
            raise BadInput(
                "the rules answer no tree over all cores", value=error, where=question.where
            ) from None

    def _solve(
        self, statements: list[clingo.ast.AST], name: str, constants: dict[str, str]
    ) -> list[clingo.Symbol]:
        names = solver.names_in(statements)
        if self.site.n > PAIRS_UP_TO and (spelled := names & set(COSTS)):
            raise BadInput(
                f"costs of single pairs are facts up to {PAIRS_UP_TO} cores only",
                value=f"{self.site.n} cores",
                where=name,
                hint=f"write R = @{min(spelled)}(A,B), or between(G,H,Send,Receive,RoundTrip)",
            )
        called = solver.functions_in(statements, name)
        if unknown := sorted(called.keys() - set(COSTS)):
            raise BadInput(
                "no such function", value=f"@{unknown[0]}", where=called[unknown[0]],
                hint=one_of(f"@{unknown[0]}", [f"@{term}" for term in COSTS]),
            )  # fmt: skip
        wanted = "".join(f"{fact}." for fact in self._facts if fact.predicate in names)
        said = {fact.predicate for fact in self._facts}
        return solver.solve(
            statements,
            wanted,
            name=name,
            known=lambda predicate: predicate in VOCABULARY or predicate in said,
            constants=[f"{name}={value}" for name, value in constants.items()],
            context=_Functions(self.costs, called),
            seconds=self.seconds,
        )

    def _constants(self, question: Question, given: dict[str, Value]) -> dict[str, str]:
        """The parameters as clingo's constants."""
        known = {parameter.name: parameter for parameter in question.parameters}
        if unknown := sorted(given.keys() - known.keys()):
            raise BadInput(
                "unknown parameter",
                value=unknown[0],
                where=str(question.path),
                hint=f"ask {question.usage}",
            )
        found = {}
        for parameter in question.parameters:
            value = given.get(parameter.name, parameter.default)
            if value is None:
                raise BadInput(
                    "missing parameter",
                    value=parameter.name,
                    where=parameter.where,
                    hint=f"ask {question.usage}",
                )
            found[parameter.name] = self._checked(parameter, str(value).strip())
        return found

    def _checked(self, parameter: Parameter, value: str) -> str:
        there: dict[str, Iterable[int]] = {
            "core": self.site.cores,
            "cpu": self.site.topology.online,
            "node": {int(fact.arguments[0]) for fact in self._facts if fact.predicate == "node"},
        }
        if "|" in parameter.kind:
            good = value in parameter.kind.split("|")
        else:
            good = value.isascii() and value.isdigit() and len(value) < 10
            if good and parameter.kind in there:
                good = int(value) in there[parameter.kind]
        if not good:
            what = (
                parameter.kind.replace("|", " or ")
                if "|" in parameter.kind
                else f"a {parameter.kind}"
            )
            end = (
                " of this machine"
                if parameter.kind in there
                else " ≥ 0" * (parameter.kind == "number")
            )
            raise BadInput(
                f"{parameter.name} is not {what}{end}", value=value, where=parameter.where
            )
        return value


class _Functions:
    """What rules call by @: costs of one pair, in whole TSC cycles, at any size. places: where they
    call it.
    """

    def __init__(self, costs: Costs, places: dict[str, str]) -> None:
        self.costs = costs
        self.places = places

    def send(self, a: clingo.Symbol, b: clingo.Symbol) -> clingo.Symbol:
        """@send(A,B)."""
        return self._cost("send", a, b)

    def receive(self, a: clingo.Symbol, b: clingo.Symbol) -> clingo.Symbol:
        """@receive(A,B)."""
        return self._cost("receive", a, b)

    def round_trip(self, a: clingo.Symbol, b: clingo.Symbol) -> clingo.Symbol:
        """@round_trip(A,B)."""
        return self._cost("round_trip", a, b)

    def _cost(self, term: str, a: clingo.Symbol, b: clingo.Symbol) -> clingo.Symbol:
        for core in (a, b):
            if core.type != clingo.SymbolType.Number or not 0 <= core.number < self.costs.n:
                raise BadInput("no such core", value=f"@{term}({a},{b})", where=self.places[term])
        return clingo.Number(round(float(getattr(self.costs, term)[a.number, b.number])))


def _beyond(said: list[Fact], site: Site, costs: Costs) -> list[Fact]:
    """Where pairs are too many to be facts: those the user speaks of, so that a contradiction is
    seen.
    """
    if site.n <= PAIRS_UP_TO:
        return []
    pairs = {fact.arguments[:2] for fact in said if fact.predicate in COSTS}
    pairs = {
        pair
        for pair in pairs
        if len(pair) == 2 and set(pair) <= set(site.cores) and pair[0] != pair[1]
    }
    return [
        Fact(
            term,
            (a, b, round(float(getattr(costs, term)[a, b]))),
            facts.origin_of(costs),
            costs.detail,
        )
        for term, (a, b) in product(COSTS, sorted(pairs))
    ]


def _with_asserted(costs: Costs, held: Iterable[Fact]) -> Costs:
    """The costs, where the user asserts others by those."""
    said = [fact for fact in held if fact.origin == ASSERTED and fact.predicate in COSTS]
    if not said:
        return costs
    terms = {term: np.array(getattr(costs, term)) for term in COSTS}
    for fact in said:
        a, b, cycles = map(int, fact.arguments)
        terms[fact.predicate][a, b] = cycles
    detail = f"{costs.detail}; {len(said)} asserted".removeprefix("; ")
    return Costs(terms["send"], terms["receive"], terms["round_trip"], costs.origin, detail)


def _value(symbol: clingo.Symbol) -> Value:
    if symbol.type == clingo.SymbolType.String:
        return symbol.string
    return symbol.number if symbol.type == clingo.SymbolType.Number else str(symbol)


def _sortable(row: Iterable[Value]) -> tuple[tuple[bool, Value], ...]:
    """Numbers before words."""
    return tuple((isinstance(value, str), value) for value in row)
