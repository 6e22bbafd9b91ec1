"""Python functions that XLA calls on the CPU, on NumPy views of its buffers: nothing is copied.

``jax.pure_callback`` hands its function JAX arrays, and to make them can wait for the very threads that the running
program holds (https://github.com/jax-ml/jax/issues/24255). Here XLA's own calling convention is read with ctypes, as
its header ``xla/ffi/api/c_api.h`` lays it out, and no part of JAX runs inside the call.
"""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

_DTYPES = {4: np.int32, 5: np.int64, 11: np.float32, 12: np.float64}
_METADATA, _INTERNAL = 1, 13
_HEAD = (("struct_size", ctypes.c_size_t), ("extension", ctypes.c_void_p))


def _struct(*fields: tuple[str, Any]) -> Any:
    return type("Struct", (ctypes.Structure,), {"_fields_": fields})


_Extension = _struct(("struct_size", ctypes.c_size_t), ("type", ctypes.c_int), ("next", ctypes.c_void_p))
_Version = _struct(*_HEAD, ("major", ctypes.c_int), ("minor", ctypes.c_int))
_Metadata = _struct(("struct_size", ctypes.c_size_t), ("version", _Version), ("traits", ctypes.c_uint32))
_MetadataExtension = _struct(("base", _Extension), ("metadata", ctypes.POINTER(_Metadata)))
_ErrorArguments = _struct(*_HEAD, ("message", ctypes.c_char_p), ("code", ctypes.c_int))
_ErrorCreate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_ErrorArguments))
_Api = _struct(*_HEAD, ("version", _Version), ("internal", ctypes.c_void_p), ("error_create", _ErrorCreate))
_Buffer = _struct(
    *_HEAD,
    ("dtype", ctypes.c_int),
    ("data", ctypes.c_void_p),
    ("rank", ctypes.c_int64),
    ("dims", ctypes.POINTER(ctypes.c_int64)),
)
_Buffers = _struct(
    *_HEAD,
    ("size", ctypes.c_int64),
    ("types", ctypes.c_void_p),
    ("buffers", ctypes.POINTER(ctypes.POINTER(_Buffer))),
)
_CallFrame = _struct(
    *_HEAD,
    ("api", ctypes.POINTER(_Api)),
    ("context", ctypes.c_void_p),
    ("stage", ctypes.c_int),
    ("operands", _Buffers),
    ("results", _Buffers),
)
_Handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(_CallFrame))
_handlers: dict[str, Any] = {}  # XLA keeps their addresses


def register(name: str, function: Callable[[list[np.ndarray], list[np.ndarray]], None]) -> None:
    """Let ``jax.ffi.ffi_call(name, …)`` call ``function(operands, results)``, which fills the results in place.

    What the function raises becomes an error of the program that called it. A name is registered once.
    """
    if name in _handlers:
        return

    def handle(at: Any) -> Any:
        frame = at.contents
        try:
            if not _answer_about_version(frame):
                function(_views(frame.operands), _views(frame.results))
        except BaseException as error:  # one that escaped would be lost, and the results with it
            message = f"{name}: {type(error).__name__}: {error}".encode()
            arguments = _ErrorArguments(ctypes.sizeof(_ErrorArguments), None, message, _INTERNAL)
            return frame.api.contents.error_create(ctypes.byref(arguments))
        return None

    handler = _handlers[name] = _Handler(handle)
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(ctypes.cast(handler, ctypes.c_void_p).value), platform="cpu")


def _answer_about_version(frame: Any) -> bool:
    """Whether this is XLA's question, when registering, for which version of the convention the handler is."""
    if not frame.extension or _Extension.from_address(frame.extension).type != _METADATA:
        return False
    metadata = _MetadataExtension.from_address(frame.extension).metadata.contents
    # The oldest with what is read here; a newer XLA still speaks it.
    metadata.version.major, metadata.version.minor, metadata.traits = 0, 1, 0
    return True


def _views(buffers: Any) -> list[np.ndarray]:
    found = []
    for buffer in (buffers.buffers[i].contents for i in range(buffers.size)):
        dtype, shape = np.dtype(_DTYPES[buffer.dtype]), tuple(buffer.dims[: buffer.rank])
        content = (ctypes.c_char * (dtype.itemsize * math.prod(shape))).from_address(buffer.data)
        found.append(np.frombuffer(content, dtype).reshape(shape))
    return found
