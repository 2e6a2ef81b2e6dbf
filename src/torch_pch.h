// The one precompiled header of everything that links LibTorch: ATen, operator registration and autograd nodes.
#pragma once
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>
