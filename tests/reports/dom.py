"""A page as a tree, read by the standard library's parser and strict about what it finds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "wbr"})


@dataclass
class Node:
    """An element with its attributes, children and own text."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list["Node | str"] = field(default_factory=list)

    def __iter__(self) -> Iterator["Node"]:
        """This element and all below it, in the order of the page."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child

    def all(self, *tags: str) -> list["Node"]:
        """The elements below with one of these tags."""
        return [node for node in self if node.tag in tags]

    def get(self, name: str) -> str:
        """An attribute, empty where there is none."""
        return self.attributes.get(name) or ""

    @property
    def classes(self) -> set[str]:
        """The names in `class`."""
        return set(self.get("class").split())

    @property
    def text(self) -> str:
        """All text below, white space folded; `style` is not text."""
        if self.tag == "style":
            return ""
        parts = (child if isinstance(child, str) else f" {child.text} " for child in self.children)
        return " ".join("".join(parts).split())


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("#document")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> says an attribute twice: {names}"
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        closing = self.open.pop()
        assert closing.tag == tag, f"</{tag}> closes <{closing.tag}> at line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Node:
    """The page's root element. Fails where elements are not closed in order."""
    tree = _Tree()
    tree.feed(html)
    tree.close()
    assert [node.tag for node in tree.open] == ["#document"], f"never closed: {[node.tag for node in tree.open[1:]]}"
    (page,) = tree.root.all("html")
    return page
