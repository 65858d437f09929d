"""Nothing stands in the package that nobody uses: no function, class or constant (ruff looks after arguments)."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cnilab"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Names that nothing in the package, a notebook or a benchmark mentions, each with who uses it all the same.
USED_ELSEWHERE = {
    "stats/steady.py: warm_up": "for notebooks: how long a tool needs to become steady",
    "stats/steady.py: step_in_run": "for notebooks: where a run changed its level",
    "stats/variance.py: best_counts": "for notebooks: runs and deployments that a pilot's noise asks for",
    "runs/samples.py: from_rows": "for tests and scripts: a table made by hand",
}


def definitions(body, inside=False):
    """Names that a module or class defines; a class's plain attributes are fields, and a dataclass prints them."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not any(
                isinstance(d, ast.Call) for d in node.decorator_list
            ):  # a command, a validator: registered
                yield node.name
        elif isinstance(node, ast.ClassDef):
            yield node.name
            yield from definitions(node.body, inside=True)
        elif isinstance(node, ast.Assign) and not inside:
            yield from (t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and not inside and isinstance(node.target, ast.Name):
            yield node.target.id


def mentions(text):
    """Names that are read in a module, and words of its strings: a registry may name what it imports late."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 80:
            yield from re.findall(r"\w+", node.value)


def test_nothing_is_defined_that_nobody_uses():
    """What only a test uses is not used."""
    beside = [*ROOT.glob("notebooks/*.ipynb"), *PACKAGE.rglob("*.j2"), ROOT / "pyproject.toml"]
    used = set(re.findall(r"\w+", "".join(p.read_text(encoding="utf-8") for p in beside)))
    for path in [*MODULES, *ROOT.glob("benchmarks/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        exported = [
            n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
        ]
        for node in exported:
            if path.name != "__init__.py":  # a room's own list is its door; a module's is no use
                tree.body.remove(node)
        used |= set(mentions(ast.unparse(tree)))
    dispatched = ("do_", "op_", "_repr_")  # looked up by name: orders by the lab's agent, the last by Jupyter
    unused = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in MODULES
        for name in definitions(ast.parse(path.read_text(encoding="utf-8")).body)
        if name not in used and not name.startswith(("__", *dispatched))
    }
    assert unused - set(USED_ELSEWHERE) == set()
    assert set(USED_ELSEWHERE) - unused == set(), "used by now: strike it from the table"
