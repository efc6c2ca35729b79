"""What torch's own kernels refuse because this processor, or this dtype, has no implementation: no defect of the caller's.

Sources of the messages
    oneDNN  include/oneapi/dnnl/dnnl.hpp: error::wrap_c_api(status, "could not create a primitive descriptor for …"), with the
            status dnnl_unimplemented; "could not create a primitive" where only the kernel's code cannot be made
    torch   aten/src/ATen/native/mkldnn/Utils.h, mkldnn_check_low_precision, and Matmul.cpp: "… path needs the cpu support …"
            aten/src/ATen/Dispatch.h: '"gemm_cpu" not implemented for 'Half''; other dtypes are a caller's mistake
            aten/src/ATen/native/LinearAlgebraUtils.h: "Low precision dtypes not supported"
"""

import dis
import re
from types import TracebackType

LOW = "(?:Half|BFloat16|ComplexHalf)"
MESSAGES = (
    r"could not create a primitive\b",
    r"\b(?:bf16|fp16) path needs the cpu support\b",
    rf"\"\w+\" not implemented for '{LOW}'",
    rf"Low precision dtypes not supported\. Got {LOW}\b",
)
"""What the message of such a refusal has in it."""
KINDS = (RuntimeError, NotImplementedError)
"""What torch raises from C++ in Python; a class of its own would be somebody else's."""


def is_unimplemented(error: BaseException) -> bool:
    """Return whether a kernel of torch's raised this for lack of an implementation, and no line of Python.

    >>> is_unimplemented(NotImplementedError("the author has not written this yet"))
    False
    """
    told = type(error) in KINDS and any(re.search(message, str(error)) for message in MESSAGES)
    return told and not _raised_in_python(error.__traceback__)


def lacks_forward_mode(error: BaseException) -> bool:
    """Return whether a kernel of torch's refused forward-mode derivatives, as oneDNN's LSTM does."""
    return type(error) is NotImplementedError and "Trying to use forward AD with" in str(error)


def in_words(error: BaseException, what: str = "this") -> str:
    """Return the reason as a person reads it.

    >>> in_words(RuntimeError("could not create a primitive. Run workload with ..."))
    'torch has no kernel for this on this processor: could not create a primitive'
    """
    told = str(error).splitlines()[0].partition(". Run workload with")[0]
    return f"torch has no kernel for {what} on this processor: {told}"


def _raised_in_python(traceback: TracebackType | None) -> bool:
    """Return whether the innermost frame stands at a ``raise``, and not at a call of what is written in another language."""
    if traceback is None:
        return True
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return dis.opname[traceback.tb_frame.f_code.co_code[traceback.tb_lasti]] == "RAISE_VARARGS"
