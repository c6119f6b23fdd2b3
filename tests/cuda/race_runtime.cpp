#include "tests/cuda/race_runtime.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>
#include <utility>

#include "kernels/cuda/emulation.hpp"

extern "C" const char __executable_start;  // of the linker

namespace aelle::cuda::races {
namespace {

using emulation::races::Cluster;
using emulation::races::Memory;
using emulation::races::Scope;

constexpr unsigned lane_bits = 5, thread_bits = 10;
constexpr uint32_t never = 0;
constexpr std::size_t most_found = 200;

/// Who did it when. Times are numbers of barriers: what a warp's barrier separates differs in `warp`, what a block's does in `block` too, and what a
/// cluster's does in all three. No two clusters, of any launch, have a time in `cluster` in common.
struct Access {
    uint32_t code = 0;  ///< from the start of the program
    uint32_t who = 0;   ///< block of the launch, warp, lane
    uint32_t cluster = never, block = 0, warp = 0;
};

/// Four bytes. Of all that read them since the last write, two are enough: those that are farthest from each other. Whoever writes next is as far from
/// one of them as from any other reader that he races with. Earlier writes need not be known: who races with one, races with the last, or that did.
struct alignas(64) Cell {
    Access write;
    std::array<Access, 2> readers;
    Between readers_apart = Between::nothing;  ///< nothing: there is only the first, if any
};

constexpr std::size_t page_cells = 1024;
using Page = std::array<Cell, page_cells>;                     // 64 kB
constexpr std::size_t usual_pages = 4096, most_pages = 16384;  // 256 MB, kept from launch to launch; 1 GB

void require(bool fact, const char* otherwise) {
    if (fact) return;
    std::fprintf(stderr, "race_runtime.cpp: %s\n", otherwise);
    std::abort();
}

class Table {
public:
    Cell& cell(uintptr_t word) {
        const uintptr_t number = word / page_cells;
        Known& known = known_[number % known_.size()];
        if (known.page == nullptr || known.number != number) known = {number, &page(number)};
        return (*known.page)[word % page_cells];
    }
    void shrink() {
        if (pages_.size() <= usual_pages) return;
        pages_.clear();
        known_.fill({});
    }
    std::size_t most_bytes() const { return most_ * sizeof(Page); }

private:
    struct Known {
        uintptr_t number = 0;
        Page* page = nullptr;
    };
    Page& page(uintptr_t number) {
        std::unique_ptr<Page>& found = pages_[number];
        if (!found) found = std::make_unique<Page>();
        most_ = std::max(most_, pages_.size());
        require(pages_.size() <= most_pages, "a launch uses more memory than most_pages allows to be watched");
        return *found;
    }
    std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages_;
    std::array<Known, 4096> known_{};
    std::size_t most_ = 0;
};

bool has(const Memory& memory, uintptr_t address) { return address - reinterpret_cast<uintptr_t>(memory.begin) < memory.bytes; }

class Detector {
public:
    bool watching = false;

    void launch() {
        static const auto owner = std::this_thread::get_id();
        require(owner == std::this_thread::get_id(), "kernels are launched by more than one thread");
        table_.shrink();
        launch_begin_ = latest_ + 1;
    }

    void cluster(const Cluster& started) {
        running_ = started;
        cluster_begin_ = ++latest_;
        require(started.threads <= 1 << thread_bits && (started.first + started.blocks) >> (32 - thread_bits) == 0, "too many threads");
        members_.clear();
        for (int64_t block = started.first; block < started.first + started.blocks; ++block)
            for (int64_t thread = 0; thread < started.threads; ++thread)
                members_.push_back({.who = static_cast<uint32_t>((block << thread_bits) + thread),
                                    .cluster = cluster_begin_,
                                    .block = cluster_begin_,
                                    .warp = cluster_begin_});
    }

    void goes_on(int member, Scope passed) {
        Access& it = members_[static_cast<std::size_t>(member)];
        if (passed == Scope::cluster) latest_ = std::max(latest_, ++it.cluster);
        if (passed >= Scope::block) ++it.block;
        if (passed >= Scope::warp) ++it.warp;
        if (passed != Scope::none) ++effort_.barriers;
        now_ = it;
        watching = true;
    }

    template <bool Writes>
    void access(const void* memory, std::size_t bytes, const void* code) {
        const auto address = reinterpret_cast<uintptr_t>(memory);
        if (has(running_.stacks, address) || has(running_.exchanged, address)) return;
        ++effort_.accesses;
        now_.code = static_cast<uint32_t>(static_cast<const char*>(code) - &__executable_start);
        const bool shared = has(running_.shared, address);
        const uint32_t since = shared ? cluster_begin_ : launch_begin_;  // one cluster's shared memory lies where another's lay
        for (uintptr_t word = address / 4; word <= (address + bytes - 1) / 4; ++word) {
            Cell& cell = table_.cell(word);
            const Between written = between(cell.write, since), first = between(cell.readers[0], since),
                          second = between(cell.readers[1], since);
            if (written != Between::nothing) report(written, cell.write, true, Writes, word * 4, shared);
            if constexpr (Writes) {
                if (first != Between::nothing) report(first, cell.readers[0], false, true, word * 4, shared);
                if (second != Between::nothing) report(second, cell.readers[1], false, true, word * 4, shared);
                cell.write = now_;
                cell.readers[0].cluster = cell.readers[1].cluster = never;
            } else {
                const Between farthest = std::max(first, second);
                if (first != Between::nothing && second != Between::nothing && cell.readers_apart >= farthest) continue;
                if (second > first) std::swap(cell.readers[0], cell.readers[1]);
                if (farthest != Between::nothing) cell.readers[1] = cell.readers[0];
                else cell.readers[1].cluster = never;
                cell.readers[0] = now_;
                cell.readers_apart = farthest;
            }
        }
    }

    const std::vector<Race>& found() const { return found_; }
    std::vector<Race> take() {
        seen_.clear();
        return std::exchange(found_, {});
    }
    Effort effort() const {
        Effort all = effort_;
        all.most_bytes = table_.most_bytes();
        return all;
    }

private:
    /// nothing: the access came before what the running thread does now, or before the cluster `since`.
    Between between(const Access& before, uint32_t since) const {
        if (before.cluster < since) return Between::nothing;
        if (before.cluster < cluster_begin_) return Between::clusters;
        const uint32_t apart = before.who ^ now_.who;
        if (apart >> thread_bits != 0) return before.cluster == now_.cluster ? Between::blocks : Between::nothing;
        if (apart >> lane_bits != 0) return before.block == now_.block ? Between::warps : Between::nothing;
        return apart != 0 && before.warp == now_.warp ? Between::lanes : Between::nothing;
    }

    [[gnu::noinline]] void report(Between apart, const Access& before, bool wrote, bool writes, uintptr_t address, bool shared) {
        const auto [known, fresh] = seen_.try_emplace({before.code, now_.code, wrote, writes}, found_.size());
        if (!fresh && (known->second == most_found || found_[known->second].between >= apart)) return;
        const Race race{.between = apart, .before = use(before, wrote), .after = use(now_, writes), .address = address, .shared = shared};
        if (!fresh) found_[known->second] = race;
        else if (found_.size() < most_found) found_.push_back(race);
    }

    static Use use(const Access& access, bool writes) {
        return {.writes = writes,
                .block = access.who >> thread_bits,
                .thread = static_cast<int>(access.who & ((1u << thread_bits) - 1)),
                .code = access.code};
    }

    Table table_;
    Cluster running_;
    std::vector<Access> members_;
    Access now_;
    uint32_t latest_ = never, launch_begin_ = 1, cluster_begin_ = 1;
    std::map<std::array<uint32_t, 4>, std::size_t> seen_;  ///< places and kinds: where in `found_`
    std::vector<Race> found_;
    Effort effort_;
};

Detector detector;

}  // namespace

const std::vector<Race>& found() { return detector.found(); }
std::vector<Race> take() { return detector.take(); }
Effort effort() { return detector.effort(); }

}  // namespace aelle::cuda::races

namespace aelle::cuda::emulation::races {

using cuda::races::detector;

void launch() { detector.launch(); }
void cluster(const Cluster& started) { detector.cluster(started); }
void goes_on(int member, Scope passed) { detector.goes_on(member, passed); }
void stops() { detector.watching = false; }

}  // namespace aelle::cuda::emulation::races

// What GCC calls in code compiled with -fsanitize=thread. Were one missing, the program would not link.
namespace {

using aelle::cuda::races::detector;

template <bool Writes>
void watch(const void* memory, std::size_t bytes, const void* code) {
    if (detector.watching) detector.access<Writes>(memory, bytes, code);
}

}  // namespace

#define AELLE_ACCESS(name, bytes)                                                                        \
    void __tsan_read##name(void* at) { watch<false>(at, bytes, __builtin_return_address(0)); }           \
    void __tsan_write##name(void* at) { watch<true>(at, bytes, __builtin_return_address(0)); }           \
    void __tsan_unaligned_read##name(void* at) { watch<false>(at, bytes, __builtin_return_address(0)); } \
    void __tsan_unaligned_write##name(void* at) { watch<true>(at, bytes, __builtin_return_address(0)); }

// Atomic operations order those who use them, here by being invisible.
#define AELLE_ATOMIC(bits, T)                                                                                                   \
    T __tsan_atomic##bits##_load(const volatile T* at, int) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }                   \
    void __tsan_atomic##bits##_store(volatile T* at, T value, int) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }           \
    T __tsan_atomic##bits##_exchange(volatile T* at, T value, int) { return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); } \
    T __tsan_atomic##bits##_fetch_add(volatile T* at, T value, int) { return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST); } \
    T __tsan_atomic##bits##_fetch_sub(volatile T* at, T value, int) { return __atomic_fetch_sub(at, value, __ATOMIC_SEQ_CST); } \
    T __tsan_atomic##bits##_fetch_and(volatile T* at, T value, int) { return __atomic_fetch_and(at, value, __ATOMIC_SEQ_CST); } \
    T __tsan_atomic##bits##_fetch_or(volatile T* at, T value, int) { return __atomic_fetch_or(at, value, __ATOMIC_SEQ_CST); }   \
    T __tsan_atomic##bits##_fetch_xor(volatile T* at, T value, int) { return __atomic_fetch_xor(at, value, __ATOMIC_SEQ_CST); } \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile T* at, T* expected, T value, int, int) {                         \
        return __atomic_compare_exchange_n(at, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                     \
    }                                                                                                                           \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile T* at, T* expected, T value, int, int) {                           \
        return __atomic_compare_exchange_n(at, expected, value, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                      \
    }

extern "C" {

AELLE_ACCESS(1, 1)
AELLE_ACCESS(2, 2)
AELLE_ACCESS(4, 4)
AELLE_ACCESS(8, 8)
AELLE_ACCESS(16, 16)
void __tsan_read_range(void* at, unsigned long bytes) { watch<false>(at, bytes, __builtin_return_address(0)); }
void __tsan_write_range(void* at, unsigned long bytes) { watch<true>(at, bytes, __builtin_return_address(0)); }

AELLE_ATOMIC(8, unsigned char)
AELLE_ATOMIC(16, unsigned short)
AELLE_ATOMIC(32, unsigned int)
AELLE_ATOMIC(64, unsigned long)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit(void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}
}
