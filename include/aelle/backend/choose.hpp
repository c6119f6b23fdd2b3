#pragma once
/// Which device a run computes on.

#include <memory>
#include <string>

#include "aelle/backend/backend.hpp"
#include "aelle/backend/groups.hpp"

namespace aelle::backend {

/// The device a user asks for.
enum class Device { automatic, cpu, cuda };

/// Which of a node's GPUs a rank takes.
struct Place {
    int rank_on_node = 0, ranks_on_node = 1;
    bool share = false;  ///< several ranks may have one GPU
};

struct Choice {
    std::unique_ptr<Backend> backend;     ///< on the host, always
    std::unique_ptr<GroupEngine> groups;  ///< on a GPU, or null
    std::string gpu_note;                 ///< why no GPU is used, or which one is

    std::string device_kind() const { return groups ? groups->device_kind() + " with " + backend->device_kind() : backend->device_kind(); }
};

/// DataError (status 65) when `cuda` is asked for and cannot be had, UsageError when there are more ranks than GPUs and they may not share.
Choice choose(Device device, const Place& place = {});

}  // namespace aelle::backend
