"""Start EIR where torchvision was built for another torch, or deeplake is absent.

EIR_PYTHON eir_shim.py train|predict ...

EIR imports torchvision, timm and deeplake for images and for a kind of store; none of it runs on
genotypes but torchvision's StochasticDepth, which is plain Python.
"""

import importlib
import sys
import types

import torch


def main() -> None:
    try:
        importlib.import_module("torchvision")
    except RuntimeError:  # its compiled part did not load; declare the operator it speaks of
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")
        globals()["_library"] = library  # the declaration lasts as long as this object
    try:
        importlib.import_module("deeplake")
    except ImportError:
        absent = types.ModuleType("deeplake")
        absent.Dataset = type("Dataset", (), {})  # EIR names it in annotations
        sys.modules["deeplake"] = absent
    command = sys.argv.pop(1)
    sys.argv[0] = f"eir{command}"
    importlib.import_module(f"eir.{command}").main()


if __name__ == "__main__":
    main()
