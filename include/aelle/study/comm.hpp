#pragma once
/// Ranks and messages. The only place that includes MPI; without MPI, or outside a launcher, there is one rank.
///
/// All calls come from the program's main thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace aelle::study {

struct Message {
    int from = 0;
    int tag = 0;
    int64_t value = 0;
};

class Comm {
public:
    virtual ~Comm() = default;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    /// Ranks, this one included, whose affinity mask is this rank's on the same node: they share its cores.
    virtual int ranks_sharing_cores() const = 0;
    virtual int rank_on_node() const = 0;
    virtual int ranks_on_node() const = 0;
    /// Never blocks for long: messages are small.
    virtual void send(int to, int tag, int64_t value) = 0;
    virtual std::optional<Message> poll() = 0;
    virtual void barrier() = 0;
    /// Every rank's bytes at rank 0, in the order of ranks; empty elsewhere. Collective.
    virtual std::vector<std::vector<std::byte>> gather(const std::vector<std::byte>& bytes) = 0;
    /// Rank 0's value at every rank. Collective.
    virtual int64_t broadcast(int64_t value) = 0;
    /// Ends all ranks at once with that exit status.
    [[noreturn]] virtual void abort(int status) = 0;
};

/// MPI when the program was started by mpirun, srun or the like, else one rank.
std::unique_ptr<Comm> start_comm();

/// Name and version of the MPI library, or why there is none.
std::string mpi_description();

}  // namespace aelle::study
