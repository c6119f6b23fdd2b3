#include "kernels/cuda/force_group.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace aelle::cuda {
namespace {

constexpr std::size_t number = sizeof(double);

std::size_t bytes(int64_t numbers) { return static_cast<std::size_t>(numbers) * number; }

int32_t narrow(int64_t n) {
    require(n >= 0 && n <= std::numeric_limits<int32_t>::max(), "GPU FORCE: a size beyond 32 bits");
    return static_cast<int32_t>(n);
}

std::vector<double> part_of(const DeviceMemory& memory, int64_t first, int64_t count) {
    std::vector<double> values(static_cast<std::size_t>(count));
    memory.download(values.data(), bytes(count), bytes(first));
    return values;
}

void put(const DeviceMemory& memory, int64_t first, std::span<const double> values) {
    memory.upload(values.data(), values.size_bytes(), bytes(first));
}

/// No network or part twice.
template <class Work, class Number>
void check_once(std::span<const Work> work, Number&& number_of) {
    std::vector<int64_t> numbers;
    for (const Work& w : work) numbers.push_back(number_of(w));
    std::ranges::sort(numbers);
    require(std::ranges::adjacent_find(numbers) == numbers.end(), "GPU FORCE: a network twice in one call");
}

}  // namespace

ForceWeights::ForceWeights(const Library& library, int n, std::span<const cells::Parameters> networks) : n_(n) {
    std::vector<int32_t> start;
    std::vector<uint16_t> row, column;
    std::vector<double> value, w_fb;
    for (const cells::Parameters& network : networks) {
        const std::vector<double>& rows = network.tensors.at("weight_hh_l0");
        const std::vector<double>& feedback = network.tensors.at("weight_fb");
        require(static_cast<int64_t>(rows.size()) == int64_t{n} * n && static_cast<int64_t>(feedback.size()) == n,
                "GPU FORCE: weights of another size");
        const ForceMatrix m = pack_force_matrix(n, rows.data());
        places_.push_back({start.size(), column.size(), value.size(), m.column.empty()});
        start.insert(start.end(), m.start.begin(), m.start.end());
        row.insert(row.end(), m.row.begin(), m.row.end());
        column.insert(column.end(), m.column.begin(), m.column.end());
        value.insert(value.end(), m.value.begin(), m.value.end());
        w_fb.insert(w_fb.end(), feedback.begin(), feedback.end());
        dt_.push_back(network.scalars.at("dt"));
    }
    start_ = on_device(library, start.data(), start.size(), "slices of recurrent weights");
    row_ = on_device(library, row.data(), row.size(), "rows of recurrent weights");
    column_ = on_device(library, column.data(), column.size(), "columns of recurrent weights");
    value_ = on_device(library, value.data(), value.size(), "recurrent weights");
    w_fb_ = on_device(library, w_fb.data(), w_fb.size(), "feedback weights");
}

SlicedRows ForceWeights::m(int64_t network) const {
    const Place& place = places_[static_cast<std::size_t>(network)];
    return {.start = start_.as<int32_t>() + place.start,
            .row = row_.as<uint16_t>() + network * n_,
            .column = place.dense ? nullptr : column_.as<uint16_t>() + place.column,
            .value = value_.as<double>() + place.value};
}

Force::Force(const Library& library, int n, std::span<const cells::Parameters> networks, const ForceSettings& settings)
    : library_(library),
      n_(n),
      networks_(static_cast<int64_t>(networks.size())),
      settings_(settings),
      weights_(library, n, networks),
      x_(library, bytes(networks_ * n), "states"),
      z_(library, bytes(networks_), "outputs"),
      w_out_(library, bytes(networks_ * n), "readouts"),
      tiles_(library, bytes(networks_ * inverse_size(n)), "inverse correlations of " + std::to_string(networks_) + " networks"),
      v_(library, bytes(networks_ * force_rank * force_padded(n)), "updates put off"),
      c_(library, bytes(networks_ * force_rank), "factors of updates put off"),
      pending_(library, static_cast<std::size_t>(networks_) * sizeof(int32_t), "counts of updates put off"),
      target_(library, bytes(networks_ * settings.longest), "targets"),
      output_(library, bytes(networks_ * settings.longest), "outputs"),
      work_(library, static_cast<std::size_t>(networks_) * sizeof(ForceNetwork), "work") {
    require(n >= 1 && n <= force_max_units && settings.longest >= 1 && settings.at_once >= 1, "GPU FORCE: wrong sizes");
    v_.clear();  // padding is read
    for (int64_t i = 0; i < networks_; ++i) {
        const auto rest = static_cast<std::size_t>(n);
        set(i, {.x = std::vector<double>(rest),
                .z = 0.0,
                .w_out = networks[static_cast<std::size_t>(i)].tensors.at("weight_out"),
                .p = {},
                .v = {},
                .c = {}});
    }
}

void Force::check(int64_t network) const { require(network >= 0 && network < networks_, "GPU FORCE: no such network"); }

void Force::set(int64_t network, const backend::ForceState& state) {
    check(network);
    const auto n = static_cast<std::size_t>(n_), late = state.c.size();
    require(state.x.size() == n && state.w_out.size() == n && (state.p.empty() || state.p.size() == n * (n + 1) / 2) &&
                late <= force_rank && state.v.size() == late * n,
            "GPU FORCE: a state of another size");
    put(x_, network * n_, state.x);
    put(z_, network, {&state.z, 1});
    put(w_out_, network * n_, state.w_out);
    std::vector<double> tiles(static_cast<std::size_t>(inverse_size(n_)));
    pack_inverse(n_, state.p, settings_.alpha, tiles.data());
    put(tiles_, network * inverse_size(n_), tiles);
    for (std::size_t k = 0; k < late; ++k)
        put(v_, (network * force_rank + static_cast<int64_t>(k)) * force_padded(n_), std::span(state.v).subspan(k * n, n));
    put(c_, network * force_rank, state.c);
    const auto pending = static_cast<int32_t>(late);
    pending_.upload(&pending, sizeof pending, static_cast<std::size_t>(network) * sizeof pending);
}

backend::ForceState Force::get(int64_t network, bool with_p) const {
    check(network);
    backend::ForceState state{.x = part_of(x_, network * n_, n_),
                              .z = part_of(z_, network, 1).front(),
                              .w_out = part_of(w_out_, network * n_, n_),
                              .p = {},
                              .v = {},
                              .c = {}};
    if (!with_p) return state;
    const std::vector<double> tiles = part_of(tiles_, network * inverse_size(n_), inverse_size(n_));
    for (int j = 0; j < n_; ++j)
        for (int i = j; i < n_; ++i) state.p.push_back(tiles[static_cast<std::size_t>(inverse_place(n_, i, j))]);
    int32_t pending = 0;
    pending_.download(&pending, sizeof pending, static_cast<std::size_t>(network) * sizeof pending);
    state.c = part_of(c_, network * force_rank, pending);
    for (int32_t k = 0; k < pending; ++k) {
        const std::vector<double> v = part_of(v_, (network * force_rank + k) * force_padded(n_), n_);
        state.v.insert(state.v.end(), v.begin(), v.end());
    }
    return state;
}

/// `first`: where its targets and outputs begin in the buffers.
ForceNetwork Force::descriptor(int64_t learn_every, const Work& work, int64_t first) const {
    const int64_t i = work.network;
    return {.m = weights_.m(i),
            .w_fb = weights_.w_fb(i),
            .x = x_.as<double>() + i * n_,
            .z = z_.as<double>() + i,
            .w_out = w_out_.as<double>() + i * n_,
            .tiles = tiles_.as<double>() + i * inverse_size(n_),
            .v = v_.as<double>() + i * force_rank * force_padded(n_),
            .c = c_.as<double>() + i * force_rank,
            .pending = pending_.as<int32_t>() + i,
            .target = target_.as<double>() + first,
            .output = output_.as<double>() + first,
            .dt = weights_.dt(i),
            .first_step = work.first_step,
            .learn_every = learn_every,
            .n = n_,
            .rank = force_rank,
            .steps = narrow(static_cast<int64_t>(work.target.size()))};
}

void Force::run(int64_t learn_every, std::span<const Work> work) {
    require(learn_every >= 0, "GPU FORCE: learning in fewer than no steps");
    check_once(work, [](const Work& w) { return w.network; });
    std::vector<double> values;
    std::vector<ForceNetwork> descriptors;
    for (const Work& w : work) {
        check(w.network);
        const auto steps = static_cast<int64_t>(w.target.size());
        require(steps <= settings_.longest && w.output.size() == w.target.size() && w.first_step >= 0,
                "GPU FORCE: a call of another length");
        descriptors.push_back(descriptor(learn_every, w, static_cast<int64_t>(values.size())));
        values.insert(values.end(), w.target.begin(), w.target.end());
    }
    put(target_, 0, values);
    work_.upload(descriptors.data(), descriptors.size() * sizeof(ForceNetwork));
    const auto all = static_cast<int64_t>(work.size());
    for (int64_t first = 0; first < all; first += settings_.at_once) {
        const int64_t some = std::min<int64_t>(all - first, settings_.at_once);
        library_.check(library_.table().force(library_.device(), some, n_, work_.as<ForceNetwork>() + first), "FORCE");
    }
    output_.download(values.data(), bytes(static_cast<int64_t>(values.size())));
    auto from = values.begin();
    for (const Work& w : work) {
        std::copy_n(from, w.output.size(), w.output.begin());
        from += static_cast<std::ptrdiff_t>(w.output.size());
    }
}

std::unique_ptr<backend::FrozenGroup> Force::frozen(std::span<const Loops> parts, int64_t longest) const {
    for (const Loops& part : parts) check(part.network);
    return std::make_unique<Frozen>(library_, n_, weights_, parts, longest, settings_.shared_memory);
}

Frozen::Frozen(const Library& library, int n, const ForceWeights& weights, std::span<const backend::ForceGroup::Loops> parts,
               int64_t longest, int64_t shared_memory)
    : library_(library), n_(n), weights_(weights), longest_(longest), shared_memory_(shared_memory) {
    std::vector<double> x, z, w_out;
    for (const backend::ForceGroup::Loops& part : parts) {
        require(!part.start.empty(), "GPU FORCE: a network without frozen loops");
        parts_.push_back({part.network, static_cast<int64_t>(z.size()), static_cast<int64_t>(part.start.size())});
        for (const backend::ForceState& state : part.start) {
            require(static_cast<int64_t>(state.x.size()) == n && static_cast<int64_t>(state.w_out.size()) == n,
                    "GPU FORCE: a state of another size");
            x.insert(x.end(), state.x.begin(), state.x.end());
            z.push_back(state.z);
            w_out.insert(w_out.end(), state.w_out.begin(), state.w_out.end());
        }
    }
    require(longest >= 1, "GPU FORCE: wrong sizes");
    x_ = on_device(library, x.data(), x.size(), "states of frozen loops");
    z_ = on_device(library, z.data(), z.size(), "outputs of frozen loops");
    w_out_ = on_device(library, w_out.data(), w_out.size(), "readouts of frozen loops");
    output_ = DeviceMemory(library, z.size() * static_cast<std::size_t>(longest) * number, "outputs of frozen loops");
    work_ = DeviceMemory(library, parts_.size() * sizeof(FrozenNetwork), "work");
}

backend::ForceState Frozen::get(int64_t part, int64_t loop) const {
    require(loop >= 0 && loop < loops(part), "GPU FORCE: no such loop");
    const int64_t at = parts_[static_cast<std::size_t>(part)].first + loop;
    return {
        .x = part_of(x_, at * n_, n_), .z = part_of(z_, at, 1).front(), .w_out = part_of(w_out_, at * n_, n_), .p = {}, .v = {}, .c = {}};
}

void Frozen::run(std::span<const Work> work) {
    check_once(work, [](const Work& w) { return w.part; });
    std::vector<FrozenNetwork> descriptors;
    int64_t numbers = 0, most = 1;
    for (const Work& w : work) {
        const Part& part = parts_.at(static_cast<std::size_t>(w.part));
        const MatrixView<double>& output = w.output;
        require(output.rows == part.loops && output.ld == part.loops && output.cols >= 0 && output.cols <= longest_,
                "GPU FORCE: outputs of another shape");
        descriptors.push_back({.m = weights_.m(part.network),
                               .w_fb = weights_.w_fb(part.network),
                               .x = x_.as<double>() + part.first * n_,
                               .z = z_.as<double>() + part.first,
                               .w_out = w_out_.as<double>() + part.first * n_,
                               .output = output_.as<double>() + numbers,
                               .ld = part.loops,
                               .dt = weights_.dt(part.network),
                               .n = n_,
                               .loops = narrow(part.loops),
                               .steps = narrow(output.cols)});
        numbers += part.loops * output.cols;
        most = std::max(most, part.loops);
    }
    if (work.empty()) return;
    work_.upload(descriptors.data(), descriptors.size() * sizeof(FrozenNetwork));
    library_.check(library_.table().frozen(library_.device(), static_cast<int64_t>(work.size()), n_, narrow(most), shared_memory_,
                                           work_.as<FrozenNetwork>()),
                   "closed loops");
    const std::vector<double> all = part_of(output_, 0, numbers);
    auto from = all.begin();
    for (const Work& w : work) {
        std::copy_n(from, w.output.rows * w.output.cols, w.output.data);
        from += w.output.rows * w.output.cols;
    }
}

}  // namespace aelle::cuda
