// The precompiled header of everything that links LibTorch. ATen alone: what further headers leave to be instantiated
// would be instantiated in every file (2 s an empty file with ATen, 5 s with registration and autograd nodes).
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
