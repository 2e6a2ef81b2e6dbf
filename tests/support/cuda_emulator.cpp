#include "support/cuda_emulator.h"

#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#else
namespace {
void __sanitizer_start_switch_fiber(void**, const void*, size_t) {}
void __sanitizer_finish_switch_fiber(void*, const void**, size_t*) {}
}  // namespace
#endif

namespace bt::emulator {
namespace {

constexpr size_t kStack = 128 * 1024;
constexpr unsigned kBlockBarrier = 0;  // as a mask: no lanes, so the whole block

enum class Stage { ready, waiting, done };

struct Fiber {
  Thread thread;
  ucontext_t context{};
  std::unique_ptr<unsigned char[]> stack{new unsigned char[kStack]};
  void* sanitizer = nullptr;
  Stage stage = Stage::ready;
  unsigned waits_for = 0;  // mask of a warp barrier, or kBlockBarrier
  unsigned exchanges = 0;
};

struct Warp {
  unsigned char slots[2][32][kSlot];  // a lane may be one exchange ahead of another
};

struct Block {
  std::vector<Fiber>* fibers = nullptr;
  std::vector<Warp> warps;
  std::vector<unsigned char> shared;
};

Order order_now = Order::ascending;
std::vector<Fiber> fibers;  // kept from launch to launch
Block block;
Fiber* running = nullptr;
ucontext_t scheduler;
void* scheduler_sanitizer = nullptr;
const void* scheduler_stack = nullptr;
size_t scheduler_stack_size = 0;
const std::function<void()>* body_now = nullptr;

void yield() {
  Fiber& self = *running;
  __sanitizer_start_switch_fiber(self.stage == Stage::done ? nullptr : &self.sanitizer, scheduler_stack,
                                 scheduler_stack_size);
  swapcontext(&self.context, &scheduler);
  __sanitizer_finish_switch_fiber(self.sanitizer, &scheduler_stack, &scheduler_stack_size);
}

void fiber_main() {
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
  (*body_now)();
  running->stage = Stage::done;
  yield();
}

void wait_for(unsigned mask) {
  running->stage = Stage::waiting;
  running->waits_for = mask;
  yield();
}

void resume(Fiber& fiber) {
  running = &fiber;
  __sanitizer_start_switch_fiber(&scheduler_sanitizer, fiber.stack.get(), kStack);
  swapcontext(&scheduler, &fiber.context);
  __sanitizer_finish_switch_fiber(scheduler_sanitizer, nullptr, nullptr);
  running = nullptr;
}

// Threads of a warp, or of the block, that wait for each other, once all of them that are not done have come.
bool release(size_t begin, size_t end, unsigned mask) {
  const auto awaited = [&](size_t i) {
    return fibers[i].stage != Stage::done && (mask == kBlockBarrier || (mask >> (i - begin) & 1) != 0);
  };
  for (size_t i = begin; i < end; ++i) {
    if (awaited(i) && (fibers[i].stage != Stage::waiting || fibers[i].waits_for != mask)) return false;
  }
  for (size_t i = begin; i < end; ++i) {
    if (awaited(i)) fibers[i].stage = Stage::ready;
  }
  return true;
}

// Those of a group that wait for others of their warp.
bool release_warps(const std::vector<size_t>& group, size_t threads) {
  bool released = false;
  for (const size_t i : group) {
    if (fibers[i].stage != Stage::waiting || fibers[i].waits_for == kBlockBarrier) continue;
    const size_t warp = i / 32 * 32;
    released |= release(warp, std::min(warp + 32, threads), fibers[i].waits_for);
  }
  return released;
}

// Threads in groups: one runs as far ahead of the next as barriers of the block let it. In order, every warp is a
// group; shuffled, all threads go side by side.
using Turns = std::vector<std::vector<size_t>>;
Turns turns(size_t threads, unsigned block_number) {
  std::vector<size_t> turn(threads);
  for (size_t i = 0; i < threads; ++i) turn[i] = order_now == Order::descending ? threads - 1 - i : i;
  if (order_now == Order::shuffled) {
    std::shuffle(turn.begin(), turn.end(), std::mt19937(block_number + 1));
    return {turn};
  }
  Turns groups;
  for (const size_t t : turn) {
    if (groups.empty() || groups.back().back() / 32 != t / 32) groups.emplace_back();
    groups.back().push_back(t);
  }
  return groups;
}

void start_block(dim3 grid, unsigned threads, uint3 index, size_t shared_size) {
  fibers.resize(std::max<size_t>(fibers.size(), threads));
  block.warps.assign((threads + 31) / 32, {});
  block.shared.assign(shared_size + 16, 0xff);
  for (unsigned t = 0; t < threads; ++t) {
    Fiber& fiber = fibers[t];
    fiber.thread = {{t, 0, 0}, index, dim3(threads), grid};
    fiber.stage = Stage::ready;
    fiber.exchanges = 0;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, fiber_main, 0);
  }
}

void run_block(size_t threads, const Turns& groups) {
  const auto is_done = [](const Fiber& fiber) { return fiber.stage == Stage::done; };
  const auto end = fibers.begin() + static_cast<std::ptrdiff_t>(threads);
  while (!std::all_of(fibers.begin(), end, is_done)) {
    bool progress = false;
    for (const std::vector<size_t>& group : groups) {
      do {
        for (const size_t t : group) {
          if (fibers[t].stage != Stage::ready) continue;
          resume(fibers[t]);
          progress = true;
        }
      } while (release_warps(group, threads));
    }
    if (!release(0, threads, kBlockBarrier) && !progress) {
      throw std::runtime_error("threads of a block wait at different barriers");
    }
  }
}

}  // namespace

// A fiber cannot throw: there is no frame below it to catch.
void fatal(const char* what) {
  std::fprintf(stderr, "cuda_emulator: %s\n", what);
  std::abort();
}

void set_order(Order order) { order_now = order; }

Order order() { return order_now; }

const Thread& current() { return running->thread; }

void sync_block() { wait_for(kBlockBarrier); }

void sync_warp(unsigned mask) { wait_for(mask); }

const unsigned char* exchange(unsigned mask, const void* bytes, size_t size) {
  if (mask != 0xffffffffu) fatal("an exchange of a part of a warp is not emulated");
  Warp& warp = block.warps[running->thread.index.x / 32];
  const unsigned turn = running->exchanges++ % 2, lane = running->thread.lane();
  std::memcpy(warp.slots[turn][lane], bytes, size);
  wait_for(mask);
  return &warp.slots[turn][0][0];
}

unsigned char* shared_bytes() {
  const auto address = reinterpret_cast<uintptr_t>(block.shared.data());
  return block.shared.data() + (16 - address % 16) % 16;
}

void run(dim3 grid, unsigned threads, size_t shared_size, const std::function<void()>& body) {
  body_now = &body;
  unsigned number = 0;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        start_block(grid, threads, {x, y, z}, shared_size);
        run_block(threads, turns(threads, number++));
      }
    }
  }
}

}  // namespace bt::emulator
