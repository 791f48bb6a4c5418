"""The kept entries of all layers above each other: one tree, in which links can be followed."""

from collections.abc import Iterable, Iterator, Mapping

from imagewright.build.base.contents import Contents, Entry

_MOST_LINKS = 40


class Tree:
    """What is known of an image's root filesystem. Paths are absolute."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)

    def paths(self) -> Iterator[tuple[str, Entry]]:
        """All kept entries, sorted."""
        return (("/" + path, self._entries[path]) for path in sorted(self._entries))

    def entry(self, path: str) -> Entry | None:
        """What is at ``path``, links followed."""
        return self._entries.get(self.resolve(path).lstrip("/"))

    def text(self, path: str) -> str:
        """The content of a small file, links followed; "" when there is none."""
        entry = self.entry(path)
        return entry.text if entry is not None and entry.kind == "file" else ""

    def resolve(self, path: str) -> str:
        """``path`` without links; parts that nothing is known of stay as they are."""
        ahead = path.split("/")[::-1]
        trail: list[str] = []
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                trail = trail[:-1]
                continue
            entry = self._entries.get("/".join([*trail, part]))
            if entry is None or entry.kind != "link" or links >= _MOST_LINKS:
                trail.append(part)
                continue
            links += 1
            if entry.text.startswith("/"):
                trail = []
            ahead.extend(reversed(entry.text.split("/")))
        return "/" + "/".join(trail)


def stack(layers: Iterable[Contents]) -> Tree:
    """The layers above each other, lowest first. Source: OCI image-spec v1.1, layer.md, "Applying Changesets"."""
    entries: dict[str, Entry] = {}
    for layer in layers:
        for folder in layer.emptied:
            _remove_below(entries, folder)
        for path in layer.removed:
            entries.pop(path, None)
            _remove_below(entries, path)
        # A layer may write below a link of a lower one: extracting tools follow it, as /lib -> usr/lib.
        for path, entry in layer.entries.items():
            before = entries.get(path)
            if before is not None and entry.kind != "folder" and before.kind == "folder" and "-info" not in path:
                _remove_below(entries, path)
            entries[path] = entry
    return Tree(_through_links(entries))


def _remove_below(entries: dict[str, Entry], folder: str) -> None:
    below = f"{folder}/" if folder else ""
    for path in [path for path in entries if path.startswith(below)]:
        del entries[path]


def _through_links(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The entries under the paths that they have once links of their folders are followed."""
    tree = Tree(entries)
    found: dict[str, Entry] = {}
    for path, entry in entries.items():
        folder, _, name = path.rpartition("/")
        found[f"{tree.resolve(folder)}/{name}".lstrip("/")] = entry
    return found
