"""load_ops.py LIBRARY [STANDINS]: loads the operator library into PyTorch and runs one operator.

STANDINS is a folder of make_standins, for a PyTorch without its CUDA libraries.
"""

import ctypes
import pathlib
import sys
import warnings

library, *standins = sys.argv[1:]
for folder in standins:
    for name in ("libtorch_cuda.so", "libtorch.so", "libcudnn.so.9", "libcufile.so.0"):
        ctypes.CDLL(str(pathlib.Path(folder, name)), mode=ctypes.RTLD_GLOBAL)
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")

import torch  # noqa: E402

torch.ops.load_library(library)
mass = torch.tensor([[0.1, 0.6, -1.0, 0.3]])
rows = torch.ops.bt.select_top(mass, 2)
assert rows.tolist() == [[1, 3]], rows
rows = torch.ops.bt.select_top(mass, 4)
assert rows.tolist() == [[0, 1, 3, -1]], rows
print("torch.ops.bt works in PyTorch", torch.__version__)
