"""Start EIR where torchvision was built for another torch, or deeplake is absent.

EIR_PYTHON eir_shim.py train|predict ...

EIR imports torchvision, timm and deeplake for images and for a kind of store; none of it runs on
genotypes but torchvision's StochasticDepth, which is plain Python. torchvision describes its
compiled operators to torch when imported; without them, the descriptions are left out.
"""

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import torch


def main() -> None:
    register = torch.library.register_fake
    torch.library.register_fake = _unless_torchvision(register)
    importlib.import_module("torchvision")
    torch.library.register_fake = register
    try:
        importlib.import_module("deeplake")
    except ImportError:
        absent = types.ModuleType("deeplake")
        absent.__getattr__ = _some_class
        sys.modules["deeplake"] = absent
    command = sys.argv.pop(1)
    sys.argv[0] = f"eir{command}"
    importlib.import_module(f"eir.{command}").main()


def _unless_torchvision(register: Callable[..., Any]) -> Callable[..., Any]:
    """`register`, that passes over operators of torchvision."""

    def chosen(operator: Any, *given: Any, **options: Any) -> Any:
        if str(operator).startswith("torchvision::"):
            return lambda function: function
        return register(operator, *given, **options)

    return chosen


def _some_class(name: str) -> type:
    """Whatever of deeplake EIR names in annotations."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


if __name__ == "__main__":
    main()
