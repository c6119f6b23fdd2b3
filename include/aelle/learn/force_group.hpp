#pragma once
/// FORCE training of many Rank-1 networks side by side on a device: ForceTrainer (force.hpp) of each, with the same start, targets, order of
/// updates and tests. A network's numbers depend neither on the others nor on how its work is cut; they differ from the host's by rounding,
/// which a chaotic loop makes large.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "aelle/learn/force.hpp"

namespace aelle::learn {

/// One network of a group.
struct ForceMember {
    cells::Parameters parameters;
    std::vector<double> period;  ///< one epoch's target
    uint64_t seed = 0, variant = 0;
};

class ForceGroupTrainer {
public:
    using Snapshot = ForceTrainer::Snapshot;

    /// Networks of options.hidden units each, at most engine.largest_force(). The engine must outlive the trainer. DataError as ForceTrainer;
    /// OutOfDeviceMemory.
    ForceGroupTrainer(const backend::GroupEngine& engine, const ForceOptions& options, std::vector<ForceMember> members);
    ~ForceGroupTrainer();

    std::size_t size() const;
    int64_t steps_done(std::size_t i) const;
    int64_t left_in_epoch(std::size_t i) const;  ///< steps to the end of the epoch that the next one belongs to
    double training_error(std::size_t i) const;
    /// What is not finite stays so: at the end of an epoch this does not depend on how training was cut.
    bool finite(std::size_t i) const;
    Snapshot snapshot(std::size_t i) const;
    cells::Parameters parameters(std::size_t i) const;
    std::vector<double> state(std::size_t i) const;  ///< x (N)
    double output(std::size_t i) const;              ///< z

    /// Up to `most` steps of every network named, none beyond the end of its epoch; fewer where the device's buffers end.
    void train(std::span<const std::size_t> who, int64_t most);

    void save(std::size_t i, ArchiveWriter&) const;  ///< M and w_f are not stored: they come from the seed
    void load(std::size_t i, ArchiveReader&);

    /// The tests of one network.
    struct TestStart {
        std::size_t network = 0;
        std::span<const Snapshot> snapshots;       ///< at least one
        std::span<const std::byte> progress = {};  ///< what Tests::save wrote of them; empty: they begin
    };
    /// Tests in progress of several networks, each of which goes its own way.
    class Tests {
    public:
        ~Tests();
        Tests(Tests&&) noexcept;
        std::size_t parts() const;
        int64_t steps_done(std::size_t part) const;
        double error(std::size_t part, int64_t test) const;  ///< mean |f - z'| so far; NaN before the first step
        /// Up to most[part] steps more of every part, fewer where the device's buffers end: (tests x steps made) of z'.
        std::vector<Matrix<double>> run(std::span<const int64_t> most);
        void save(std::size_t part, ArchiveWriter&) const;

    private:
        friend class ForceGroupTrainer;
        struct Impl;
        explicit Tests(std::unique_ptr<Impl>);
        std::unique_ptr<Impl> impl_;
    };
    /// The trainer must outlive them. OutOfDeviceMemory.
    Tests start_tests(std::span<const TestStart> parts) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace aelle::learn
