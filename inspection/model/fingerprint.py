"""The fingerprint of a frozen network: the same answers, the same fingerprint."""

import hashlib
import json

import numpy as np
from torch import Tensor, nn

#: Tensors that only training uses and that some sources therefore leave out.
_TRAINING_ONLY = ("mask_token",)


def fingerprint(module: nn.Module) -> str:
    """Return the SHA-256, in hexadecimal, of what a backbone or text tower answers by.

    It covers the module's `constants` (if it has such) and name, shape and float32 values of its
    tensors in the order of their names. Left out is what a source may lack without changing an
    answer: the mask token, buffers that follow from the configuration, and biases that are all
    zero. The same weights from Hugging Face, from timm and from Meta's file therefore agree.
    """
    constants = getattr(module, "constants", {})
    digest = hashlib.sha256(json.dumps(constants, sort_keys=True).encode())
    # transformers 4 keeps the blocks at `layer`, later releases at `model.layer`.
    tensors = {
        name.replace("model.layer.", "layer."): tensor
        for name, tensor in module.state_dict().items()
    }
    for name in sorted(tensors):
        if _matters(name, tensors[name]):
            values = tensors[name].detach().float().cpu().contiguous().numpy()
            digest.update(f"{name} {list(values.shape)}\n".encode())
            digest.update(np.ascontiguousarray(values, dtype="<f4").data)
    return digest.hexdigest()


def _matters(name: str, tensor: Tensor) -> bool:
    if name.endswith(_TRAINING_ONLY):
        return False
    return not (name.endswith("bias") and bool((tensor == 0).all()))
