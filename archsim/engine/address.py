"""Where an array's words are, for compiled code that indexes them without Numba's checks."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core.extending import intrinsic
from numba.np.arrayobj import make_array


def _address(typing_context: Any, array: Any) -> Any:
    """An int64 array's address: indexed like the array, but negative indices do not wrap.

    Without that test, and with one argument in place of an array's seven, compiled calls cost less.
    The array has to outlive the address.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        make: Any = make_array
        return make(signature.args[0])(context, builder, arguments[0]).data

    pointer: Any = types.CPointer
    return pointer(types.int64)(array), code


address: Any = intrinsic(_address)
