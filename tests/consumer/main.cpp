// Selects rows by attention mass through the installed library, and meets one of its errors.
#include <ATen/ATen.h>
#include <bt/core/build_info.h>
#include <bt/core/error.h>
#include <bt/core/files.h>
#include <bt/ops/ops.h>

#include <cstdio>

int main() {
  const at::Tensor mass_ET = at::tensor({0.1, 0.6, 0.3}).view({1, 3});
  const at::Tensor rows_EW = bt::ops::select_top(mass_ET, 2);
  if (!rows_EW.equal(at::tensor({1, 2}, at::kLong).view({1, 2}))) return 1;
  try {
    bt::read_file("/nonexistent/file");
    return 1;
  } catch (const bt::Error& error) {
    if (error.code() != bt::ExitCode::bad_file) return 1;
  }
  std::printf("bt %s works outside its tree\n", bt::build_info().version);
}
