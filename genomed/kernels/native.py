"""Kernels: functions over arrays that numba compiles once and later runs load as machine code.

Importing numba's compiler costs three quarters of a second, more than scoring a small cohort. So
the object code of every kernel is kept in a file; a run that finds it needs llvmlite's loader only.
A file is found by what made it: the sources of the kernel and of those that it calls, the versions
of numba and llvmlite, and the processor. (numba's own cache sees edits in one file only.)

What a kernel may be: arguments are arrays and numbers; the result is None, a number or a tuple of
numbers; it allocates nothing and raises nothing. It runs without Python's global lock.
"""

import ctypes
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from genomed.kernels import cache_directory

__all__ = ["External", "Inner", "Kernel", "inner", "kernel", "memchr", "memcpy", "provide"]

_SCALARS = {
    "int64": ctypes.c_int64,
    "uint64": ctypes.c_uint64,
    "float64": ctypes.c_double,
    "bool": ctypes.c_uint8,
}
_lock = threading.RLock()
_provided: set[str] = set()  # functions that others than the C library have


class External(NamedTuple):
    """A function of the C library, or of one that was provided, that kernels call."""

    name: str
    signature: str


memchr: Any = External("memchr", "uintp(uintp, intc, uintp)")
memcpy: Any = External("memcpy", "uintp(uintp, uintp, uintp)")


def provide(library: ctypes.CDLL, names: Iterable[str]) -> None:
    """Let kernels call functions of a library; AttributeError where it lacks one."""
    from llvmlite import binding

    found = {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in names}
    for name, address in found.items():
        binding.add_symbol(name, address)
    _provided.update(found)


class Inner:
    """A function that only kernels call; it is compiled into each of them."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function


class Kernel:
    """A function that Python calls, compiled for each combination of argument types."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.__doc__ = function.__doc__
        self._loaded: dict[tuple[Any, ...], _Code] = {}

    def __call__(self, *arguments: Any) -> Any:
        types, flat = _flatten(arguments)
        code = self._loaded.get(types) or self._load(types)
        result = code.result()
        if code.call(ctypes.addressof(result), ctypes.byref(ctypes.c_void_p()), *flat):
            raise RuntimeError(f"kernel {self.name} stopped with an arithmetic error")
        return code.value(result)

    def is_compiled(self) -> bool:
        """Whether an earlier run has left machine code for any argument types."""
        return any(cache_directory().glob(f"{self.name}-*-{self._digest()}.o"))

    def _digest(self) -> str:
        return _digest(self.function.__code__.co_filename)

    def _load(self, types: tuple[Any, ...]) -> "_Code":
        with _lock:
            if types not in self._loaded:
                names = _names(types)
                short = hashlib.sha256(",".join(names).encode()).hexdigest()[:12]
                path = cache_directory() / f"{self.name}-{short}-{self._digest()}.o"
                stored = _read(path)
                if stored is None:
                    stored = _compile(self, names)
                    _write(path, stored)
                self._loaded[types] = _link(stored, names)
            return self._loaded[types]


def kernel(function: Callable[..., Any]) -> Kernel:
    """Make a function a kernel; see the module for what it may be."""
    assert isinstance(function, FunctionType)
    return Kernel(function)


def inner(function: Callable[..., Any]) -> Any:
    """Make a function part of the kernels that call it."""
    assert isinstance(function, FunctionType)
    return Inner(function)


class _Stored(NamedTuple):
    """Object code; the symbol to call; names of the result's numbers, or of the one, or none."""

    code: bytes
    symbol: str
    result: list[str] | str | None


class _Code(NamedTuple):
    """Linked code: what to call, a fresh place for its result, and the value in it."""

    call: Callable[..., int]
    result: Callable[[], Any]
    value: Callable[[Any], Any]


def _flatten(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any]]:
    """The types of arguments, and the arguments as numba's calling convention lays them out.

    An array is: two owners (none), elements, bytes of one, address, shape, strides.
    """
    types: list[Any] = []
    flat: list[Any] = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            types += (argument.dtype.char, argument.ndim, argument.flags.c_contiguous)
            flat += (None, None, argument.size, argument.itemsize, _address(argument))
            flat += argument.shape
            flat += argument.strides
        elif argument is None:
            types.append("none")
            flat.append(None)
        elif isinstance(argument, (float, np.floating)):
            types.append("float64")
            flat.append(float(argument))
        else:
            types.append("int64")
            flat.append(int(argument))
    return tuple(types), flat


def _address(array: np.ndarray) -> int | None:
    """Where the elements lie: the first field of numpy's array structure, behind Python's own.

    ``array.ctypes.data`` says the same, but takes five times as long.
    """
    return ctypes.c_void_p.from_address(id(array) + object.__basicsize__).value


def _names(types: tuple[Any, ...]) -> list[str]:
    """Types as text, one per argument: ``int8:2C`` is an array of two dimensions, without gaps."""
    names: list[str] = []
    rest = iter(types)
    for one in rest:
        if len(one) > 1:
            names.append(one)
        else:
            name = "bool" if one == "?" else np.dtype(one).name
            names.append(f"{name}:{next(rest)}{'C' if next(rest) else 'A'}")
    return names


def _argument_types(names: list[str]) -> list[Any]:
    """ctypes of the flattened arguments."""
    flat: list[Any] = []
    for one in names:
        _, _, shape = one.partition(":")
        if shape:
            n = int(shape[:-1])
            flat += [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
            flat += [ctypes.c_int64] * (2 * n)
        else:
            flat.append(ctypes.c_void_p if one == "none" else _SCALARS[one])
    return flat


def _link(stored: _Stored, names: list[str]) -> _Code:
    """Load object code into this process."""
    call_type = ctypes.CFUNCTYPE(
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *_argument_types(names)
    )
    call = call_type(_loader().address(stored.code, stored.symbol))
    if stored.result is None:
        return _Code(call, ctypes.c_int64, lambda result: None)
    if isinstance(stored.result, str):
        as_bool = stored.result == "bool"
        return _Code(call, _SCALARS[stored.result], lambda r: bool(r.value) if as_bool else r.value)
    fields = [(f"f{i}", _SCALARS[name]) for i, name in enumerate(stored.result)]
    structure = type("_Result", (ctypes.Structure,), {"_fields_": fields})
    names = [name for name, _ in fields]
    return _Code(call, structure, lambda r: tuple(getattr(r, name) for name in names))


class _Loader:
    """llvmlite's linker; it stays as long as the process, because the code lies in it."""

    def __init__(self) -> None:
        from llvmlite import binding

        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        machine = binding.Target.from_default_triple().create_target_machine(jit=True)
        self.binding = binding
        self.engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)

    def address(self, code: bytes, symbol: str) -> int:
        self.engine.add_object_file(self.binding.ObjectFileRef.from_data(code))
        self.engine.finalize_object()
        return int(self.engine.get_function_address(symbol))


@cache
def _loader() -> _Loader:
    return _Loader()


@cache
def _digest(source: str) -> str:
    """What machine code depends on: the sources of a kernel's module and of the kernel modules that
    it imports, the versions of the compiler, and the processor."""
    from llvmlite import binding

    digest = hashlib.sha256()
    for path in sorted(_imported({Path(source), Path(__file__)})):
        digest.update(path.read_bytes())
    for fact in (
        metadata.version("numba"),
        metadata.version("llvmlite"),
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
    ):
        digest.update(fact.encode() + b"\0")
    return digest.hexdigest()[:16]


def _imported(paths: set[Path]) -> set[Path]:
    """Files, and the kernel modules that they import directly or through others."""
    names = {
        name for path in paths for name in re.findall(r"genomed\.kernels\.(\w+)", path.read_text())
    }
    found = paths | {Path(__file__).with_name(f"{name}.py") for name in names}
    return found if found == paths else _imported(found)


def _read(path: Path) -> _Stored | None:
    """The code in a file; None when there is none, or when the file is damaged."""
    try:
        head, _, code = path.read_bytes().partition(b"\n")
        facts = json.loads(head)
        if facts["sha256"] == hashlib.sha256(code).hexdigest():
            return _Stored(code, facts["symbol"], facts["result"])
    except (OSError, ValueError, KeyError):
        pass
    return None


def _write(path: Path, stored: _Stored) -> None:
    """Keep the code; where nothing can be written, every run compiles again."""
    facts = {
        "symbol": stored.symbol,
        "result": stored.result,
        "sha256": hashlib.sha256(stored.code).hexdigest(),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(facts).encode() + b"\n" + stored.code)
        Path(partial).replace(path)
    except OSError:
        Path(partial).unlink(missing_ok=True)


def _compile(kernel: Kernel, names: list[str]) -> _Stored:
    """Have numba make the object code of one kernel for one combination of argument types."""
    numba = _compiler()
    dispatcher = _dispatcher(kernel.function, {})
    dispatcher.compile(tuple(_numba_type(numba, one) for one in names))
    result = next(iter(dispatcher.overloads.values()))
    process = ctypes.CDLL(None)
    missing = [
        name
        for name in _called(result.library)
        if name not in _provided and not hasattr(process, name)
    ]
    if missing:
        raise RuntimeError(f"kernel {kernel.name} needs {missing}, which only numba provides")
    code = result.library.serialize_using_object_code()[2][0]
    return _Stored(code, result.fndesc.llvm_func_name, _result(numba, result.signature.return_type))


def _compiler() -> Any:
    """Import numba without scipy.linalg, which it would load to offer BLAS to kernels."""
    hidden = [name for name in ("scipy", "yaml") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # stands for "absent"
    try:
        import numba

        return numba
    finally:
        for name in hidden:
            del sys.modules[name]


def _dispatcher(function: FunctionType, made: dict[FunctionType, Any]) -> Any:
    """numba's view of a function whose globals name inner functions and external ones."""
    if function in made:
        return made[function]
    numba = _compiler()
    seen = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = seen.get(name)
        if isinstance(value, (Inner, Kernel)):
            seen[name] = _dispatcher(value.function, made)
        elif isinstance(value, External):
            signature = numba.core.sigutils.normalize_signature(value.signature)
            arguments, result = signature
            seen[name] = numba.types.ExternalFunction(value.name, result(*arguments))
    copy = FunctionType(function.__code__, seen, function.__name__, function.__defaults__)
    options = {"nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    made[function] = numba.njit(**options)(copy)
    return made[function]


def _numba_type(numba: Any, one: str) -> Any:
    name, _, shape = one.partition(":")
    kind = numba.types.boolean if name == "bool" else getattr(numba.types, name)
    return numba.types.Array(kind, int(shape[:-1]), shape[-1]) if shape else kind


def _result(numba: Any, kind: Any) -> list[str] | str | None:
    if kind == numba.types.none:
        return None
    if isinstance(kind, numba.types.BaseTuple):
        return [str(numba.types.unliteral(one)) for one in kind.types]
    return str(numba.types.unliteral(kind))


def _called(library: Any) -> list[str]:
    """Functions that the code expects to find in the process."""
    return [
        function.name
        for function in library._final_module.functions
        if function.is_declaration and not function.name.startswith("llvm.")
    ]
