"""Which packages come with those that are wanted, as ``apt-get install --no-install-recommends`` would have it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from imagewright.dataclass import dataclass
from imagewright.errors import LockError
from imagewright.packages.deb.index import Package, Universe
from imagewright.packages.deb.relation import Alternatives, Relation

MAX_TRIES = 4_000
"""How many packages are tried before it counts as impossible. A closure of a thousand packages needs about that many."""


def solve(universe: Universe, wanted: Sequence[str]) -> tuple[Package, ...]:
    """The wanted packages and all that they need, by name, for a system that has nothing yet.

    Each is explored as soon as it is chosen, in the order wanted. A dependency that something chosen meets adds
    nothing; else the first alternative is taken that can be: first the package of that name, then what provides it,
    the more important first. What leaves no choice is known before anything is explored, so that an alternative is
    not taken that conflicts with it. This is what apt does (apt 2.6, pkgDepCache::MarkInstall), so it gives what apt
    gives.

    Raises:
        LockError: A package is not there, or no alternative of a dependency can be had (IW206).
    """
    state = _State(universe)
    for name in wanted:
        relation = Relation(name)
        if state.met((relation,)):
            continue
        options = list(_options(universe, (relation,)))
        if not options:
            raise LockError(f"Debian has no package {name!r}", code="IW206", why="no suite that was read lists it")
        if len(options) > 1 and options[0].name != name:
            able = ", ".join(package.name for package in options)
            raise LockError(
                f"{name!r} is a virtual package", code="IW206", why=f"provided by {able}", fix="name one of them"
            )
        if not state.choose(options[0]):
            raise LockError(f"Debian's package {name!r} cannot be installed", code="IW206", why=state.reasons[-6:])
    return tuple(sorted(state.chosen.values(), key=lambda package: package.name))


@dataclass
class _State:
    universe: Universe
    chosen: dict[str, Package] = field(default_factory=dict)
    by_provided: dict[str, list[Package]] = field(default_factory=dict)
    order: list[Package] = field(default_factory=list)
    bound: dict[str, Package] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    impossible: set[str] = field(default_factory=set)
    tries: int = 0

    def choose(self, package: Package) -> bool:
        """Take a package with all that it needs; False, and nothing changed, when that cannot be."""
        if package.name in self.chosen:
            return True
        self.tries += 1
        if package.name in self.impossible or self.tries > MAX_TRIES:
            return False
        against = self._conflict(package)
        if against:
            self.reasons.append(f"{package.name} {package.version} and {against} cannot be there together")
            return False
        before, bound = len(self.order), len(self.bound)
        self._bind(package)
        self._add(package)
        for group in package.depends:
            if self.met(group):
                continue
            options = list(_options(self.universe, group))
            if not any(self.choose(option) for option in options):
                if all(option.name in self.impossible for option in options):
                    self.impossible.add(package.name)  # whatever else is chosen
                text = " | ".join(map(str, group))
                self.reasons.append(f"{package.name} {package.version} needs {text}")
                self._forget(before, bound)
                return False
        return True

    def met(self, group: Alternatives) -> bool:
        """Whether something chosen meets one of the alternatives."""
        return any(package.answers(relation) for relation in group for package in self._named(relation.name))

    def _named(self, name: str) -> list[Package]:
        own = self.chosen.get(name)
        return ([own] if own else []) + self.by_provided.get(name, [])

    def _bind(self, package: Package) -> None:
        """Note what has to come with ``package`` because its dependencies leave no choice, and theirs."""
        waiting = [package]
        while waiting:
            one = waiting.pop()
            if one.name in self.bound or one.name in self.chosen:
                continue
            self.bound[one.name] = one
            for group in one.depends:
                options = list(_options(self.universe, group))
                if len(options) == 1:
                    waiting += options

    def _conflict(self, package: Package) -> str:
        for relation in package.conflicts:
            bound = self.bound.get(relation.name)
            for other in (*self._named(relation.name), *([bound] if bound else [])):
                if other.name != package.name and other.answers(relation):
                    return f"{other.name} {other.version}"
        names = {package.name, *(provided.name for provided in package.provides)}
        for other in (*self.order, *self.bound.values()):
            if other.name != package.name and any(
                relation.name in names and package.answers(relation) for relation in other.conflicts
            ):
                return f"{other.name} {other.version}"
        return ""

    def _add(self, package: Package) -> None:
        self.order.append(package)
        self.chosen[package.name] = package
        for name in {provided.name for provided in package.provides}:
            self.by_provided.setdefault(name, []).append(package)

    def _forget(self, length: int, bound: int) -> None:
        while len(self.bound) > bound:
            self.bound.popitem()
        while len(self.order) > length:
            package = self.order.pop()
            del self.chosen[package.name]
            for name in {provided.name for provided in package.provides}:
                self.by_provided[name].remove(package)


def _options(universe: Universe, group: Iterable[Relation]) -> Iterator[Package]:
    for relation in group:
        own = universe.candidate(relation.name)
        if own and relation.allows(own.version):
            yield own
        for package in universe.providers(relation.name):
            if package.answers(relation):
                yield package
