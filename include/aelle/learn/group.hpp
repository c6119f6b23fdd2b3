#pragma once
/// Training and evaluation of many networks side by side on a device: what learn/bptt.hpp does for one, with the same options, orders of sequences, noise and
/// dropout. Numbers agree with those of a host to rounding.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "aelle/learn/bptt.hpp"

namespace aelle::learn {

/// All sequences of a set in the device's memory.
class DeviceCopy {
public:
    DeviceCopy(const backend::GroupEngine& engine, const Sequences& data);
    const Sequences& data() const { return data_; }
    const backend::SequenceTable& shape() const { return shape_; }  ///< without the sequences themselves
    const backend::DeviceSequences& sequences() const { return *sequences_; }

private:
    const Sequences& data_;
    backend::SequenceTable shape_;
    std::unique_ptr<backend::DeviceSequences> sequences_;
};

/// One network of a group.
struct Member {
    Model model;
    std::vector<int64_t> indices;  ///< the sequences to train on
    uint64_t seed = 0, variant = 0;
};

class GroupTrainer {
public:
    /// Models of one cell, shape, set of tensors and scalars. Engine and data must outlive the trainer. DataError as BpttTrainer; OutOfDeviceMemory.
    GroupTrainer(const backend::GroupEngine& engine, const BpttOptions& options, const DeviceCopy& data, std::vector<Member> members);
    ~GroupTrainer();

    std::size_t size() const;
    int64_t updates_per_epoch(std::size_t i) const;
    int64_t updates_done(std::size_t i) const;
    int64_t left_in_epoch(std::size_t i) const;  ///< updates to the end of the epoch that the next one belongs to
    double training_loss(std::size_t i) const;
    bool finite(std::size_t i) const;
    Model model(std::size_t i) const;  ///< as trained so far

    /// Up to `most` updates of every network named, none beyond the end of its epoch.
    void update(std::span<const std::size_t> who, int64_t most);

    struct Loss {
        double sum = 0.0;
        int64_t predictions = 0, correct = 0;
    };
    /// Some of a network's sequences, in whole batches but for the last, and the loss over those before them.
    struct Part {
        std::size_t network = 0;
        std::span<const int64_t> sequences;
        Loss before{};
    };
    /// Losses without dropout or noise, added to those before, batch by batch: the same bits however sequences are cut into calls. `probabilities`: as backend::TrainingGroup::evaluate.
    std::vector<Loss> evaluate(const DeviceCopy& data, std::span<const Part> parts, std::vector<float>* probabilities = nullptr);

    void save(std::size_t i, ArchiveWriter&) const;  ///< as BpttTrainer::save
    void load(std::size_t i, ArchiveReader&);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace aelle::learn
